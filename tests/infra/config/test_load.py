"""Configuration: what is accepted, and that each error can be acted on."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import pytest
import yaml
from pydantic import create_model

from contract.stack_name import StackName
from infra.config.app_staging import AppStagingConfig
from infra.config.base import Model
from infra.config.load import load_platform_config, load_preview_config
from infra.config.models import PlatformConfig, PreviewConfig
from infra.errors import ProgramError
from tests.infra.world import (
    CREATED_CLUSTER,
    PREVIEW_CONFIG,
    SERVICE_CONFIG,
    STAGING_CONFIG,
    deploy,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[3]
STAGING = StackName.parse("staging")
PREVIEW = StackName.parse("pr-42")


def load(
    loader: Callable[[StackName], Model], stack: StackName, config: Mapping[str, Any]
) -> dict[str, Any]:
    found: list[Model] = []
    deploy(stack.value, lambda: found.append(loader(stack)), config=config)
    return found[0].model_dump()


def platform(**changes: Any) -> dict[str, Any]:
    return load(load_platform_config, STAGING, STAGING_CONFIG | changes)


def preview(**changes: Any) -> dict[str, Any]:
    return load(load_preview_config, PREVIEW, PREVIEW_CONFIG | changes)


def refusal(load_it: Callable[[], object]) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        load_it()
    return caught.value


def pasted(error: ProgramError) -> dict[str, Any]:
    """The YAML that a message shows, as YAML."""
    _, _, snippet = error.remedy.partition(":\n")
    return cast("dict[str, Any]", yaml.safe_load(snippet)["config"])


def test_a_preview_reads_its_keys() -> None:
    config = preview()
    assert config["database"] == {"mode": "snapshot", "instance_class": "db.t4g.micro"}
    assert config["expires"] == datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert config["service"]["cpu_limit"] == "1"


def test_staging_reads_its_keys_and_fills_in_the_rest() -> None:
    config = platform()
    assert config["listener"] == {"protocol": "HTTPS", "port": 443}
    assert config["load_balancer"]["scheme"] == "internal"
    assert config["database"]["deletion_protection"] is True


@pytest.mark.parametrize("port", [8080, "8080"])
def test_numbers_may_come_as_text(port: object) -> None:
    """`pulumi config set --path` writes text."""
    assert platform(listener={"protocol": "HTTP", "port": port})["listener"]["port"] == 8080


def test_a_number_may_stand_for_text() -> None:
    assert preview(service=SERVICE_CONFIG | {"cpu": 1})["service"]["cpu"] == "1"


@pytest.mark.parametrize("size", [{"cpu": "9" * 5000 + "m"}, {"memory": "9" * 5000 + "Mi"}])
def test_a_size_of_thousands_of_digits_is_refused(size: dict[str, str]) -> None:
    error = refusal(lambda: preview(service=SERVICE_CONFIG | size))
    assert f"previews:service.{next(iter(size))} is wrong" in error.why


def test_json_with_a_number_of_thousands_of_digits_is_refused() -> None:
    raw = '{"cpu": ' + "9" * 5000 + "}"
    error = refusal(lambda: preview(service=raw))
    assert "previews:service is wrong" in error.why


@pytest.mark.parametrize("key", ["domain", "cluster", "database", "service"])
def test_a_missing_key_is_named_with_the_yaml_to_write(key: str) -> None:
    config = {k: v for k, v in STAGING_CONFIG.items() if k != key}
    error = refusal(lambda: load(load_platform_config, STAGING, config))
    field = next(f for f in PlatformConfig.model_fields.values() if f.alias == key)
    assert f"previews:{key} is not set" in error.why
    assert str(field.description) in error.why
    assert "Pulumi.staging.yaml" in error.remedy
    assert list(pasted(error)) == [f"previews:{key}"]


def test_a_missing_key_inside_another_is_named_by_its_path() -> None:
    error = refusal(lambda: platform(cluster={}))
    assert "previews:cluster.name is not set" in error.why
    assert pasted(error) == {"previews:cluster": {"name": "previews"}}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"domain": "No Such Domain"}, "domain"),
        ({"domain": "localhost"}, "domain"),
        ({"domain": ".".join(["d" * 60] * 4)}, "domain"),
        ({"cluster": {"name": "-x"}}, "cluster.name"),
        ({"cluster": {"name": "a", "create": True}}, "cluster.apiCidrs"),
        ({"cluster": {"name": "a", "admins": ["root"]}}, "cluster.admins.0"),
        ({"network": {"egress": "nat"}}, "network"),
        ({"budget": {"monthlyUsd": 100}}, "budget.emails"),
        ({"budget": {"monthlyUsd": 100, "emails": ["nobody"]}}, "budget.emails.0"),
        ({"loadBalancer": {"scheme": "internet-facing"}}, "access"),
        ({"access": {"signIn": "none", "cidrs": ["0.0.0.0/0"]}}, "access"),
        ({"access": {"signIn": "oidc"}}, "access.signIn"),
        ({"access": {"signIn": "cognito"}}, "access.userPoolDomain"),
        (
            {
                "access": {"signIn": "cognito", "userPoolDomain": "acme"},
                "listener": {"protocol": "HTTP", "port": 80},
            },
            "access",
        ),
        ({"dns": {"records": "each"}}, "dns"),
        ({"dns": {"zoneId": "example.com"}}, "dns.zoneId"),
        (CREATED_CLUSTER | {"network": {"cidr": "10.0.0.0/20"}}, "network.cidr"),
        (CREATED_CLUSTER | {"network": {"cidr": "172.20.0.0/16"}}, "network.cidr"),
        (CREATED_CLUSTER | {"network": {"cidr": "8.8.0.0/16"}}, "network.cidr"),
        (CREATED_CLUSTER | {"network": {"cidr": "10.0.0.1/16"}}, "network.cidr"),
        (CREATED_CLUSTER | {"network": {"zones": 5}}, "network.zones"),
        (CREATED_CLUSTER | {"network": {"zones": 1}}, "network.zones"),
        (CREATED_CLUSTER | {"network": {"egress": "endpoints"}}, "network"),
        (CREATED_CLUSTER | {"network": {"vpcId": "vpc-1"}}, "network.nodeSubnetIds"),
        (
            CREATED_CLUSTER | {"network": {"nodeSubnetIds": ["subnet-1", "subnet-2"]}},
            "network.nodeSubnetIds",
        ),
        ({"listener": {"protocol": "FTP"}}, "listener.protocol"),
        ({"listener": {"port": 70000}}, "listener.port"),
        ({"loadBalancer": {"scheme": "public"}}, "loadBalancer.scheme"),
        ({"loadBalancer": {"sourceCidrs": ["10.0.0.0"]}}, "loadBalancer.sourceCidrs.0"),
        ({"database": {"instanceClass": "t4g"}}, "database.instanceClass"),
        (
            {"database": {"instanceClass": "db.t4g.micro", "subnetIds": ["subnet-1"]}},
            "database.subnetIds",
        ),
        (
            {"database": {"instanceClass": "db.t4g.micro", "backupRetentionDays": 0}},
            "database.backupRetentionDays",
        ),
        (
            {
                "database": {
                    "instanceClass": "db.t4g.micro",
                    "allocatedStorage": 200,
                    "maxAllocatedStorage": 100,
                }
            },
            "database.maxAllocatedStorage",
        ),
        ({"service": SERVICE_CONFIG | {"cpu": "0.5"}}, "service.cpu"),
        ({"service": SERVICE_CONFIG | {"memory": "1Gi"}}, "service.memory"),
        ({"service": SERVICE_CONFIG | {"maxReplicas": 0}}, "service.maxReplicas"),
        (
            {"service": SERVICE_CONFIG | {"minReplicas": 5, "maxReplicas": 2}},
            "service.maxReplicas",
        ),
        (
            {"service": SERVICE_CONFIG | {"preStopSeconds": 14, "gracePeriodSeconds": 15}},
            "service.gracePeriodSeconds",
        ),
        ({"service": "not an object"}, "service"),
        ({"commit": "main"}, "commit"),
        ({"image": "registry/app:latest"}, "image"),
        ({"repository": "orders"}, "repository"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(changes: dict[str, Any], path: str) -> None:
    error = refusal(lambda: platform(**changes))
    assert f"previews:{path} is wrong: expected " in error.why
    tree: Any = pasted(error)
    for part in (f"previews:{path}").split("."):
        if not part.isdigit():
            tree = tree[part]


def test_what_is_pasted_from_an_error_is_accepted() -> None:
    error = refusal(lambda: platform(listener={"protocol": "FTP"}, domain="x", cluster={}))
    repaired = {key.removeprefix("previews:"): value for key, value in pasted(error).items()}
    platform(**repaired)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"domian": "preview.example.com"}, "previews:domian is not a key"),
        ({"cluster": {"name": "a", "nmae": "b"}}, "previews:cluster.nmae is not a key"),
    ],
)
def test_an_unknown_key_is_refused_with_the_known_ones(
    changes: dict[str, Any], expected: str
) -> None:
    error = refusal(lambda: platform(**changes))
    assert expected in error.why
    assert "known here are" in error.why
    assert "remove it from Pulumi.staging.yaml" in error.remedy


def test_a_key_of_staging_is_unknown_to_a_preview() -> None:
    error = refusal(lambda: preview(domain="preview.example.com"))
    assert "previews:domain is not a key of this stack" in error.why


def test_all_errors_come_at_once() -> None:
    error = refusal(lambda: platform(domain="x", listener={"protocol": "FTP"}, cluster={}))
    assert error.why.count("\n  - ") == 3


def test_keys_of_others_are_left_alone() -> None:
    """`aws:region` and the like are none of ours."""

    def program() -> None:
        from pulumi.runtime.config import CONFIG

        CONFIG.get()["aws:region"] = "eu-west-1"
        load_preview_config(PREVIEW)

    deploy("pr-42", program, config=PREVIEW_CONFIG)


def project_defaults() -> dict[str, Any]:
    """The defaults of Pulumi.yaml, as the CLI merges them into a stack's configuration."""
    keys = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    tree: dict[str, Any] = {}
    for key, schema in keys.items():
        *parents, leaf = key.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = schema["default"]
    return tree


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Each value by its whole path."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _leaves(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def test_a_preview_needs_no_file_of_its_own() -> None:
    config = load(load_preview_config, PREVIEW, project_defaults())
    assert config["service"]["min_replicas"] == 1
    assert config["ttl_days"] == 7


