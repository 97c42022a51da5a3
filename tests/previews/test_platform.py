from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contract.platform_outputs import CONFIG_MAP, CONFIG_MAP_KEY
from contract.stack_name import AppName
from previews.clients import Clients
from previews.errors import PreviewsError
from previews.kubernetes import Cluster
from previews.platform import read_platform, read_published
from previews.settings import Settings
from tests.contract.platform import PLATFORM
from tests.previews.memory_cluster import MemoryCluster


def published(project: str = "previews", **platform: Any) -> str:
    return json.dumps({"project": project, "platform": PLATFORM.model_dump() | platform})


def cluster_with(text: str, namespace: str = "staging") -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.add("configmaps", CONFIG_MAP, namespace, data={CONFIG_MAP_KEY: text})
    return cluster


def clients_on(cluster: Cluster) -> Clients:
    clients = Clients(Settings.read())
    clients.__dict__["_current_cluster"] = cluster
    return clients


def test_what_staging_published_is_read_in_its_namespace() -> None:
    assert read_platform(cluster_with(published()), "staging") == PLATFORM


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        (MemoryCluster(), "there is none"),
        (cluster_with(published(), "orders-staging"), "there is none"),
        (cluster_with(""), "it has another form"),
        (cluster_with("[]"), "it has another form"),
        (cluster_with(published(cluster=None)), "it lacks cluster"),
    ],
)
def test_whatever_is_wrong_with_it_is_named(cluster: MemoryCluster, why: str) -> None:
    with pytest.raises(PreviewsError, match=f"ConfigMap staging/{CONFIG_MAP}.*{why}") as raised:
        read_platform(cluster, "staging")
    assert "kubectl config use-context" in raised.value.remedy


def test_a_program_gets_what_its_own_staging_published() -> None:
    cluster = cluster_with(published())
    clients = clients_on(cluster)
    given = {stack: clients._published(stack) for stack in ("pr-42", "data-8", "staging")}
    text = read_published(cluster, "staging")
    # The platform's own staging makes what it publishes.
    assert given == {"pr-42": text, "data-8": text, "staging": None}


def test_another_app_s_staging_gets_what_the_platform_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = cluster_with(published())
    cluster.add("configmaps", CONFIG_MAP, "orders-staging", data={CONFIG_MAP_KEY: "its own"})
    monkeypatch.setattr(Settings, "app_name", AppName("orders"))
    clients = clients_on(cluster)
    assert clients._published("staging") == read_published(cluster, "staging")
    assert clients._published("pr-42") == "its own"


def test_the_cluster_is_the_one_of_the_current_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("apiVersion: v1\nkind: Config\n")
    second.write_text("apiVersion: v1\nkind: Config\ncurrent-context: lab\n")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert Cluster.current().name == "lab"
    monkeypatch.setenv("KUBECONFIG", str(first))
    with pytest.raises(PreviewsError, match="no current-context in") as raised:
        Cluster.current()
    assert raised.value.code == "kubeconfig"


def test_the_cluster_of_the_platform_is_asked_where_the_current_one_is_another() -> None:
    current = cluster_with(published())
    assert clients_on(current).cluster is current
    other = cluster_with(published(cluster=PLATFORM.cluster.model_dump() | {"name": "lab"}))
    assert clients_on(other).cluster.name == "lab"
