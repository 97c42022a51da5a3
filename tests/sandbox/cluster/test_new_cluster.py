"""The program's objects for a new cluster, applied to the real API server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from infra.ci.cluster_access import GROUP
from infra.stacks import main
from tests.infra.ci.test_deploy_role import GITHUB
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Registration, deploy
from tests.sandbox.cluster.running import Cluster
from tests.waiting import eventually

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

# Kinds whose definitions AWS brings along and does not publish.
OF_AUTO_MODE = {"NodeClass", "NodePool", "IngressClassParams"}
REFUSAL = "CI's role for previews writes to namespaces"
_BOUNDS = {
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


@pytest.fixture(scope="module")
def declared() -> list[Registration]:
    config = STAGING_CONFIG | CREATED_CLUSTER | {"github": GITHUB}
    stack = deploy("staging", main, config=config)
    return [r for r in stack.registrations if r.type.startswith("kubernetes:")]


def kind_of(resource: Registration) -> str:
    return resource.type.rpartition(":")[2]


def apply(
    api: httpx.Client, inputs: Mapping[str, Any], *, dry: bool, headers: Mapping[str, str] = {}
) -> httpx.Response:
    """Server-side apply, in which a field that the API does not know is an error."""
    version = inputs["apiVersion"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    known = api.get(base)
    served = known.json()["resources"] if known.is_success else []
    kinds = {r["kind"]: r for r in served if "/" not in r["name"]}
    if inputs["kind"] not in kinds:
        return httpx.Response(404, text=f"no kind {inputs['kind']}")
    resource = kinds[inputs["kind"]]
    namespace = inputs["metadata"].get("namespace")
    inside = f"/namespaces/{namespace}" if resource["namespaced"] else ""
    return api.patch(
        f"{base}{inside}/{resource['name']}/{inputs['metadata']['name']}",
        params={"fieldManager": "test", "fieldValidation": "Strict", "force": "true"}
        | ({"dryRun": "All"} if dry else {}),
        headers={"Content-Type": "application/apply-patch+yaml", **headers},
        json=dict(inputs),
    )


def make_namespaces(api: httpx.Client) -> None:
    for name in ("staging", "external-secrets"):
        assert apply(api, namespace(name), dry=False).is_success


def test_the_api_accepts_every_object_field_by_field(
    api: httpx.Client, declared: list[Registration]
) -> None:
    make_namespaces(api)
    refused = {}
    for resource in declared:
        answer = apply(api, resource.inputs, dry=True)
        if not answer.is_success:
            refused[f"{kind_of(resource)} {resource.name}"] = answer.text
    assert {key.partition(" ")[0] for key in refused} == OF_AUTO_MODE, refused


@pytest.fixture(scope="module")
def bounded(cluster: Cluster, declared: list[Registration]) -> Iterator[httpx.Client]:
    """A client as which CI's role for previews comes, once its bounds are enforced."""
    with cluster.client() as admin:
        make_namespaces(admin)
        for resource in declared:
            if kind_of(resource) in _BOUNDS and resource.name.startswith("ci-preview"):
                answer = apply(admin, resource.inputs, dry=False)
                assert answer.is_success, answer.text
        ci = {"Impersonate-User": "ci", "Impersonate-Group": GROUP}
        probe = config_map("default")
        eventually(
            lambda: REFUSAL in apply(admin, probe, dry=True, headers=ci).text,
            "the policy to be enforced",
        )
        admin.headers.update(ci)
        yield admin


def config_map(namespace: str) -> dict[str, Any]:
    metadata = {"name": "probe", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def test_ci_makes_and_fills_a_preview_s_namespace_and_removes_it(bounded: httpx.Client) -> None:
    assert apply(bounded, namespace("pr-7"), dry=False).status_code == 201
    assert apply(bounded, config_map("pr-7"), dry=False).status_code == 201
    assert bounded.get("/api/v1/namespaces/pr-7/pods").status_code == 200
    path = "/api/v1/namespaces/pr-7/configmaps/probe"
    assert bounded.delete(path).status_code == 200
    assert bounded.delete("/api/v1/namespaces/pr-7").status_code == 200


@pytest.mark.parametrize("name", ["staging", "default", "kube-system", "external-secrets"])
def test_ci_for_previews_writes_nowhere_else(bounded: httpx.Client, name: str) -> None:
    answer = apply(bounded, config_map(name), dry=True)
    assert answer.status_code in {403, 422}
    assert REFUSAL in answer.text


@pytest.mark.parametrize("name", ["production", "pr-x", "pr-01", "xpr-1"])
def test_ci_for_previews_makes_no_other_namespace(bounded: httpx.Client, name: str) -> None:
    answer = apply(bounded, namespace(name), dry=True)
    assert answer.status_code in {403, 422}
    assert REFUSAL in answer.text


def test_ci_for_previews_removes_no_other_namespace(bounded: httpx.Client) -> None:
    answer = bounded.delete("/api/v1/namespaces/default", params={"dryRun": "All"})
    assert answer.status_code in {403, 422}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/staging/secrets",
        "/api/v1/namespaces/pr-7/secrets",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/api/v1/nodes",
    ],
)
def test_ci_for_previews_reads_no_secret_and_nothing_of_the_cluster(
    bounded: httpx.Client, path: str
) -> None:
    assert bounded.get(path).status_code == 403
