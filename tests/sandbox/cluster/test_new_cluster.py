"""The program's objects for a new cluster, applied to the real API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from infra.stacks import main
from tests.infra.ci.test_deploy_role import GITHUB
from tests.infra.world import CREATED_CLUSTER, STAGING_CONFIG, Registration, deploy

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

# Kinds whose definitions AWS brings along and does not publish.
OF_AUTO_MODE = {"NodeClass", "NodePool", "IngressClassParams"}


@pytest.fixture(scope="module")
def declared() -> list[Registration]:
    config = STAGING_CONFIG | CREATED_CLUSTER | {"github": GITHUB}
    stack = deploy("staging", main, config=config)
    return [r for r in stack.registrations if r.type.startswith("kubernetes:")]


def kind_of(resource: Registration) -> str:
    return resource.type.rpartition(":")[2]


def apply(api: httpx.Client, inputs: Mapping[str, Any], *, dry: bool) -> httpx.Response:
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
        headers={"Content-Type": "application/apply-patch+yaml"},
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


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
