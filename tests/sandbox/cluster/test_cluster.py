"""The real control plane, as processes: what it admits, refuses and keeps."""

from __future__ import annotations

import base64
import http.server
import json
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from sandbox.cluster.bootstrap import bootstrap
from sandbox.cluster.layout import Identity
from sandbox.cluster.processes import processes
from sandbox.settings import CLUSTER_NAME, OIDC_ISSUER
from sandbox.tools import locate
from tests.sandbox.cluster import objects
from tests.sandbox.cluster.running import Cluster
from tests.waiting import eventually

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]


def _create(api: httpx.Client, path: str, document: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(path, json=document)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def _secret(api: httpx.Client, namespace: str) -> dict[str, str] | None:
    answer = api.get(f"/api/v1/namespaces/{namespace}/secrets/database")
    return dict(answer.json()["data"]) if answer.is_success else None


def _make_secret(api: httpx.Client, namespace: str) -> dict[str, str]:
    generators = f"/apis/{objects.GENERATORS}/namespaces/{namespace}"
    _create(api, f"{generators}/passwords", objects.PASSWORD)
    external_secrets = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets"
    _create(api, external_secrets, objects.EXTERNAL_SECRET)
    secret: dict[str, str] = eventually(lambda: _secret(api, namespace), "the Secret")
    return secret


def test_every_process_runs_and_what_everyone_has_is_there(
    cluster: Cluster, api: httpx.Client
) -> None:
    assert set(cluster.processes()) == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "external-secrets",
        "metrics-server",
    }
    assert api.get("/version").json()["gitVersion"] == "v1.36.3"
    spec = api.get("/apis/networking.k8s.io/v1/ingressclasses/alb").json()["spec"]
    assert spec["controller"] == "ingress.k8s.aws/alb"


