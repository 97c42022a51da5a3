"""One control plane for the tests of this folder that need one."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sandbox.tools import ensure
from tests.sandbox.cluster import running
from tests.sandbox.cluster.running import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = running.make(tmp_path_factory.mktemp("home"))
    ensure(made.settings, ["kubernetes", "external-secrets"])
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture
def api(cluster: Cluster) -> Iterator[httpx.Client]:
    with cluster.client() as client:
        yield client


@pytest.fixture
def namespace(api: httpx.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that enforces the restricted Pod Security Standard."""
    name = request.node.name.replace("_", "-")[:50].strip("-")
    answer = api.post(
        "/api/v1/namespaces",
        json={
            "metadata": {
                "name": name,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            }
        },
    )
    assert answer.status_code == 201, answer.text
    yield name
    api.delete(f"/api/v1/namespaces/{name}")
