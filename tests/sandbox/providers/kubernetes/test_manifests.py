from __future__ import annotations

from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.providers.kubernetes import manifests
from sandbox.providers.kubernetes.api import Ref
from sandbox.providers.values import UNKNOWN

_INPUTS: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "pr-42"},
    "spec": {"replicas": 1, "cpu": 0.5, "items": [{"name": "a"}]},
}
_APPLIED: dict[str, Any] = {
    **_INPUTS,
    "metadata": {**_INPUTS["metadata"], "uid": "1"},
    "spec": {"replicas": 1, "cpu": "500m", "items": [{"name": "a", "default": 1}], "more": True},
}


def test_without_a_change_the_inputs_stay_as_they_are_written() -> None:
    assert manifests.live_inputs(_INPUTS, _APPLIED, _APPLIED) == _INPUTS


@pytest.mark.parametrize(
    ("path", "value"),
    [("replicas", 3), ("cpu", "2"), ("items", [{"name": "b", "default": 1}])],
)
def test_what_changed_in_the_cluster_shows(path: str, value: Any) -> None:
    live = {**_APPLIED, "spec": {**_APPLIED["spec"], path: value}}
    found = manifests.live_inputs(_INPUTS, _APPLIED, live)["spec"][path]
    assert found == ([{"name": "b"}] if path == "items" else value)


def test_what_was_removed_in_the_cluster_is_gone() -> None:
    live = {**_APPLIED, "spec": {"cpu": "500m"}}
    assert manifests.live_inputs(_INPUTS, _APPLIED, live)["spec"] == {"cpu": 0.5}


def test_what_the_cluster_never_shows_is_as_it_was_written() -> None:
    written = {"stringData": {"a": "b"}}
    live = {"data": {"a": "Yg=="}}
    assert manifests.live_inputs(written, live, live) == written


def test_an_import_takes_all_that_a_program_could_have_written() -> None:
    live = {**_APPLIED, "status": {"replicas": 1}}
    found = manifests.live_inputs({}, {}, live)
    assert found == {**_APPLIED, "metadata": {"name": "web", "namespace": "pr-42"}}


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (_INPUTS, []),
        ({**_INPUTS, "metadata": UNKNOWN}, []),
        ({**_INPUTS, "metadata": {"name": UNKNOWN}}, []),
        ({**_INPUTS, "metadata": {}}, ["metadata.name"]),
        ({**_INPUTS, "metadata": {"name": "a", "generateName": "b"}}, ["metadata.generateName"]),
        ({**_INPUTS, "status": {}}, ["status"]),
        ({"metadata": {"name": "a"}}, ["apiVersion", "kind"]),
    ],
)
def test_problems_are_named(manifest: dict[str, Any], expected: list[str]) -> None:
    assert [it.property for it in manifests.problems(manifest)] == expected


@pytest.mark.parametrize(
    ("token", "identity", "expected"),
    [
        (
            "kubernetes:core/v1:Namespace",
            "pr-42",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pr-42"}},
        ),
        (
            "kubernetes:external-secrets.io/v1:ExternalSecret",
            "pr-42/db",
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": {"name": "db", "namespace": "pr-42"},
            },
        ),
    ],
)
def test_an_import_knows_type_and_id_alone(
    token: str, identity: str, expected: dict[str, Any]
) -> None:
    assert manifests.of_import(token, identity) == expected


def test_an_import_of_no_kind_is_refused() -> None:
    with pytest.raises(SandboxError, match="kubernetes:<group>"):
        manifests.of_import("kubernetes:yaml", "a")


def test_an_object_that_is_but_a_name_gets_a_label_to_be_known_by() -> None:
    bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    applied = manifests.to_apply(bare)
    assert applied["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "pulumi"}
    assert manifests.to_apply(_INPUTS) is _INPUTS
    labelled = {**bare, "metadata": {"name": "a", "labels": {"b": "c"}}}
    assert manifests.to_apply(labelled) is labelled


@pytest.mark.parametrize(
    ("collection", "expected"),
    [("/api/v1/namespaces", "web"), ("/apis/apps/v1/namespaces/pr-42/deployments", "pr-42/web")],
)
def test_the_id_is_the_real_providers(collection: str, expected: str) -> None:
    assert manifests.identity(Ref("v1", "Kind", collection, "web")) == expected