def test_kubectl_finds_its_context(cluster: Cluster) -> None:
    kubectl = locate(cluster.settings, ["kubernetes"]).kubectl
    answer = subprocess.run(
        [kubectl, "--context", CLUSTER_NAME, "get", "namespaces", "-o", "name"],
        env={**os.environ, "KUBECONFIG": str(cluster.settings.kubeconfig)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "namespace/external-secrets" in answer.stdout


def test_no_argument_holds_a_secret(cluster: Cluster) -> None:
    keys = [p.read_text() for p in cluster.layout.certificates.glob("*.key")]
    for process in processes(cluster.settings):
        words = " ".join([*process.argv, *process.env.values()])
        assert "PRIVATE KEY" not in words
        assert not any(key.splitlines()[1] in words for key in keys)


def test_a_restricted_pod_is_admitted(api: httpx.Client, namespace: str) -> None:
    _create(api, f"/api/v1/namespaces/{namespace}/pods", objects.POD)


def test_a_privileged_pod_is_refused(api: httpx.Client, namespace: str) -> None:
    privileged = objects.pod(securityContext={"privileged": True})
    answer = api.post(f"/api/v1/namespaces/{namespace}/pods", json=privileged)
    assert answer.status_code == 403
    assert 'violates PodSecurity "restricted:latest": privileged' in answer.json()["message"]


def test_a_generated_password_becomes_a_secret(api: httpx.Client, namespace: str) -> None:
    secret = _make_secret(api, namespace)
    assert len(base64.b64decode(secret["password"])) == 32
    path = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets/database"
    status = eventually(lambda: api.get(path).json().get("status"), "its status")
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [("Ready", "True")]


def test_a_namespace_goes_with_all_that_is_in_it(api: httpx.Client, namespace: str) -> None:
    _make_secret(api, namespace)
    _create(api, f"/api/v1/namespaces/{namespace}/pods", objects.POD)
    api.delete(f"/api/v1/namespaces/{namespace}")
    path = f"/api/v1/namespaces/{namespace}"
    eventually(lambda: api.get(path).status_code == 404, "the namespace to be gone")


def test_a_service_account_token_is_of_the_issuer_that_roles_trust(
    api: httpx.Client, namespace: str
) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    eventually(lambda: api.get(f"{accounts}/default").is_success, "the default account")
    request = {"spec": {"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600}}
    token = _create(api, f"{accounts}/default/token", request)["status"]["token"]
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]
    )
    assert header["alg"] == "RS256"
    assert claims["iss"] == OIDC_ISSUER
    assert claims["aud"] == ["sts.amazonaws.com"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:default"


@pytest.mark.parametrize("path", ["/readyz", "/livez"])
def test_anybody_may_see_that_it_is_healthy(cluster: Cluster, path: str) -> None:
    context = ssl.create_default_context(cafile=cluster.layout.authority)
    assert httpx.get(f"{cluster.layout.server}{path}", verify=context).status_code == 200


def test_nobody_unknown_may_see_anything_else(cluster: Cluster) -> None:
    context = ssl.create_default_context(cafile=cluster.layout.authority)
    assert httpx.get(f"{cluster.layout.server}/version", verify=context).status_code == 401


@pytest.mark.parametrize(
    ("identity", "path", "allowed"),
    [
        (Identity.EXTERNAL_SECRETS, "/api/v1/secrets", True),
        (Identity.EXTERNAL_SECRETS, "/api/v1/pods", False),
        (Identity.LOAD_BALANCER, "/apis/discovery.k8s.io/v1/endpointslices", True),
        (Identity.LOAD_BALANCER, "/api/v1/secrets", False),
        (Identity.NODE, "/api/v1/services", True),
        (Identity.NODE, "/api/v1/secrets", False),
        (Identity.SCHEDULER, "/api/v1/pods", True),
        (Identity.SCHEDULER, "/api/v1/secrets", False),
        (Identity.METRICS_SERVER, "/api/v1/pods", True),
        (Identity.METRICS_SERVER, "/api/v1/secrets", False),
        # What it serves, the API server lets it be asked by whom a role allows.
        (Identity.ADMIN, "/apis/metrics.k8s.io/v1beta1/pods", True),
        (Identity.EXTERNAL_SECRETS, "/apis/metrics.k8s.io/v1beta1/pods", False),
    ],
)
def test_each_identity_may_read_what_its_work_needs(
    cluster: Cluster, identity: Identity, path: str, allowed: bool
) -> None:
    with cluster.client(identity) as client:
        assert client.get(path, params={"limit": 1}).status_code == (200 if allowed else 403)


def test_a_node_may_not_speak_for_another(cluster: Cluster) -> None:
    with cluster.client(Identity.NODE) as client:
        answer = client.post("/api/v1/nodes", json=objects.node("other", "127.0.0.1"))
    assert answer.status_code == 403
    assert "is not allowed to modify node" in answer.json()["message"]


def test_bootstrapping_again_changes_nothing(cluster: Cluster, api: httpx.Client) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles/external-secrets"

    def versions() -> list[str]:
        items = [*api.get(path).json()["items"], api.get(roles).json()]
        return [item["metadata"]["resourceVersion"] for item in items]

    before = versions()
    bootstrap(cluster.settings)
    assert versions() == before


class _Kubelet(http.server.BaseHTTPRequestHandler):
    """Serves one container's log to whom the cluster's authority has signed."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"log of {self.path}".encode())

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def _kubelet(cluster: Cluster) -> Iterator[None]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=cluster.layout.authority)
    tls.load_cert_chain(cluster.layout.kubelet_pair)
    tls.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer((cluster.settings.node_address, 10250), _Kubelet)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_pod_on_the_node_has_an_endpoint_on_loopback_and_logs(
    cluster: Cluster, api: httpx.Client, namespace: str
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    address = cluster.settings.address(10, 1)
    with cluster.client(Identity.NODE) as node:
        _create(node, "/api/v1/nodes", objects.node(CLUSTER_NAME, cluster.settings.node_address))
        _create(api, f"/api/v1/namespaces/{namespace}/services", objects.SERVICE)
        _create(api, pods, objects.POD)
        scheduled = eventually(
            lambda: api.get(f"{pods}/web").json()["spec"].get("nodeName"), "the scheduler"
        )
        assert scheduled == CLUSTER_NAME
        running = {
            "status": {
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True"}],
            }
        }
        answer = node.patch(
            f"{pods}/web/status",
            json=running,
            headers={"Content-Type": "application/strategic-merge-patch+json"},
        )
        assert answer.is_success, answer.text

    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"

    def addresses() -> list[str]:
        items = api.get(slices).json()["items"]
        return [a for i in items for e in i["endpoints"] or () for a in e["addresses"]]

    assert eventually(addresses, "the EndpointSlice") == [address]
    with _kubelet(cluster):
        answer = api.get(f"{pods}/web/log", params={"tailLines": 5})
    assert answer.text == f"log of /containerLogs/{namespace}/web/web?tailLines=5"
    api.delete(f"/api/v1/nodes/{CLUSTER_NAME}")


def test_after_kill_9_of_everything_a_start_has_all_as_it_was(
    cluster: Cluster, api: httpx.Client, namespace: str
) -> None:
    secret = _make_secret(api, namespace)
    authority = cluster.layout.authority.read_bytes()
    processes = cluster.processes().values()
    cluster.stop(signal.SIGKILL)
    # The kernel kills what a killed supervisor leaves behind.
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []

    cluster.start()

    with cluster.client() as again:
        assert _secret(again, namespace) == secret
        path = f"/apis/external-secrets.io/v1/namespaces/{namespace}/externalsecrets/database"
        status = eventually(lambda: again.get(path).json().get("status"), "its status")
        assert status["conditions"][0]["status"] == "True"
    assert cluster.layout.authority.read_bytes() == authority
