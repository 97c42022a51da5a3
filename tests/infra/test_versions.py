"""What is pinned: read, written, updated, and the same as what the sandbox runs."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from infra.controllers import definitions, update
from infra.controllers.update import UpdateError, addon_versions, image_digest, render_definitions
from infra.errors import ProgramError
from infra.versions import FILE, Versions, pinned, render
from sandbox.tools.recipes import EXTERNAL_SECRETS_VERSION, KUBERNETES_VERSION

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "ghcr.io/external-secrets/external-secrets"


def test_what_is_written_is_what_is_read() -> None:
    assert Versions.model_validate(tomllib.loads(render(pinned()))) == pinned()
    assert FILE.read_text() == render(pinned())


def test_the_sandbox_runs_what_is_pinned() -> None:
    assert KUBERNETES_VERSION.rpartition(".")[0] == pinned().kubernetes
    assert pinned().external_secrets.version == EXTERNAL_SECRETS_VERSION
    sums = ROOT / "sandbox/tools/modules/external-secrets/published/go.sum"
    operator = pinned().external_secrets
    assert f"{update.MODULE} v{operator.version} {operator.module}" in sums.read_text()


def test_the_definitions_are_the_pinned_ones() -> None:
    found = definitions.read_definitions(pinned().external_secrets.definitions)
    assert {each["spec"]["names"]["kind"] for each in found} == definitions.KINDS
    for each in found:
        (version,) = each["spec"]["versions"]
        assert version["served"]
        assert each["spec"]["conversion"] == {"strategy": "None"}


def test_definitions_that_somebody_changed_are_refused() -> None:
    with pytest.raises(ProgramError, match="its checksum is sha256:") as caught:
        definitions.read_definitions("sha256:" + 64 * "0")
    assert "git checkout infra/controllers" in caught.value.remedy


def test_descriptions_go_and_fields_of_that_name_stay() -> None:
    schema = {
        "description": "what it is",
        "properties": {
            "description": {"type": "string", "description": "a field of that name"},
            "properties": {"properties": {"x": {"description": "deep", "type": "object"}}},
        },
        "anyOf": [{"description": "one", "required": ["description"]}],
    }
    assert definitions.without_descriptions(schema) == {
        "properties": {
            "description": {"type": "string"},
            "properties": {"properties": {"x": {"type": "object"}}},
        },
        "anyOf": [{"required": ["description"]}],
    }


def published(kind: str) -> dict[str, Any]:
    versions = [
        {"name": "v1beta1", "served": False, "storage": False},
        {"name": "v1", "served": True, "storage": True, "schema": {"description": "long"}},
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.lower(), "annotations": {"made": "by"}},
        "spec": {
            "names": {"kind": kind},
            "versions": versions,
            "conversion": {"strategy": "Webhook"},
        },
    }


def test_of_the_published_definitions_those_are_kept_that_are_served(tmp_path: Path) -> None:
    for kind in (*definitions.KINDS, "PushSecret"):
        path = tmp_path / f"external-secrets.io_{kind.lower()}.yaml"
        path.write_text(yaml.safe_dump(published(kind)))
    kept = list(yaml.safe_load_all(render_definitions(tmp_path)))
    assert {each["spec"]["names"]["kind"] for each in kept} == definitions.KINDS
    assert all(each["spec"]["versions"][0]["schema"] == {} for each in kept)


def test_a_kind_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="no definition of ClusterGenerator"):
        render_definitions(tmp_path)


def registry(manifest: bytes, digest: str, status: int = 200) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            assert (
                request.url.params["scope"] == "repository:external-secrets/external-secrets:pull"
            )
            return httpx.Response(200, json={"token": "t"})
        assert request.headers["authorization"] == "Bearer t"
        assert request.url.path == "/v2/external-secrets/external-secrets/manifests/v0.20.4"
        return httpx.Response(status, content=manifest, headers={"docker-content-digest": digest})

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_a_digest_is_the_registry_s_and_that_of_what_it_answers() -> None:
    expected = f"sha256:{hashlib.sha256(b'index').hexdigest()}"
    assert image_digest(registry(b"index", expected), IMAGE, "v0.20.4") == expected


def test_a_digest_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UpdateError, match="the content has sha256:"):
        image_digest(registry(b"other", "sha256:0"), IMAGE, "v0.20.4")


def test_a_tag_that_is_not_there_is_said() -> None:
    with pytest.raises(UpdateError, match="answered 404"):
        image_digest(registry(b"", "", 404), IMAGE, "v0.20.4")


class Eks:
    """What EKS offers for one Kubernetes version."""

    def __init__(self, kubernetes: str) -> None:
        self.kubernetes = kubernetes

    def describe_addon_versions(self, *, addonName: str, kubernetesVersion: str) -> Any:  # noqa: N803
        def offered(version: str, *, default: bool) -> dict[str, Any]:
            fits = [{"clusterVersion": self.kubernetes, "defaultVersion": default}]
            return {"addonVersion": f"{addonName}-{version}", "compatibilities": fits}

        newest, usual = offered("2", default=False), offered("1", default=True)
        return {"addons": [{"addonName": addonName, "addonVersions": [newest, usual]}]}


def test_add_ons_are_aws_s_own_choice_for_the_pinned_kubernetes() -> None:
    found = addon_versions(pinned(), lambda _: Eks(pinned().kubernetes))
    assert found == {name: f"{name}-1" for name in pinned().addons}


def test_an_add_on_that_fits_nothing_is_said() -> None:
    with pytest.raises(UpdateError, match=f"for Kubernetes {pinned().kubernetes}"):
        addon_versions(pinned(), lambda _: Eks("1.20"))


@pytest.mark.parametrize("digest", ["", "sha256:" + 64 * "a"])
def test_pods_name_the_image_by_its_digest_where_that_is_known(digest: str) -> None:
    operator = pinned().external_secrets.model_copy(update={"digest": digest})
    expected = f"{IMAGE}@{digest}" if digest else f"{IMAGE}:v{operator.version}"
    assert operator.reference == expected
