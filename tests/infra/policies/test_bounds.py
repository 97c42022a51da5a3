"""Rules at their bounds: the most that passes, and the second of several."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract.kubernetes import TLS_POLICY
from contract.networks import NOT_PUBLIC
from contract.stack_name import StackName
from infra.policies import check
from infra.policies.catalogue import RULES, STACK_RULES
from infra.policies.check import read_export
from infra.policies.declared import Declared, below, each, get, leaves, listed
from infra.policies.networks import (
    DEFAULT_GROUP,
    GROUP_RULE,
    HOSTS_POLICY,
    INGRESS_RULE,
    NETWORK_POLICY,
    narrow,
)
from infra.policies.ownership import belongs
from infra.policies.sizes import quantity
from infra.policies.workloads import TYPES, containers
from tests.infra.policies.resources import changed, made, one
from tests.infra.world import Deployment

INSTANCE = "aws:rds/instance:Instance"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
AUTOSCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
SERVICE = "kubernetes:core/v1:Service"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
BY_NAME = {rule.name: rule for rule in RULES}
TOGETHER = {rule.name: rule for rule in STACK_RULES}
DIGEST = "registry/app@sha256:" + 64 * "a"

# The most that each kind of stack may take, and one more.
CLASSES = ["micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge"]


@pytest.mark.parametrize(
    ("stack", "largest"), [("pr-42", "medium"), ("data-8", "xlarge"), ("staging", "2xlarge")]
)
def test_a_database_may_be_as_large_as_its_stack_may(stack: str, largest: str) -> None:
    fits = [
        size
        for size in CLASSES
        if not BY_NAME["database-bounded"].complaints(
            made(stack, INSTANCE, {"instanceClass": f"db.t4g.{size}"})
        )
    ]
    assert fits == CLASSES[: CLASSES.index(largest) + 1]


@pytest.mark.parametrize(("stack", "most"), [("pr-42", 500), ("data-8", 2000), ("staging", 2000)])
@pytest.mark.parametrize("key", ["allocatedStorage", "maxAllocatedStorage"])
def test_storage_is_bounded(stack: str, most: int, key: str) -> None:
    def complaints(size: int) -> list[str]:
        sizes = {"instanceClass": "db.t4g.micro", key: size}
        return BY_NAME["database-bounded"].complaints(made(stack, INSTANCE, sizes))

    assert complaints(most) == []
    assert complaints(most + 1) == [f"{key} is {most + 1}: expected at most {most}"]


def workload(stack: str, *found: dict[str, Any], replicas: int = 1, **pod: Any) -> Declared:
    labels = {"metadata": {"labels": {"app": "a"}}}
    template = labels | {"spec": {"containers": list(found), **pod}}
    spec = {"replicas": replicas, "template": template, "selector": {"matchLabels": {"app": "a"}}}
    metadata = {"namespace": stack, "name": "service"}
    return made(stack, DEPLOYMENT, {"metadata": metadata, "spec": spec})


def container(
    name: str = "one", cpu: str = "1", memory: str = "1Gi", **more: Any
) -> dict[str, Any]:
    size = {"cpu": cpu, "memory": memory}
    return {"name": name, "image": DIGEST, "resources": {"requests": size, "limits": size}, **more}


@pytest.mark.parametrize("stack", ["pr-42", "data-8", "staging"])
def test_every_container_is_bounded(stack: str) -> None:
    rule, cpu, memory = BY_NAME["pod-bounded"], 4, "8Gi"
    most = container(cpu=str(cpu), memory=memory)
    assert rule.complaints(workload(stack, most, most)) == []
    beyond = container("two", cpu=f"{cpu * 1000 + 1}m", memory=f"{quantity(memory) + 1}")
    found = rule.complaints(workload(stack, most, beyond))
    assert [text.partition(":")[0] for text in found] == [
        f"container two has {beyond['resources'][kind][resource]} {resource} in {kind}"
        for resource in ("cpu", "memory")
        for kind in ("requests", "limits")
    ]
    unnamed: dict[str, Any] = {"name": "three", "resources": {}}
    assert len(rule.complaints(workload(stack, most, unnamed))) == 4
    # Whenever it runs.
    assert len(rule.complaints(workload(stack, most, initContainers=[unnamed, unnamed]))) == 8


@pytest.mark.parametrize(("stack", "most"), [("pr-42", 10), ("data-8", 1), ("staging", 20)])
@pytest.mark.parametrize("key", ["replicas", "minReplicas", "maxReplicas"])
def test_pods_are_bounded(stack: str, most: int, key: str) -> None:
    def complaints(count: int) -> list[str]:
        scaled = made(stack, AUTOSCALER, {"spec": {key: count}})
        return BY_NAME["replicas-bounded"].complaints(scaled)

    assert complaints(most) == []
    assert complaints(most + 1) == [f"{key} is {most + 1}: expected at most {most}"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("2", 2), ("2m", 0.002), ("2k", 2000), ("2M", 2_000_000), ("2G", 2_000_000_000)),
        *(("2Ki", 2048), ("2Mi", 2_097_152), ("2Gi", 2_147_483_648), ("0.5Gi", 536_870_912)),
    ],
)
def test_a_quantity_is_a_number(text: str, value: float) -> None:
    assert float(quantity(text)) == value


@pytest.mark.parametrize("text", ["2Q", "x", "", "-1", "1e3", "2 Gi"])
def test_what_is_no_quantity_is_infinite(text: str) -> None:
    assert quantity(text) == float("inf")


OPEN = {"cidrBlocks": ["0.0.0.0/0"]}
CLOSED = {"cidrBlocks": ["10.0.0.0/8"]}


def test_every_rule_of_a_security_group_and_every_network_of_a_rule_counts() -> None:
    rule = BY_NAME["security-group-closed"]
    assert rule.complaints(made("staging", GROUP, {"ingress": [CLOSED, CLOSED]})) == []
    assert rule.complaints(made("staging", GROUP, {"ingress": [CLOSED, OPEN]})) != []
    both = {"cidrBlocks": ["10.0.0.0/8", "0.0.0.0/0"]}
    assert rule.complaints(made("staging", GROUP, {"ingress": [both]})) != []
    assert rule.complaints(made("staging", GROUP, {"egress": [OPEN]})) == []


@pytest.mark.parametrize(
    ("type_", "rule", "wide"),
    [
        (GROUP, {"ingress": [{"ipv6CidrBlocks": ["fd00::/32"]}]}, False),
        (GROUP, {"ingress": [CLOSED, {"ipv6CidrBlocks": ["fd00::/32", "::/0"]}]}, True),
        (GROUP, {"ingress": [{**CLOSED, "ipv6CidrBlocks": ["2000::/3"]}]}, True),
        (DEFAULT_GROUP, {"ingress": [{"ipv6CidrBlocks": ["::/0"]}]}, True),
        (GROUP_RULE, {"type": "ingress", **CLOSED, "ipv6CidrBlocks": ["::/0"]}, True),
        (GROUP_RULE, {"type": "egress", "ipv6CidrBlocks": ["::/0"]}, False),
        (INGRESS_RULE, {"cidrIpv6": "::/0"}, True),
        (INGRESS_RULE, {"cidrIpv6": "fd00::/31"}, True),
        (INGRESS_RULE, {"cidrIpv6": "fd00::/32"}, False),
        (INGRESS_RULE, {"cidrIpv4": "0.0.0.0/0"}, True),
        (INGRESS_RULE, {"cidrIpv4": "10.0.0.0/8"}, False),
    ],
)
def test_networks_of_ipv6_count_as_those_of_ipv4(
    type_: str, rule: dict[str, Any], wide: bool
) -> None:
    complaints = BY_NAME["security-group-closed"].complaints(made("staging", type_, rule))
    assert len(complaints) == wide


ALB = "alb.ingress.kubernetes.io/"
OWN = {"host": "pr-42.p.io"}


def ingress(rules: list[Any], *, tls: Any = (), **annotations: str) -> Declared:
    metadata = {"annotations": annotations, "namespace": "pr-42", "name": "service"}
    return made(
        "pr-42", INGRESS, {"metadata": metadata, "spec": {"rules": rules, "tls": list(tls)}}
    )


def condition(field: str) -> str:
    return json.dumps([{"field": field}])


HEADER, HOST = condition("http-header"), condition("host-header")


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (ingress([OWN, OWN], tls=[{"hosts": ["pr-42.p.io"]}]), 0),
        (ingress([OWN, {"host": "pr-43.p.io"}, {"host": "pr-44.p.io"}]), 2),
        (ingress([OWN], tls=[{"hosts": ["pr-42.p.io", "a.p.io"]}, {"hosts": ["b.p.io"]}]), 2),
        (ingress([OWN], **{"other.io/actions.x": "", f"{ALB}scheme": "internal"}), 0),
        (ingress([OWN], **{f"{ALB}conditions.a": HEADER}), 0),
        (ingress([OWN], **{f"{ALB}conditions.a": HEADER, f"{ALB}conditions.b": HOST}), 1),
        (ingress([OWN], **{f"{ALB}conditions.a": json.dumps([{"field": "http-header"}, {}])}), 1),
        (ingress([OWN], **{f"{ALB}conditions.a": "garbled"}), 1),
        (
            ingress(
                [OWN],
                **{
                    f"{ALB}{name}": "x"
                    for name in ("actions.a", "transforms.a", "group.order", "load-balancer-name")
                },
            ),
            4,
        ),
    ],
)
def test_every_host_and_every_annotation_of_an_ingress_counts(found: Declared, count: int) -> None:
    assert len(BY_NAME["ingress-own-host"].complaints(found)) == count


@pytest.mark.parametrize("name", ["actions.a", "transforms.a"])
def test_each_annotation_that_changes_requests_is_refused_by_itself(name: str) -> None:
    found = ingress([OWN], **{f"{ALB}{name}": "x"})
    assert len(BY_NAME["ingress-own-host"].complaints(found)) == 1


HTTPS_PORT = json.dumps([{"HTTP": 80}, {"HTTPS": 443}])


@pytest.mark.parametrize(
    ("annotations", "complaints"),
    [
        ({}, 0),
        ({"listen-ports": json.dumps([{"HTTP": 80}])}, 0),
        ({"listen-ports": HTTPS_PORT, "ssl-policy": TLS_POLICY}, 0),
        ({"listen-ports": HTTPS_PORT}, 1),
        ({"listen-ports": HTTPS_PORT, "ssl-policy": "ELBSecurityPolicy-2016-08"}, 1),
        ({"ssl-policy": "ELBSecurityPolicy-TLS13-1-0-2021-06"}, 1),
        ({"ssl-policy": TLS_POLICY}, 0),
    ],
)
def test_no_other_tls_policy_passes(annotations: dict[str, str], complaints: int) -> None:
    found = ingress([OWN], **{f"{ALB}{name}": value for name, value in annotations.items()})
    assert len(BY_NAME["ingress-tls"].complaints(found)) == complaints
    assert TLS_POLICY == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"


def test_every_variable_of_every_container_counts() -> None:
    rule = BY_NAME["no-secret-variable"]
    fine: list[Any] = [{"name": "DATABASE_PASSWORD", "valueFrom": {}}, {"name": "X", "value": "1"}]
    given: list[Any] = [*fine, {"name": "A_TOKEN", "value": "1"}, {"name": "API_KEY", "value": "1"}]
    found = workload("pr-42", container(env=fine), container("two", env=given))
    assert rule.complaints(found) == [
        f"container two: variable {name} has a plain value" for name in ("A_TOKEN", "API_KEY")
    ]
    empty = [{"name": "DATABASE_PASSWORD", "value": ""}]
    assert rule.complaints(workload("pr-42", container(env=empty))) == []


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("$(FROM_A_SECRET)", False),
        ("$(FROM_A_SECRET)$(FROM_A_SECRET)", False),
        ("$(PLAIN)", True),
        ("$(UNKNOWN)", True),
        ("$$(FROM_A_SECRET)", True),
        ("$$$(FROM_A_SECRET)", True),
        ("$$$$(FROM_A_SECRET)", True),
        ("$(FROM_A_SECRET)1", True),
    ],
)
def test_a_variable_may_refer_to_one_that_comes_from_a_secret(value: str, *, wrong: bool) -> None:
    given: list[Any] = [
        {"name": "FROM_A_SECRET", "valueFrom": {}},
        {"name": "PLAIN", "value": "1"},
        {"name": "A_PASSWORD", "value": value},
    ]
    complaints = BY_NAME["no-secret-variable"].complaints(workload("pr-42", container(env=given)))
    assert bool(complaints) is wrong


def test_a_url_with_a_reference_in_place_of_the_password_holds_none() -> None:
    rule = BY_NAME["no-plain-secret"]
    url = "postgresql://$(USER_NAME):$(ITS_LOGIN)@db:5432/app"
    assert rule.complaints(made("pr-42", "x", {"url": url})) == []
    for plain in ("hunter2", "$$(ITS_LOGIN)", "hunter$$$$2"):
        given = made("pr-42", "x", {"url": url.replace("$(ITS_LOGIN)", plain)})
        assert rule.complaints(given) == ["url holds a URL with a password"]
    # A dollar of the text before a reference is doubled: it makes no text of the reference.
    assert rule.complaints(made("pr-42", "x", {"aToken": "$$$(ITS_LOGIN)"})) == [
        "aToken is in plain text"
    ]
    assert rule.complaints(made("pr-42", "x", {"note": "https://a:$(B)@c"})) == []


def test_every_value_is_looked_at_and_a_name_of_a_secret_is_none() -> None:
    rule = BY_NAME["no-plain-secret"]
    found = made("pr-42", "x", {"a": [{"ok": "1"}, {"password": "x"}], "token": "y", "n": 7})
    assert rule.complaints(found) == [
        "a.1.password is in plain text",
        "token is in plain text",
    ]
    for value, fine in (("pr-42", True), ("pr-42-x", True), ("pr-421", False), ("x", False)):
        assert (rule.complaints(made("pr-42", "x", {"aSecret": value})) == []) is fine
    for value in ("", "{{ .x }}", "arn:aws:x"):
        assert rule.complaints(made("pr-42", "x", {"password": value})) == []


def test_every_port_and_every_probe_of_every_container_counts() -> None:
    rule = BY_NAME["ports-found"]
    ports = [{"name": "http", "containerPort": 8000}, {"name": "metrics", "containerPort": 9000}]
    good = container(ports=ports, livenessProbe={"httpGet": {"port": "metrics"}})
    number = {"tcpSocket": {"port": 9000}}
    assert rule.complaints(workload("pr-42", good, good | {"readinessProbe": number})) == []
    bad = container(
        "two",
        ports=[*ports, {"name": "x" * 16, "containerPort": 22}, {"containerPort": 23}],
        livenessProbe={"httpGet": {"port": 23}},
        readinessProbe={"tcpSocket": {"port": 24}},
        startupProbe={"httpGet": {"port": "web"}},
    )
    assert rule.complaints(workload("pr-42", good, bad)) == [
        f"container two: '{'x' * 16}' is no name of a port",
        "container two has port 22, which is SSH's",
        "container two: startupProbe uses web, which it does not have",
        "container two: readinessProbe uses 24, which it does not have",
    ]
    longest = container(ports=[{"name": "a" * 15, "containerPort": 21}])
    assert rule.complaints(workload("pr-42", longest)) == []


def test_a_variable_is_given_twice_when_it_is_given_twice() -> None:
    rule = BY_NAME["variables-once"]
    once = [{"name": name} for name in "ab"]
    assert rule.complaints(workload("pr-42", container(env=once), container(env=once))) == []
    twice = [{"name": name} for name in "abbcac"]
    assert rule.complaints(workload("pr-42", container(env=once), container(env=twice))) == [
        f"container one: variable {name} is set more than once" for name in "abc"
    ]


def test_an_account_s_old_name_may_repeat_the_new_one() -> None:
    rule = BY_NAME["account-by-its-name"]
    both = workload("pr-42", container(), serviceAccount="a", serviceAccountName="a")
    assert rule.complaints(both) == []
    assert rule.complaints(workload("pr-42", container(), serviceAccountName="a")) == []
    assert len(rule.complaints(workload("pr-42", container(), serviceAccount="a"))) == 1


HOSTNAME = {"topologyKey": "kubernetes.io/hostname"}
ZONE = {"topologyKey": "topology.kubernetes.io/zone"}


@pytest.mark.parametrize(
    ("replicas", "pod", "spread"),
    [
        (1, {}, True),
        (2, {}, False),
        (2, {"topologySpreadConstraints": [ZONE]}, False),
        (2, {"topologySpreadConstraints": [ZONE, HOSTNAME]}, True),
        (2, {"affinity": {"podAntiAffinity": {"x": 1}}}, True),
        (2, {"affinity": {"podAffinity": {"x": 1}}}, False),
    ],
)
def test_replicas_are_spread_where_there_is_more_than_one(
    replicas: int, pod: dict[str, Any], spread: bool
) -> None:
    found = workload("pr-42", container(), replicas=replicas, **pod)
    assert (BY_NAME["replicas-spread"].complaints(found) == []) is spread


@pytest.mark.parametrize(
    ("unavailable", "lets"), [(1, True), ("50%", True), (0, False), ("0", False), ("0%", False)]
)
def test_a_budget_lets_some_pod_go(unavailable: object, lets: bool) -> None:
    spec = {"maxUnavailable": unavailable, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    found = BY_NAME["lets-nodes-go"].complaints(made("pr-42", BUDGET, {"spec": spec}))
    assert (found == []) is lets


def test_every_container_runs_by_digest_and_confined() -> None:
    for digest in (DIGEST[:-1], DIGEST + "a", "a b" + DIGEST, "x:1"):
        bad = container("two") | {"image": digest}
        found = BY_NAME["image-by-digest"].complaints(workload("pr-42", container(), bad, bad))
        assert len(found) == 2
    assert BY_NAME["image-by-digest"].complaints(workload("pr-42", container())) == []


CONFINED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["NET_RAW", "ALL"], "add": ["NET_BIND_SERVICE"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def restricted(*found: dict[str, Any], **pod: Any) -> list[str]:
    return BY_NAME["pod-restricted"].complaints(workload("pr-42", *found, **pod))


def test_a_root_folder_is_read_only_or_limited() -> None:
    writable = CONFINED | {"readOnlyRootFilesystem": False}
    assert restricted(container(securityContext=writable)) == [
        "container one: it may write to its root folder without a limit"
    ]
    limited = {"limits": {"ephemeral-storage": "1Gi"}}
    assert restricted(container(securityContext=writable, resources=limited)) == []


def test_what_the_standard_allows_passes() -> None:
    fine = container(securityContext=CONFINED, ports=[{"containerPort": 1}])
    volumes: list[Any] = [
        {"name": "a", "emptyDir": {}, "hostPath": None},
        {"name": "b", "secret": {}},
    ]
    sysctls = [{"name": "net.ipv4.tcp_syncookies"}, {"name": "net.ipv4.ping_group_range"}]
    assert restricted(fine, volumes=volumes, securityContext={"sysctls": sysctls}) == []
    local = CONFINED | {"seccompProfile": {"type": "Localhost"}, "procMount": "Default"}
    assert restricted(container(securityContext=local)) == []
    # What the pod says holds for a container that says nothing.
    pod = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {
        key: value
        for key, value in CONFINED.items()
        if key not in {"runAsNonRoot", "seccompProfile"}
    }
    assert restricted(container(securityContext=own), securityContext=pod) == []
    assert restricted(container(securityContext=own | {"runAsUser": 0}), securityContext=pod) == [
        "container one: runAsUser is 0"
    ]


def test_each_of_several_that_the_standard_forbids_is_named() -> None:
    fine = container(securityContext=CONFINED)
    bad = container("two", securityContext=CONFINED | {"privileged": True})
    ports = container(
        "three", securityContext=CONFINED, ports=[{"containerPort": 1}, {"hostPort": 2}]
    )
    volumes: list[Any] = [
        {"name": "a", "emptyDir": {}},
        {"name": "b", "hostPath": {}},
        {"name": "c", "nfs": {}},
    ]
    sysctls = [{"name": "net.ipv4.tcp_syncookies"}, {"name": "a.b"}, {"name": "c.d"}]
    found = restricted(fine, bad, ports, volumes=volumes, securityContext={"sysctls": sysctls})
    assert found == [
        "volume b is of hostPath",
        "volume c is of nfs",
        "it sets a.b",
        "it sets c.d",
        "container two: privileged is true",
        "container three: it opens a port of its node",
    ]


def test_only_a_stack_s_own_pods_go_without_a_token() -> None:
    rule = BY_NAME["pod-without-token"]
    own = workload("pr-42", container(), automountServiceAccountToken=False)
    assert rule.complaints(own) == []
    assert rule.complaints(workload("pr-42", container())) == [
        "automountServiceAccountToken is not false"
    ]
    controller = changed(workload("staging", container()), ["metadata", "namespace"], "kube-system")
    assert rule.complaints(controller) == []


@pytest.mark.parametrize(
    ("name", "own"),
    [("pr-4", True), ("pr-4-x", True), ("pr-42", False), ("pr-", False), ("x-pr-4", False)],
)
def test_a_name_is_the_stack_s_or_made_from_it(name: str, own: bool) -> None:
    assert belongs(name, StackName.parse("pr-4")) is own


TAGS = dict.fromkeys(("commit", "expires", "managed-by", "repository"), "x")


@pytest.mark.parametrize("missing", [*TAGS, "stack"])
def test_each_tag_is_missed(missing: str, preview: Deployment) -> None:
    del preview
    tags = {**TAGS, "stack": "pr-42", "pull-request": "42"}
    whole = made("pr-42", INSTANCE, {"tags": tags})
    assert BY_NAME["tagged"].complaints(whole) == []
    lacking = changed(whole, ["tags", missing], "")
    assert f"it lacks the tags {missing}" in BY_NAME["tagged"].complaints(lacking)


def test_every_tag_of_an_image_is_the_stack_s() -> None:
    image = "docker-build:index:Image"
    tags = {"tags": ["r/previews:pr-42-a", "r/previews:pr-43-b", "r/previews:staging"]}
    assert BY_NAME["preview-named"].complaints(made("pr-42", image, tags)) == [
        "the image's tag is r/previews:pr-43-b: expected …:pr-42-…",
        "the image's tag is r/previews:staging: expected …:pr-42-…",
    ]
    other = {"tags": ["r/orders:pr-42-a"]}
    assert BY_NAME["preview-named"].complaints(made("pr-42", image, other)) == [
        "the image's tag is r/orders:pr-42-a: expected repository previews"
    ]
    assert BY_NAME["preview-named"].complaints(made("staging", image, tags)) == []


def test_objects_are_looked_for_in_their_own_namespace() -> None:
    def service(namespace: str, ports: list[dict[str, Any]]) -> Declared:
        metadata = {"namespace": namespace, "name": "web"}
        spec = {"selector": {"app": "a"}, "ports": ports}
        return made("pr-42", SERVICE, {"metadata": metadata, "spec": spec})

    ports = [{"name": "http", "containerPort": 80}, {"containerPort": 90}]
    pods = workload("pr-42", container(), container("two", ports=ports))
    rule = TOGETHER["objects-found"]
    good = [{"port": 1, "targetPort": "http"}, {"port": 90}]
    assert rule.complaints([pods, service("pr-42", good)]) == []
    elsewhere = service("other", good)
    assert rule.complaints([pods, elsewhere]) == [(elsewhere, "no pod is labelled {'app': 'a'}")]
    wrong = service("pr-42", [*good, {"port": 91}, {"port": 1, "targetPort": "web"}])
    assert rule.complaints([elsewhere, pods, wrong])[1:] == [
        (wrong, "targetPort 91 is none of its pods' ports"),
        (wrong, "targetPort web is none of its pods' ports"),
    ]
    # Without a selector somebody else says where it leads.
    free = changed(wrong, ["spec", "selector"], {})
    assert rule.complaints([pods, free]) == []


def test_each_backend_of_an_ingress_is_looked_for() -> None:
    def path(service: str, **port: Any) -> dict[str, Any]:
        return {"backend": {"service": {"name": service, "port": port}}}

    served = {"ports": [{"name": "http", "port": 80}, {"name": "x", "port": 81}]}
    service = made(
        "pr-42", SERVICE, {"metadata": {"namespace": "pr-42", "name": "a"}, "spec": served}
    )
    paths = [
        path("a", name="http"),
        path("a", number=81),
        path("a", number=82),
        path("b", number=80),
    ]
    more = [path("a", name="y")]
    found = ingress([{"http": {"paths": paths}}, {"http": {"paths": more}}])
    assert [text for _, text in TOGETHER["objects-found"].complaints([service, found])] == [
        "Service a has no port {'number': 82}",
        "there is no Service b",
        "Service a has no port {'name': 'y'}",
    ]


def test_a_port_by_its_number_is_not_found_since_another_has_no_name() -> None:
    metadata = {"namespace": "pr-42", "name": "a"}
    service = made("pr-42", SERVICE, {"metadata": metadata, "spec": {"ports": [{"port": 80}]}})
    for number, complaints in ((80, 0), (81, 1)):
        backend = {"backend": {"service": {"name": "a", "port": {"number": number}}}}
        found = ingress([{"http": {"paths": [backend]}}])
        assert len(TOGETHER["objects-found"].complaints([service, found])) == complaints


def test_what_an_autoscaler_scales_has_its_kind_and_is_beside_it() -> None:
    def scaler(kind: str, name: str, namespace: str = "pr-42") -> Declared:
        spec = {"scaleTargetRef": {"kind": kind, "name": name}}
        return made("pr-42", AUTOSCALER, {"metadata": {"namespace": namespace}, "spec": spec})

    rule, pods = TOGETHER["objects-found"], workload("pr-42", container())
    other = replace(changed(pods, ["metadata", "name"], "other"), urn=pods.urn + "-other")
    assert rule.complaints([other, pods, scaler("Deployment", "service")]) == []
    for wrong in (
        scaler("Deployment", "web"),
        scaler("Job", "service"),
        scaler("Deployment", "service", "x"),
    ):
        assert [resource for resource, _ in rule.complaints([other, pods, wrong])] == [wrong]


def test_a_rule_looks_at_its_own_types_alone() -> None:
    for rule in RULES:
        if rule.types:
            assert rule.complaints(made("pr-42", "some:other/type:Type")) == []
    everything = [made("pr-42", "some:other/type:Type", {"password": "x"})]
    assert all(rule.complaints(everything) == [] for rule in STACK_RULES)


@pytest.mark.parametrize("type_", sorted(TYPES))
def test_containers_are_found_in_everything_that_makes_pods(type_: str) -> None:
    pod: dict[str, Any] = {
        "initContainers": [{"name": "a"}, {"name": "b"}],
        "containers": [{"name": "c"}, "no object", {"name": "d"}],
        "ephemeralContainers": [{"name": "e"}],
    }
    template = {"spec": pod}
    properties: dict[str, Any] = {"spec": {"template": template}}
    if type_.endswith("CronJob"):
        properties = {"spec": {"jobTemplate": {"spec": {"template": template}}}}
    elif type_.endswith("Pod"):
        properties = template
    assert [one.name for one in containers(made("pr-42", type_, properties))] == [*"abcde"]


def test_a_path_leads_to_what_is_there() -> None:
    tree = {"a": {"b": [{"c": 1}, 2, {"d": [3, 4]}], "s": "text"}}
    assert get(tree, "a", "s") == "text"
    assert get(tree, "a", "s", "x") is None
    assert get(tree, "x", "y") is None
    assert below(tree, "a", "s") == {}
    assert each(tree, "a", "b") == [{"c": 1}, {"d": [3, 4]}]
    assert (listed(tree, "a", "s"), listed(tree, "a", "b")[1]) == ([], 2)
    assert list(leaves(tree)) == [
        (("a", "b", "0", "c"), 1),
        (("a", "b", "1"), 2),
        (("a", "b", "2", "d", "0"), 3),
        (("a", "b", "2", "d", "1"), 4),
        (("a", "s"), "text"),
    ]


def test_an_export_is_read_as_the_in_engine_it(preview: Deployment) -> None:
    first = one(preview, INSTANCE)
    held = [
        {
            "urn": "urn:pulumi:pr-42::p::pulumi:pulumi:Stack::s",
            "type": "pulumi:pulumi:Stack",
            "outputs": {"a": 1},
            "inputs": {"b": 2},
        },
        {
            "urn": first.urn,
            "type": first.type,
            "inputs": {"c": 3},
            "outputs": {"d": 4},
            "deletedWith": "u",
        },
    ]
    stack, instance = read_export({"deployment": {"resources": held}})
    assert (stack.name, stack.properties, stack.deleted_with) == ("s", {"a": 1}, "")
    assert (instance.name, instance.properties, instance.deleted_with) == (
        first.name,
        {"c": 3},
        "u",
    )
    assert read_export({"deployment": {"resources": None}}) == []


@pytest.mark.parametrize(
    "text",
    ["garbled", "[]", "{}", '{"deployment": 5}', '{"deployment": {"resources": [{}]}}', None],
)
def test_what_is_no_export_is_refused_with_how_to_make_one(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export.json"
    if text is not None:
        path.write_text(text)
    assert check.main([str(path)]) == 2
    complaint = capsys.readouterr().err
    assert f"{path}: it is no stack's export (" in complaint
    assert "pulumi stack export --stack pr-42" in complaint


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_one_export_is_checked_at_a_time(arguments: list[str]) -> None:
    assert check.main(arguments) == 2


def test_an_export_is_held_to_the_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "export.json"

    def checked(*resources: dict[str, Any]) -> int:
        path.write_text(json.dumps({"deployment": {"resources": resources}}))
        return check.main([str(path)])

    stack = {"urn": "urn:pulumi:pr-42::p::pulumi:pulumi:Stack::s", "type": "pulumi:pulumi:Stack"}
    assert checked() == 2
    assert "the stack holds nothing" in capsys.readouterr().err
    assert checked(stack) == 0
    assert capsys.readouterr().out == "1 resources, 0 violations\n"
    assert checked(stack | {"outputs": {"token": "x", "password": "y"}}) == 1
    printed = capsys.readouterr()
    # Each is an input that no resource may have, and an output that no stack may have.
    assert printed.out == "1 resources, 4 violations\n"
    assert len(printed.err.splitlines()) == 4


ACCOUNT = "system:serviceaccount:pr-42:external-secrets"
OTHERS = "system:serviceaccount:pr-43:external-secrets"
SECRET = "arn:aws:secretsmanager:eu-west-1:1:secret:rds!db-42-AbCdEf"
READ = "secretsmanager:GetSecretValue"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def taken(**changes: Any) -> dict[str, Any]:
    subject = {"StringEquals": {"oidc:sub": ACCOUNT}}
    return {"Action": "sts:AssumeRoleWithWebIdentity", "Condition": subject, **changes}


def by(**keys: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": {key.replace("_", ":"): v for key, v in keys.items()}}}


@pytest.mark.parametrize(
    ("document", "complaints"),
    [
        (policy(taken()), 0),
        (policy(taken(), taken(**by(oidc_aud="sts.amazonaws.com", oidc_sub=ACCOUNT))), 0),
        (policy(taken(), taken(Action="sts:AssumeRole")), 1),
        (policy(taken(), taken(Condition={})), 1),
        (policy(taken(**by(oidc_aud="sts.amazonaws.com"))), 1),
        (policy(taken(**by(a_sub=ACCOUNT, b_sub="system:serviceaccount:pr-420:x"))), 1),
        (policy(taken(Condition={"StringEquals": {"oidc:sub": [ACCOUNT, OTHERS]}})), 1),
        (policy(taken(Condition={"StringLike": {"oidc:sub": ACCOUNT}})), 1),
        (json.dumps({"Statement": taken(Action="sts:AssumeRole")}), 1),
    ],
)
def test_each_statement_about_who_takes_a_role_is_read(document: str, complaints: int) -> None:
    role = made("pr-42", "aws:iam/role:Role", {"assumeRolePolicy": document})
    assert len(BY_NAME["preview-role-taken-by-its-own"].complaints(role)) == complaints
    other = made("staging", "aws:iam/role:Role", {"assumeRolePolicy": document})
    assert BY_NAME["preview-role-taken-by-its-own"].complaints(other) == []


@pytest.mark.parametrize("key", ["managedPolicyArns", "inlinePolicies"])
def test_a_role_s_policies_are_resources_of_their_own(key: str) -> None:
    properties = {"assumeRolePolicy": policy(taken()), key: ["x"]}
    role = made("pr-42", "aws:iam/role:Role", properties)
    [complaint] = BY_NAME["preview-role-taken-by-its-own"].complaints(role)
    assert complaint == "it has policies that are not resources of their own"


BUCKET = "arn:aws:s3:::pr-42-123456789012"
BY_SECRETS_MANAGER = "secretsmanager.eu-west-1.amazonaws.com"


def grants(action: object = READ, resource: object = SECRET, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def decrypts(secret: str = SECRET, via: str = BY_SECRETS_MANAGER) -> dict[str, Any]:
    condition = {
        "StringEquals": {"kms:ViaService": via},
        "StringLike": {"kms:EncryptionContext:SecretARN": secret},
    }
    return grants("kms:Decrypt", "arn:aws:kms:eu-west-1:1:key/*", Condition=condition)


@pytest.mark.parametrize(
    ("statements", "complaints"),
    [
        ([grants(), grants([READ, "secretsmanager:DescribeSecret"], [SECRET, SECRET])], []),
        ([{"Effect": "Deny", "Action": "*", "Resource": "*"}, grants()], []),
        (
            [{"Effect": "Deny", "Action": "*", "Resource": "*"}, grants("s3:*")],
            ["it allows s3:*"],
        ),
        ([grants(), grants([READ, "kms:b", "kms:a"])], ["it allows kms:a, kms:b"]),
        ([grants(NotAction="kms:*")], ["it allows all but some actions"]),
        (
            [grants(resource=[SECRET, f"{SECRET}?"])],
            [f"it names no resource in full: {SECRET}, {SECRET}?"],
        ),
        ([grants(), grants(resource="*")], ["it names no resource in full: *"]),
        ([grants(resource=None)], ["it names no resource in full: none"]),
        ([grants("s3:ListBucket", BUCKET), grants("s3:GetObject", f"{BUCKET}/*")], []),
        ([grants("s3:PutBucketPolicy", BUCKET)], ["it allows s3:PutBucketPolicy"]),
        ([grants(READ, BUCKET)], [f"it allows {READ}"]),
        (
            [grants("s3:GetObject", f"{BUCKET}*/*")],
            [f"it names no resource in full: {BUCKET}*/*"],
        ),
        (
            [grants("s3:GetObject", "arn:aws:s3:::pr-421-123456789012/*")],
            ["it is for the bucket pr-421-123456789012: expected one of pr-42"],
        ),
        ([grants(), decrypts()], []),
        ([decrypts(via="rds.eu-west-1.amazonaws.com")], ["it names no resource in full: none"]),
        ([decrypts(secret=f"{SECRET}*")], [f"it names no resource in full: {SECRET}*"]),
        ([grants("kms:Decrypt", "*")], ["it names no resource in full: none"]),
    ],
)
def test_each_action_and_resource_of_a_role_is_read(
    statements: list[dict[str, Any]], complaints: list[str]
) -> None:
    given = made("pr-42", "aws:iam/rolePolicy:RolePolicy", {"policy": policy(*statements)})
    assert BY_NAME["preview-role-uses-its-own"].complaints(given) == complaints
    given = made("staging", "aws:iam/rolePolicy:RolePolicy", {"policy": policy(*statements)})
    assert BY_NAME["preview-role-uses-its-own"].complaints(given) == []


@pytest.mark.parametrize(
    ("type_", "way"),
    [
        ("apps/v1:DaemonSet", ["spec", "template", "spec"]),
        ("apps/v1:Deployment", ["spec", "template", "spec"]),
        ("apps/v1:ReplicaSet", ["spec", "template", "spec"]),
        ("apps/v1:StatefulSet", ["spec", "template", "spec"]),
        ("batch/v1:CronJob", ["spec", "jobTemplate", "spec", "template", "spec"]),
        ("batch/v1:Job", ["spec", "template", "spec"]),
        ("core/v1:Pod", ["spec"]),
    ],
)
def test_pods_are_found_in_whatever_makes_them(type_: str, way: list[str]) -> None:
    spec: dict[str, Any] = {
        key: [{"name": key}] for key in ("initContainers", "containers", "ephemeralContainers")
    }
    for key in reversed(way):
        spec = {key: spec}
    found = made("pr-42", f"kubernetes:{type_}", spec)
    assert [each.name for each in containers(found)] == [
        *("initContainers", "containers", "ephemeralContainers")
    ]
    assert found.type in TYPES


def test_each_stack_s_outputs_are_looked_at() -> None:
    clean, leaky = (made("pr-42", "pulumi:pulumi:Stack", out) for out in ({}, {"password": "x"}))
    assert TOGETHER["no-secret-output"].complaints([clean, leaky]) == [
        (leaky, "password is in plain text")
    ]


def test_a_service_may_lead_to_pods_of_several_kinds() -> None:
    one_port, other_port = (
        workload("pr-42", container(ports=[{"containerPort": number}])) for number in (80, 81)
    )
    spec = {"selector": {"app": "a"}, "ports": [{"port": 80}, {"port": 81}]}
    metadata = {"namespace": "pr-42", "name": "service"}
    before = made("pr-42", SERVICE, {"metadata": metadata, "spec": spec})
    rule = TOGETHER["objects-found"]
    assert rule.complaints([one_port, other_port, before]) == []
    assert [text for _, text in rule.complaints([one_port, before])] == [
        "targetPort 81 is none of its pods' ports"
    ]


def test_what_has_no_name_is_called_nothing() -> None:
    metadata: list[dict[str, Any]] = [{}, {"name": None, "namespace": None}]
    for found in (
        made("pr-42", SERVICE),
        *(made("pr-42", SERVICE, {"metadata": given}) for given in metadata),
    ):
        assert (found.namespace, found.object_name) == ("", "")


def test_every_label_of_a_selector_has_to_be_the_pods() -> None:
    pods = workload("pr-42", container())
    rule = BY_NAME["selects-its-own"]
    assert rule.complaints(pods) == []
    more = changed(pods, ["spec", "selector", "matchLabels"], {"app": "a", "tier": "web"})
    assert rule.complaints(more) == [
        "it selects {'app': 'a', 'tier': 'web'}, which its pods are not labelled"
    ]


def rule(peers: list[dict[str, Any]] | None, *ports: dict[str, Any]) -> dict[str, Any]:
    return {"ports": list(ports), **({} if peers is None else {"to": peers})}


HTTPS = {"port": 443, "protocol": "TCP"}
EVERYWHERE = {"ipBlock": {"cidr": "0.0.0.0/0"}}
PUBLIC = {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(NOT_PUBLIC)}}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (rule([PUBLIC], HTTPS), None),
        (rule([{"ipBlock": {"cidr": "203.0.113.0/24"}}], HTTPS), None),
        (rule([{"ipBlock": {"cidr": "10.0.1.0/24"}}], {"port": 5432}), None),
        (rule([{"ipBlock": {"cidr": "172.20.0.0/16"}}], {"port": 53}), None),
        (rule([{"domainNames": ["api.stripe.com"]}], HTTPS), None),
        (rule([EVERYWHERE], HTTPS), "private networks"),
        (rule([{"ipBlock": {"cidr": "10.0.1.0/24"}}], HTTPS), "private networks"),
        (rule([{"ipBlock": {"cidr": "10.0.1.0/24"}}], {"port": 5432}, HTTPS), "private networks"),
        (rule([{"ipBlock": {"cidr": "169.254.169.254/32"}}], {"port": 80}), "private networks"),
        (
            rule([{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(NOT_PUBLIC[:-1])}}], HTTPS),
            "private networks",
        ),
        (rule([{"ipBlock": {"cidr": "::/0"}}], HTTPS), "private networks"),
        (rule([PUBLIC]), "names no port"),
        (rule([PUBLIC], {"protocol": "TCP"}), "names no port"),
        (rule([PUBLIC], {"port": "https"}), "names no port"),
        (rule([PUBLIC], {"port": 1, "endPort": 65535}), "range of ports"),
        (rule(None, HTTPS), "names no destination"),
        (rule([], HTTPS), "names no destination"),
        (rule([{"podSelector": {}}], HTTPS), None),
        (rule([{"podSelector": {}, "namespaceSelector": {}}], HTTPS), "egress to pods"),
        (rule([{"namespaceSelector": {}}], HTTPS), "egress to pods"),
        (rule([{"domainNames": ["*.example.com"]}], HTTPS), "a wildcard"),
    ],
)
def test_the_policy_pack_refuses_wider_ways_out(
    given: dict[str, Any], complaint: str | None
) -> None:
    for kind in (NETWORK_POLICY, HOSTS_POLICY):
        found = list(narrow(made("pr-42", kind, {"spec": {"egress": [given]}})))
        assert (complaint is None) == (found == []), found
        assert complaint is None or complaint in found[0]
    # The platform's own, such as the controller's way to the API server, is reviewed as code.
    assert list(narrow(made("staging", NETWORK_POLICY, {"spec": {"egress": [given]}}))) == []