def test_stagings_own_file_is_complete() -> None:
    own = yaml.safe_load((ROOT / "Pulumi.staging.yaml").read_text())["config"]
    merged = project_defaults()
    for key, value in own.items():
        name = key.removeprefix("previews:")
        merged[name] = merged.get(name, {}) | value if isinstance(value, dict) else value
    config = load(load_platform_config, STAGING, merged)
    assert config["service"]["min_replicas"] == 2


def test_stagings_own_file_leaves_it_to_each_team_who_keeps_its_secrets() -> None:
    assert set(yaml.safe_load((ROOT / "Pulumi.staging.yaml").read_text())) == {"config"}


def test_staging_repeats_no_default() -> None:
    own = yaml.safe_load((ROOT / "Pulumi.staging.yaml").read_text())["config"]
    named = {key.removeprefix("previews:"): value for key, value in own.items()}
    defaults = _leaves(project_defaults())
    nothing = object()
    assert [
        key for key, value in _leaves(named).items() if defaults.get(key, nothing) == value
    ] == []


def _fields(model: type[Model], prefix: str = "") -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for field in model.model_fields.values():
        name = f"{prefix}{field.alias}"
        kinds: tuple[object, ...] = (field.annotation, *get_args(field.annotation))
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Model)]
        if models:
            found |= _fields(models[0], f"{name}.")
        else:
            found[name] = field
    return found


