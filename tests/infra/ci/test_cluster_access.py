"""What CI's roles may do in a cluster that the program makes."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract.kubernetes import BRANCHES, GENERATIONS
from contract.stack_name import StackKind, StackName, StackNameError
from infra.ci.admission import TOPICS
from infra.ci.cluster_access import (
    IS_OF_A_PREVIEW,
    permissions,
    resource_of,
    staging_permissions,
)
from infra.policies.ownership import CUSTOM_OBJECTS, OBJECTS
from infra.stacks import main
from tests.infra.ci.test_deploy_role import GITHUB
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Deployment, deploy

ROOT = Path(__file__).resolve().parents[3]
ENTRY = "aws:eks/accessEntry:AccessEntry"
ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
ADMISSION = "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"


@pytest.fixture(scope="module")
def with_ci() -> Deployment:
    return deploy("staging", main, config=STAGING_CONFIG | CREATED_CLUSTER | {"github": GITHUB})


def test_an_existing_cluster_lets_in_whom_it_lets_in() -> None:
    stack = deploy("staging", main, config=STAGING_CONFIG | {"github": GITHUB})
    assert not [r for r in stack.registrations if r.type == ENTRY]


def test_staging_s_role_administers_and_the_preview_s_does_not(with_ci: Deployment) -> None:
    administers = with_ci.one(ASSOCIATION, "ci-staging-administers").inputs
    roles = {
        environment: with_ci.outputs["deployRoles"][environment]
        for environment in ("staging", "preview")
    }
    assert administers["principalArn"] == roles["staging"]
    entry = with_ci.one(ENTRY, "ci-preview").inputs
    assert entry["principalArn"] == roles["preview"]
    assert entry["kubernetesGroups"] == ["previews:previews-deployer"]


def test_the_preview_s_role_reads_namespaces_of_previews(with_ci: Deployment) -> None:
    reads = with_ci.one(ASSOCIATION, "ci-preview-reads").inputs
    assert reads["principalArn"] == with_ci.outputs["deployRoles"]["preview"]
    assert reads["policyArn"].endswith(":cluster-access-policy/AmazonEKSViewPolicy")
    assert reads["accessScope"] == {"type": "namespace", "namespaces": ["pr-*"]}


def test_nobody_is_in_the_group_before_its_bounds_are_there(with_ci: Deployment) -> None:
    entry = with_ci.one(ENTRY, "ci-preview")
    bounds = [r for r in with_ci.registrations if r.type in {ADMISSION, f"{ADMISSION}Binding"}]
    # That of its namespaces, and one for each topic.
    assert len(bounds) == 2 * (1 + len(TOPICS))
    for bound in bounds:
        assert with_ci.comes_after(entry, bound), bound.name


def test_each_policy_is_enforced_and_fails_closed(with_ci: Deployment) -> None:
    policies = [r.inputs for r in with_ci.registrations if r.type == ADMISSION]
    bindings = [r.inputs["spec"] for r in with_ci.registrations if r.type == f"{ADMISSION}Binding"]
    assert {p["spec"]["failurePolicy"] for p in policies} == {"Fail"}
    assert {b["policyName"] for b in bindings} == {p["metadata"]["name"] for p in policies}
    assert all(b["validationActions"] == ["Deny"] for b in bindings)


def test_a_preview_s_objects_can_all_be_made(preview: Deployment) -> None:
    may_write = {
        (group, resource)
        for group, resources, verbs in permissions()
        for resource in resources
        if {"create", "patch", "delete"} <= set(verbs)
    }
    held = {r.type for r in preview.registrations if r.type.startswith("kubernetes:")}
    assert {resource_of(token) for token in held} <= may_write


def test_the_api_of_branches_names_its_resources_as_the_role_does() -> None:
    verbs = {(g, r): set(v) for g, resources, v in permissions() for r in resources}
    assert {"create", "patch", "delete"} <= verbs["previews.internal", BRANCHES]
    # Which servers there are is looked at, and is the platform's to say.
    assert verbs["previews.internal", GENERATIONS] == {"get", "list", "watch"}


# A kind as kr8s names it, with its version and group: ``jobs.v1.batch``.
QUALIFIED = re.compile(r"[a-z]+\.v[0-9]\w*\.[a-z][a-z.0-9]*")


def read_by_the_lifecycle() -> dict[tuple[str, str], str]:
    """API group and resource of each kind that `previews` reads, with a module that reads it."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted((ROOT / "previews").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Constant(value=str() as text) if QUALIFIED.fullmatch(text):
                    found[group_and_resource(text)] = module
                case ast.Call(func=ast.Attribute(attr="log", value=ast.Name(id="cluster"))):
                    found["", "pods/log"] = module
                case ast.Call(func=ast.Attribute() as method):
                    if kind := kind_read(node, method, module):
                        found[group_and_resource(kind)] = module
                case _:
                    pass
    return found


def read_of_all_namespaces() -> dict[tuple[str, str], str]:
    """The same for calls that name no namespace."""
    return {
        group_and_resource(kind): module
        for path in sorted((ROOT / "previews").rglob("*.py"))
        for module in [".".join(path.relative_to(ROOT).with_suffix("").parts)]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if all(word.arg != "namespace" for word in node.keywords)
        if (kind := kind_read(node, node.func, module))
    }


def kind_read(call: ast.Call, method: ast.Attribute, module: str) -> str | None:
    """The kind of a call like `cluster.each(kind)` or `api.get(kind, namespace=…)`."""
    asks = method.attr in {"each", "find"} and ast.unparse(method.value).endswith("cluster")
    lists = method.attr == "get" and any(word.arg == "namespace" for word in call.keywords)
    match call.args[:1] if asks or lists else []:
        case [ast.Constant(value=str() as kind)]:
            return kind
        case [ast.Name(id=name)] if name.isupper():
            return str(getattr(importlib.import_module(module), name))
        case _:
            # None, or a parameter: its callers name the kind.
            return None


