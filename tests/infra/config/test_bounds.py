"""The bounds of every number, length and form that can be configured, on both sides of each."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from infra.config.access import AccessConfig, DnsConfig, PlatformAccessConfig
from infra.config.base import Model
from infra.config.cluster import Cidr, ClusterConfig, NetworkConfig
from infra.config.models import (
    MigrationConfig,
    PlatformConfig,
    PreviewConfig,
    PreviewDatabaseConfig,
    ServiceConfig,
)
from infra.config.platform import (
    BranchesConfig,
    BudgetConfig,
    Listener,
    LoadBalancerConfig,
    StagingDatabaseConfig,
)
from tests.infra.world import CREATED_CLUSTER, PREVIEW_CONFIG, SERVICE_CONFIG, STAGING_CONFIG

DATABASE = {"instanceClass": "db.t4g.micro"}
CLUSTER = {"name": "lab"}


def service(fewest: int, most: int) -> dict[str, Any]:
    return SERVICE_CONFIG | {"minReplicas": fewest, "maxReplicas": most}


# The model, what it needs besides, the key, what it just takes, and what is just beyond.
NUMBERS: list[tuple[type[Model], dict[str, Any], str, list[Any], list[Any]]] = [
    (ServiceConfig, SERVICE_CONFIG, "minReplicas", [1], [0]),
    (ServiceConfig, SERVICE_CONFIG | {"minReplicas": 1}, "maxReplicas", [1], [0]),
    *(
        (model, config, "service", [service(*most)], [service(20, 21), service(*beyond)])
        for model, config, most, beyond in (
            (PreviewConfig, PREVIEW_CONFIG, (10, 10), (11, 11)),
            (PlatformConfig, STAGING_CONFIG, (20, 20), (21, 21)),
        )
    ),
    (ServiceConfig, SERVICE_CONFIG | {"minReplicas": 3}, "maxReplicas", [3], [2]),
    (ServiceConfig, SERVICE_CONFIG, "targetCpuPercent", [10, 100], [9, 101]),
    (ServiceConfig, SERVICE_CONFIG, "startSeconds", [10, 1800], [9, 1801]),
    (
        ServiceConfig,
        SERVICE_CONFIG | {"gracePeriodSeconds": 600},
        "preStopSeconds",
        [1, 120],
        [0, 121],
    ),
    # What the service needs to drain, nine seconds, fits in.
    (ServiceConfig, SERVICE_CONFIG | {"preStopSeconds": 5}, "gracePeriodSeconds", [14], [13]),
    (ServiceConfig, SERVICE_CONFIG | {"preStopSeconds": 1}, "gracePeriodSeconds", [600], [601]),
    (MigrationConfig, {}, "maxLockSeconds", [0.001, 3600], [0, 3600.1]),
    (PreviewConfig, PREVIEW_CONFIG, "ttlDays", [1, 90], [0, 91]),
    (PlatformConfig, STAGING_CONFIG, "ttlDays", [1, 90], [0, 91]),
    (BranchesConfig, {}, "appConnections", [4, 200], [3, 201]),
    (BranchesConfig, {}, "spares", [0, 10], [-1, 11]),
    (BranchesConfig, {}, "sparesAboveMib", [0], [-1]),
    (BudgetConfig, {"emails": ["a@b.c"]}, "monthlyUsd", [1], [0]),
    (BudgetConfig, {}, "emails", [["a@b.c"] * 10, []], [["a@b.c"] * 11]),
    (ClusterConfig, CLUSTER, "maxCpus", [4, 10_000], [3, 10_001]),
    (ClusterConfig, CLUSTER, "apiCidrs", [["10.0.0.0/8"]], [[]]),
    (
        StagingDatabaseConfig,
        DATABASE | {"maxAllocatedStorage": 2000},
        "allocatedStorage",
        [20, 2000],
        [19, 2001],
    ),
    (
        StagingDatabaseConfig,
        DATABASE | {"allocatedStorage": 20},
        "maxAllocatedStorage",
        [20, 2000],
        [19, 2001],
    ),
    (StagingDatabaseConfig, DATABASE | {"allocatedStorage": 30}, "maxAllocatedStorage", [30], [29]),
    (StagingDatabaseConfig, DATABASE, "backupRetentionDays", [1, 35], [0, 36]),
    (StagingDatabaseConfig, DATABASE, "subnetIds", [["subnet-1", "subnet-2"]], [["subnet-1"]]),
    (Listener, {}, "port", [1, 65_535], [0, 65_536]),
    (LoadBalancerConfig, {}, "sourceCidrs", [["10.0.0.0/8"]], [[]]),
    (PlatformAccessConfig, {"signIn": "none"}, "cidrs", [["10.0.0.0/8"]], [[]]),
    (PlatformAccessConfig, {"signIn": "none"}, "identityProviders", [["OKTA"]], [[]]),
    (NetworkConfig, {}, "zones", [2, 4], [1, 5]),
    (
        NetworkConfig,
        {"vpcId": "vpc-1"},
        "nodeSubnetIds",
        [["subnet-1", "subnet-2"]],
        [["subnet-1"], None],
    ),
    (
        NetworkConfig,
        {},
        "cidr",
        ["10.0.0.0/16", "10.0.0.0/18", "172.21.0.0/16", "172.16.0.0/15"],
        ["10.0.0.0/19", "172.20.0.0/18", "172.16.0.0/12", "11.0.0.0/16"],
    ),
    (PlatformConfig, STAGING_CONFIG, "domain", ["a.b", "a-1.b2"], ["a", "a.-b", "a-.b", "a..b"]),
]


@pytest.mark.parametrize(("model", "known", "key", "taken", "beyond"), NUMBERS)
def test_a_bound_is_held_on_both_sides(
    model: type[Model], known: dict[str, Any], key: str, taken: list[Any], beyond: list[Any]
) -> None:
    for value in taken:
        model.model_validate(known | {key: value})
    for value in beyond:
        with pytest.raises(ValidationError) as refused:
            model.model_validate(known | {key: value})
        assert {str(error["loc"][0]) for error in refused.value.errors()} == {key}


def test_a_domain_leaves_room_for_the_stack_s_name() -> None:
    longest = ".".join(["d" * 63, "d" * 63, "d" * 63, "d" * 8])
    assert len(longest) == 200
    PlatformConfig.model_validate(STAGING_CONFIG | {"domain": longest})
    for domain in (longest + "d", "d" * 64 + ".test"):
        with pytest.raises(ValidationError, match="domain"):
            PlatformConfig.model_validate(STAGING_CONFIG | {"domain": domain})


@pytest.mark.parametrize("prefix", [0, 9, 10, 29, 30, 32])
def test_a_network_has_a_length(prefix: int) -> None:
    assert TypeAdapter(Cidr).validate_python(f"0.0.0.0/{prefix}")


@pytest.mark.parametrize("text", ["0.0.0.0/33", "0.0.0.0/40", "0.0.0/8", "0.0.0.0", "::/0"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Cidr).validate_python(text)


DEFAULTS: list[tuple[Model, dict[str, Any]]] = [
    (PreviewDatabaseConfig.model_validate(DATABASE), {"mode": "snapshot"}),
    (MigrationConfig(), {"max_lock_seconds": 2, "long_locks_meant": False}),
    (
        BranchesConfig(),
        {
            "enabled": False,
            "instance_class": "db.t4g.medium",
            "app_connections": 12,
            "spares": 2,
            "spares_above_mib": 2048,
            "pool_size": 3,
        },
    ),
    (BudgetConfig(), {"monthly_usd": None, "emails": ()}),
    (
        ClusterConfig.model_validate(CLUSTER),
        {
            "create": False,
            "api_cidrs": None,
            "admins": (),
            "max_cpus": 32,
            "external_secrets_image": None,
            "deletion_protection": True,
        },
    ),
    (
        StagingDatabaseConfig.model_validate(DATABASE),
        {
            "engine_version": "17",
            "allocated_storage": 20,
            "max_allocated_storage": 100,
            "multi_az": False,
            "backup_retention_days": 7,
            "deletion_protection": True,
            "name": "service",
            "master_username": "postgres",
            "ssl_mode": "verify-full",
            "subnet_ids": None,
        },
    ),
    (Listener(), {"protocol": "HTTPS", "port": 443}),
    (
        LoadBalancerConfig(),
        {
            "group": "previews",
            "scheme": "internal",
            "ingress_class": "alb",
            "controller": None,
            "source_cidrs": None,
            "faces_internet": False,
        },
    ),
    (
        PlatformAccessConfig.model_validate({"signIn": "none"}),
        {
            "cidrs": None,
            "user_pool_arn": None,
            "user_pool_domain": None,
            "identity_providers": ("COGNITO",),
            "bypass_secret_arn": None,
            "is_public": False,
        },
    ),
    (DnsConfig(), {"zone_id": None, "records": "wildcard"}),
    (
        NetworkConfig(),
        {
            "vpc_id": None,
            "node_subnet_ids": None,
            "cidr": "10.64.0.0/16",
            "zones": 2,
            "egress": "nat",
        },
    ),
]


@pytest.mark.parametrize(("found", "values"), DEFAULTS)
def test_what_is_not_set_is_this(found: Model, values: dict[str, Any]) -> None:
    assert {name: getattr(found, name) for name in values} == values


def test_a_pod_gets_a_quarter_of_the_connections() -> None:
    sizes = {n: BranchesConfig(app_connections=n).pool_size for n in (4, 7, 8, 200)}
    assert sizes == {4: 1, 7: 1, 8: 2, 200: 50}


def test_everywhere_is_public_among_others_too() -> None:
    def public(*cidrs: str) -> bool:
        config = {"signIn": "none", "cidrs": cidrs}
        return PlatformAccessConfig.model_validate(config).is_public

    assert public("10.0.0.0/8", "0.0.0.0/0")
    assert not public("0.0.0.0/1")
    assert LoadBalancerConfig(scheme="internet-facing").faces_internet


COGNITO = {"signIn": "cognito", "userPoolDomain": "acme"}
NOBODY = {"signIn": "none"}
OPEN = {"scheme": "internet-facing"}
IMAGE = "registry/eso@sha256:" + 64 * "0"
CREATED = CREATED_CLUSTER["cluster"]

# What goes together, and what does not: the changes, and the key that is refused; none for none.
TOGETHER: list[tuple[dict[str, Any], str | None]] = [
    ({"access": COGNITO}, None),
    ({"access": COGNITO | {"cidrs": ["0.0.0.0/0"]}}, None),
    ({"access": COGNITO, "listener": {"protocol": "HTTP", "port": 80}}, "access"),
    ({"access": NOBODY, "listener": {"protocol": "HTTP", "port": 80}}, None),
    ({"access": NOBODY | {"cidrs": ["0.0.0.0/0"]}}, "access"),
    ({"access": NOBODY, "loadBalancer": OPEN}, "access"),
    ({"access": NOBODY | {"cidrs": ["203.0.113.0/24"]}, "loadBalancer": OPEN}, None),
    ({"access": COGNITO, "loadBalancer": OPEN}, "access"),
    ({"network": {"egress": "endpoints"}}, "network"),
    ({"cluster": CREATED, "network": {"egress": "nat"}}, None),
    ({"cluster": CREATED, "network": {"egress": "endpoints"}}, "network"),
    (
        {
            "cluster": CREATED | {"externalSecretsImage": IMAGE},
            "network": {"egress": "endpoints"},
        },
        None,
    ),
    # Who brings a VPC brings its ways out.
    (
        {
            "cluster": CREATED,
            "network": {
                "egress": "endpoints",
                "vpcId": "vpc-1",
                "nodeSubnetIds": ["subnet-1", "subnet-2"],
            },
        },
        None,
    ),
    ({"dns": {"records": "each", "zoneId": "Z1"}}, "dns"),
    ({"cluster": CREATED, "dns": {"records": "each"}}, "dns"),
    ({"cluster": CREATED, "dns": {"records": "each", "zoneId": "Z1"}}, None),
    ({"dns": {"records": "wildcard"}}, None),
]


@pytest.mark.parametrize(("changes", "refused"), TOGETHER)
def test_what_goes_together(changes: dict[str, Any], refused: str | None) -> None:
    if refused is None:
        PlatformConfig.model_validate(STAGING_CONFIG | changes)
        return
    with pytest.raises(ValidationError) as error:
        PlatformConfig.model_validate(STAGING_CONFIG | changes)
    assert [one["loc"] for one in error.value.errors()] == [(refused,)]


def test_a_wrong_cluster_is_the_only_thing_that_is_said_to_be_wrong() -> None:
    wrong = {
        "cluster": {"name": "-"},
        "network": {"egress": "endpoints"},
        "dns": {"records": "each"},
    }
    with pytest.raises(ValidationError) as error:
        PlatformConfig.model_validate(STAGING_CONFIG | wrong)
    assert [one["loc"] for one in error.value.errors()] == [("cluster", "name")]


def test_people_sign_in_in_a_pool_of_some_domain() -> None:
    AccessConfig.model_validate({"signIn": "cognito"})
    PlatformAccessConfig.model_validate(COGNITO)
    with pytest.raises(ValidationError, match="user_pool_domain"):
        PlatformAccessConfig.model_validate({"signIn": "cognito"})
