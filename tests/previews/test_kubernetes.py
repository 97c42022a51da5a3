"""The cluster's client: its kubeconfig, the names of resources, and failures."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from lightkube.resources import (
    admissionregistration_v1,
    apps_v1,
    autoscaling_v2,
    batch_v1,
    core_v1,
    discovery_v1,
    networking_v1,
    policy_v1,
    rbac_authorization_v1,
    storage_v1,
)

from previews.errors import PreviewsError
from previews.kubernetes import Cluster, KubernetesObject, resource_of
from tests.previews.memory_cluster import MemoryCluster


@pytest.mark.parametrize(
    ("api_version", "kind", "resource"),
    [
        ("v1", "Namespace", "namespaces"),
        ("v1", "Service", "services"),
        ("apps/v1", "Deployment", "deployments.v1.apps"),
        ("networking.k8s.io/v1", "Ingress", "ingresses.v1.networking.k8s.io"),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies.v1.networking.k8s.io"),
        ("external-secrets.io/v1", "SecretStore", "secretstores.v1.external-secrets.io"),
        (
            "previews.internal/v1alpha1",
            "DatabaseBranch",
            "databasebranches.v1alpha1.previews.internal",
        ),
    ],
)
def test_a_resource_is_named_by_its_kind(api_version: str, kind: str, resource: str) -> None:
    assert resource_of(api_version, kind) == resource


def test_the_resources_of_kubernetes_are_named_as_it_names_them() -> None:
    modules = (admissionregistration_v1, apps_v1, autoscaling_v2, batch_v1, core_v1)
    modules += (discovery_v1, networking_v1, policy_v1, rbac_authorization_v1, storage_v1)
    infos = [
        value._api_info
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    named = {
        (info.resource.api_version, info.resource.kind): info.plural
        for info in infos
        if info.parent is None and info.action is None
    }
    assert len(named) > 40
    found = {about: resource_of(*about).partition(".")[0] for about in named}
    # Written by hand in Kubernetes, and made by its controllers alone.
    assert {about for about in named if found[about] != named[about]} == {("v1", "Endpoints")}


def kubeconfig(file: Path, name: str, port: int) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}}],
    }
    file.write_text(json.dumps(document))
    return file


class Server(BaseHTTPRequestHandler):
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        body = json.dumps({"metadata": {}, "items": [{"metadata": {"name": "pr-42"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base names it
        pass


def test_the_context_is_taken_from_the_file_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    files = [
        tmp_path / "missing",
        kubeconfig(tmp_path / "other", "other", 1),
        kubeconfig(tmp_path / "ours", "sandbox", port),
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    try:
        found = Cluster("sandbox").find("namespaces", "pr-42")
    finally:
        server.shutdown()
        server.server_close()
    assert found is not None
    assert (found.name, found.namespace, str(found)) == ("pr-42", None, "namespaces pr-42")
    assert Server.asked == [
        ("/api/v1/namespaces?fieldSelector=metadata.name%3Dpr-42", "Bearer t"),
    ]


@pytest.mark.parametrize("text", [None, "", "[]", "no: [", '{"clusters": [], "contexts": []}'])
def test_an_unusable_kubeconfig_is_a_failure_of_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(PreviewsError) as raised:
        list(Cluster("sandbox").each("namespaces"))
    assert raised.value.code == "kubernetes-failed"
    assert "aws eks update-kubeconfig --name sandbox" in raised.value.remedy


def test_a_log_is_of_the_run_before_where_that_is_meant() -> None:
    cluster = MemoryCluster()
    pod = cluster.add("pods", "service-1", "pr-42")
    cluster.logs = {("service-1", True): ["a", "b", "c"], ("service-1", False): ["d"]}
    assert cluster.log(pod, lines=2, previous=True) == ["b", "c"]
    assert cluster.log(pod, lines=2) == ["d"]
    with pytest.raises(PreviewsError, match="log of pods pr-42/service-2"):
        cluster.log(
            KubernetesObject("pods", {"metadata": {"name": "service-2", "namespace": "pr-42"}}),
            lines=2,
        )


def test_a_manifest_is_found_by_name_and_namespace() -> None:
    cluster = MemoryCluster()
    cluster.add("jobs.v1.batch", "migrate", "pr-42")
    cluster.add("jobs.v1.batch", "migrate", "pr-43")
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "pr-43"},
    }
    found = cluster.read(manifest)
    assert found is not None
    assert found.namespace == "pr-43"
    manifest["metadata"] = {"name": "prepare", "namespace": "pr-43"}
    assert cluster.read(manifest) is None
