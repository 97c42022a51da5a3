"""Objects applied to a new cluster, and to one that has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from sandbox.cluster import bootstrap
from sandbox.cluster.definitions import CHECKSUM, definitions
from sandbox.errors import SandboxError

NAME = "externalsecrets.external-secrets.io"


@pytest.fixture
def crds(tmp_path: Path) -> Path:
    document = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "names": {"kind": "ExternalSecret"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }
    (tmp_path / "externalsecrets.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


class _Api:
    """An API server that remembers what is applied."""

    def __init__(self, crds: Path) -> None:
        self.crds = crds
        self.items: list[dict[str, object]] | None = None
        self.established_after = 0
        self.refuses: str | None = None
        self.applied: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "PATCH":
            assert request.url.params["fieldManager"] == "sandbox-bootstrap"
            self.applied.append(path)
            if self.refuses is not None and path.endswith(self.refuses):
                return httpx.Response(422, json={"message": "spec is wrong"})
            return httpx.Response(200, json=json.loads(request.content))
        if path.endswith("/status"):
            self.established_after -= 1
            status = "True" if self.established_after < 0 else "False"
            conditions = [{"type": "Established", "status": status}]
            # A new definition's are null until the API server has looked at it.
            young = self.established_after > 0
            return httpx.Response(
                200, json={"status": {"conditions": None if young else conditions}}
            )
        return httpx.Response(200, json={"items": self.items})

    def run(self) -> list[str]:
        with httpx.Client(base_url="https://api", transport=httpx.MockTransport(self)) as client:
            bootstrap._apply_all(client, self.crds)
        return self.applied


@pytest.fixture
def api(crds: Path) -> _Api:
    return _Api(crds)


def test_a_new_cluster_gets_definitions_roles_and_the_class(api: _Api) -> None:
    applied = api.run()
    assert applied[0].endswith(f"/customresourcedefinitions/{NAME}")
    assert "/apis/networking.k8s.io/v1/ingressclasses/alb" in applied
    assert "/apis/rbac.authorization.k8s.io/v1/clusterroles/external-secrets" in applied


def test_a_definition_that_is_served_is_not_sent_again(api: _Api, crds: Path) -> None:
    (wanted,) = definitions(crds)
    api.items = [{"metadata": wanted["metadata"]}]
    assert not any("customresourcedefinitions" in path for path in api.run())


def test_a_definition_that_differs_is(api: _Api) -> None:
    api.items = [{"metadata": {"name": NAME, "annotations": {CHECKSUM: "older"}}}]
    assert any("customresourcedefinitions" in path for path in api.run())


def test_it_waits_until_definitions_are_established(api: _Api) -> None:
    api.established_after = 3
    api.run()
    assert api.established_after == -1


def test_a_definition_that_never_is_established_is_named(
    api: _Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.established_after = 1_000_000
    stopped: Callable[..., bool] = lambda _: True  # noqa: E731
    monkeypatch.setattr(bootstrap._await_established.retry, "stop", stopped)  # type: ignore[attr-defined]
    with pytest.raises(SandboxError, match=f"not established after 30 s: {NAME}"):
        api.run()


def test_a_refusal_carries_the_servers_words(api: _Api) -> None:
    api.refuses = "/alb"
    with pytest.raises(SandboxError, match=r"IngressClass alb: .* 422: spec is wrong"):
        api.run()
