"""What CI's roles may do in a cluster that the program makes."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from contract.kubernetes import BRANCHES, GENERATIONS
from contract.stack_name import StackKind, StackName, StackNameError
from infra.ci.cluster_access import IS_OF_A_PREVIEW, permissions, resource_of
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


def test_nobody_is_in_the_group_before_its_bounds_are_there(with_ci: Deployment) -> None:
    entry = with_ci.one(ENTRY, "ci-preview")
    enforced = f"{ADMISSION}Binding"
    for type_ in (ADMISSION, enforced):
        assert with_ci.comes_after(entry, with_ci.one(type_)), type_


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


def test_a_kind_that_the_lifecycle_reads_has_a_row_in_the_role() -> None:
    may_read = {
        (group, resource)
        for group, resources, verbs in permissions()
        for resource in resources
        if {"get", "list"} <= set(verbs)
    }
    read = read_by_the_lifecycle()
    known = {("", "pods"), ("", "pods/log"), ("", "events"), ("batch", "jobs")}
    assert known | {("previews.internal", GENERATIONS)} <= read.keys()
    for (group, resource), module in read.items():
        assert (group, resource) in may_read, (
            f"{module} reads {resource} of API group {group!r}: add it to READ_KINDS in"
            " infra/ci/cluster_access.py"
        )


def test_it_can_read_no_secret_and_enter_no_pod() -> None:
    named = {(group, r) for group, resources, _ in permissions() for r in resources}
    assert named & {("", "secrets"), ("", "pods/exec"), ("", "pods/attach")} == set()
    writable = {r for _, resources, verbs in permissions() for r in resources if "create" in verbs}
    assert "pods" not in writable
    assert not any("*" in resource for _, resource in named)


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
