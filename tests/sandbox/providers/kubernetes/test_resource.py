from __future__ import annotations

from typing import Any, cast

import pytest

from sandbox.errors import SandboxError
from sandbox.providers.base import Call
from sandbox.providers.connection import Connection
from sandbox.providers.kubernetes.provider import KubernetesProvider
from sandbox.providers.kubernetes.resource import KubernetesObject
from sandbox.providers.values import UNKNOWN

_CALL = Call(Connection(), "urn:pulumi:pr-42::previews::kubernetes:batch/v1:Job::x", "x")


def _manifest(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "a", "namespace": "b"},
        **fields,
    }


@pytest.mark.parametrize(
    ("api_version", "kind", "old", "new", "replaces"),
    [
        ("batch/v1", "Job", {"template": {"a": 1}}, {"template": {"a": 2}}, True),
        ("batch/v1", "Job", {"backoffLimit": 1}, {"backoffLimit": 2}, False),
        ("apps/v1", "Deployment", {"selector": {"a": 1}}, {"selector": {"a": 2}}, True),
        ("apps/v1", "Deployment", {"template": {"a": 1}}, {"template": {"a": 2}}, False),
        ("v1", "Service", {"clusterIP": "None"}, {}, True),
        ("v1", "Service", {"ports": [1]}, {"ports": [2]}, False),
        ("policy/v1", "PodDisruptionBudget", {"minAvailable": 1}, {"minAvailable": 2}, False),
    ],
)
async def test_fields_replace_as_with_the_real_provider(
    api_version: str, kind: str, old: Any, new: Any, replaces: bool
) -> None:
    before = _manifest(api_version, kind, spec=old)
    after = _manifest(api_version, kind, spec=new)
    diff = await KubernetesObject().diff(_CALL, "b/a", before, after)
    assert diff.changes
    assert diff.replaces is replaces
    assert diff.delete_before_replace


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_configuration_is_replaced(kind: str) -> None:
    before, after = _manifest("v1", kind, data={"a": "1"}), _manifest("v1", kind, data={"a": "2"})
    assert (await KubernetesObject().diff(_CALL, "b/a", before, after)).replaces


async def test_another_name_is_made_before_the_old_one_goes() -> None:
    before = _manifest("v1", "Service")
    after = {**before, "metadata": {"name": "c", "namespace": "b"}}
    diff = await KubernetesObject().diff(_CALL, "b/a", before, after)
    assert diff.replaces
    assert not diff.delete_before_replace


@pytest.mark.parametrize("metadata", [UNKNOWN, {"name": UNKNOWN, "namespace": "b"}])
async def test_a_name_that_is_not_known_yet_may_be_another(metadata: Any) -> None:
    # The engine asks like this when what the metadata were made from is to be deleted.
    before = _manifest("batch/v1", "Job")
    diff = await KubernetesObject().diff(_CALL, "b/a", before, {**before, "metadata": metadata})
    assert diff.replaces
    assert not diff.delete_before_replace


async def test_a_kind_whose_readiness_is_not_known_is_refused_unless_it_is_not_awaited() -> None:
    manifest = _manifest("apps/v1", "StatefulSet")
    _, [problem] = await KubernetesObject().check(_CALL, {}, manifest)
    assert "StatefulSet" in problem.reason
    manifest["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    _, problems = await KubernetesObject().check(_CALL, {}, manifest)
    assert problems == []


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:core/v1:NamespacePatch",
        "kubernetes:core/v1:SecretList",
    ],
)
def test_what_is_no_single_object_is_refused(token: str) -> None:
    with pytest.raises(SandboxError, match=token):
        KubernetesProvider().resource(token)


def test_any_kind_is_taken() -> None:
    provider = KubernetesProvider()
    assert provider.resource("kubernetes:external-secrets.io/v1:ExternalSecret") is cast(
        "KubernetesObject", provider.resource("kubernetes:core/v1:Namespace")
    )