def _row(key: str, field: FieldInfo) -> str:
    """A key's line in docs/configuration.md."""
    schema = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"].get(key)
    if schema is None and field.is_required():
        return f"| `{key}` | required | {field.description} |"
    value = field.default if schema is None else schema["default"]
    shown = value if isinstance(value, str) else json.dumps(value)
    default = "" if value is None else f"`{shown}`"
    return f"| `{key}` | {default} | {field.description} |"


def test_every_key_is_documented_with_its_default_and_no_other() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    keys, _, _ = text.partition("## Environment variables")
    documented = {line for line in keys.splitlines() if line.startswith("| `")}
    known = _fields(PlatformConfig) | _fields(AppStagingConfig) | _fields(PreviewConfig)
    assert documented == {_row(key, field) for key, field in known.items()}


_DECLARED_AS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
    "string": (str,),
    "array": (list,),
}


def test_every_declared_key_says_what_the_models_say() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    for fields in (_fields(PreviewConfig), _fields(PlatformConfig), _fields(AppStagingConfig)):
        assert declared.keys() - fields.keys() == set()
    preview = load(load_preview_config, PREVIEW, project_defaults())
    for key, schema in declared.items():
        field = _fields(PreviewConfig)[key]
        assert isinstance(schema["default"], _DECLARED_AS[schema["type"]]), key
        # The same words, as far as one sentence holds them.
        assert (
            str(field.description)
            .lower()
            .startswith(schema["description"].lower().partition(":")[0])
        ), key
        # What the model makes of the default is the default.
        found: Any = preview
        for part in key.split("."):
            found = found[re.sub("([A-Z])", r"_\1", part).lower()]
        assert found == schema["default"], key
        assert field.is_required() or field.default == found, key
        of_staging = _fields(PlatformConfig)[key]
        assert of_staging.is_required() or of_staging.default == found, key


@pytest.mark.parametrize("model", [AppStagingConfig, PlatformConfig, PreviewConfig])
def test_every_key_has_a_description_and_an_example_that_holds(model: type[Model]) -> None:
    def check(owner: type[Model]) -> None:
        for name, field in owner.model_fields.items():
            assert field.description, name
            assert field.examples, name
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, Model):
                check(kind)
                continue
            parts: dict[str, Any] = {name: (kind, field)}
            alone = create_model("Alone", __base__=Model, **parts)
            alone.model_validate({str(field.alias): field.examples[0]})

    check(model)