def group_and_resource(kind: str) -> tuple[str, str]:
    """Of ``pods``, ``ingresses.networking.k8s.io`` or ``jobs.v1.batch``."""
    resource, _, rest = kind.partition(".")
    return re.sub(r"^v[0-9]\w*\.", "", rest), resource


# What the role reads in its own namespaces, besides what it writes. Pulumi reads it to find out
# whether an object is ready, and why it is not; preflight and the diagnosis read some, too.
VIEWED = {
    "": {"endpoints", "events", "persistentvolumeclaims", "pods", "pods/log"},
    "apps": {"replicasets"},
    "discovery.k8s.io": {"endpointslices"},
}

# What the access policy lists and the role needs:
# https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
VIEW_POLICY = {
    "": {
        *("configmaps", "endpoints", "events", "limitranges", "persistentvolumeclaims", "pods"),
        *("pods/log", "resourcequotas", "serviceaccounts", "services"),
    },
    "apps": {"deployments", "replicasets"},
    "autoscaling": {"horizontalpodautoscalers"},
    "batch": {"cronjobs", "jobs"},
    "discovery.k8s.io": {"endpointslices"},
    "networking.k8s.io": {"ingresses", "networkpolicies"},
    "policy": {"poddisruptionbudgets"},
}
IN_ITS_NAMESPACES = {(group, r) for group, names in VIEW_POLICY.items() for r in names}


def read_everywhere() -> set[tuple[str, str]]:
    return {
        (group, resource)
        for group, resources, verbs in permissions()
        for resource in resources
        if {"get", "list", "watch"} <= set(verbs)
    }


def test_a_kind_that_the_lifecycle_reads_can_be_read() -> None:
    read = read_by_the_lifecycle()
    known = {("", "pods"), ("", "pods/log"), ("", "events"), ("batch", "jobs")}
    assert known | {("previews.internal", GENERATIONS)} <= read.keys()
    viewed = {(group, r) for group, names in VIEWED.items() for r in names}
    written = {resource_of(token) for token in OBJECTS}
    for (group, resource), module in read.items():
        assert (group, resource) in read_everywhere() | viewed | written, (
            f"{module} reads {resource} of API group {group!r}: add it to VIEWED"
        )


def test_what_is_read_in_its_namespaces_alone_is_read_by_naming_one() -> None:
    read = read_of_all_namespaces()
    assert ("", "namespaces") in read
    for (group, resource), module in read.items():
        assert (group, resource) in read_everywhere(), (
            f"{module} reads {resource} of API group {group!r} in all namespaces, which CI's role"
            " can't: name the namespace"
        )


def test_what_is_read_in_its_namespaces_is_in_the_access_policy() -> None:
    viewed = {(group, r) for group, names in VIEWED.items() for r in names}
    assert viewed | {resource_of(token) for token in OBJECTS} == IN_ITS_NAMESPACES


def test_in_the_whole_cluster_it_reads_only_what_no_access_policy_has() -> None:
    assert read_everywhere() == {
        ("", "namespaces"),
        ("networking.k8s.io", "ingressclasses"),
        ("previews.internal", GENERATIONS),
        *(resource_of(token) for token in CUSTOM_OBJECTS),
    }


@pytest.mark.parametrize("granted", [permissions(), staging_permissions()])
def test_it_can_read_no_secret_enter_no_pod_and_take_no_right(
    granted: list[tuple[str, list[str], Sequence[str]]],
) -> None:
    named = {resource for _, resources, _ in granted for resource in resources}
    assert named & {"secrets", "nodes", "persistentvolumes"} == set()
    # Tokens, exec, attach and the like are subresources.
    assert not [resource for resource in named if "/" in resource or "*" in resource]
    writable = {r for _, resources, verbs in granted for r in resources if "create" in verbs}
    assert writable & {"pods", "roles", "rolebindings", "clusterroles"} == set()
    verbs = {verb for _, _, verbs in granted for verb in verbs}
    assert verbs == {"get", "list", "watch", "create", "update", "patch", "delete"}


@pytest.mark.parametrize(
    ("token", "resource"),
    [
        ("kubernetes:apps/v1:Deployment", ("apps", "deployments")),
        ("kubernetes:core/v1:Namespace", ("", "namespaces")),
        ("kubernetes:networking.k8s.io/v1:Ingress", ("networking.k8s.io", "ingresses")),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", ("networking.k8s.io", "networkpolicies")),
        (
            "kubernetes:previews.internal/v1alpha1:DatabaseBranch",
            ("previews.internal", "databasebranches"),
        ),
        ("kubernetes:external-secrets.io/v1:SecretStore", ("external-secrets.io", "secretstores")),
    ],
)
def test_a_type_s_resource(token: str, resource: tuple[str, str]) -> None:
    assert resource_of(token) == resource


@pytest.mark.parametrize(
    "name",
    ["pr-1", "pr-42", "pr-999999999", "pr-0", "pr-01", "pr-", "pr-1x", "staging", "kube-system"],
)
def test_a_preview_s_namespace_is_what_the_program_takes_for_one(name: str) -> None:
    (pattern,) = re.findall(r"matches\('(.+)'\)", IS_OF_A_PREVIEW)
    try:
        expected = StackName.parse(name).kind is StackKind.PREVIEW
    except StackNameError:
        expected = False
    assert bool(re.search(pattern, name)) is expected
