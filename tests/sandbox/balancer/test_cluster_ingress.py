"""An Ingress, a Service and a Deployment in a real cluster, seen from a client."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from tests.sandbox.node.control_plane import World
from tests.sandbox.node.pods import Namespace, container, kubectl
from tests.waiting import HANGS, eventually

pytestmark = pytest.mark.sandbox

SERVER = """
import http.server, os, signal, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ['VERSION'].encode()
        if self.path == '/slow':
            time.sleep(1)
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer((os.environ['IP'], 8000), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""


def _deployment(version: str) -> dict[str, Any]:
    main = container(
        "",
        env=[
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "VERSION", "value": version},
        ],
        ports=[{"name": "http", "containerPort": 8000}],
        readinessProbe={"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        lifecycle={"preStop": {"sleep": {"seconds": 1}}},
    )
    main["command"] = ["python3", "-c", SERVER]
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [main], "automountServiceAccountToken": False},
            },
        },
    }


def _ingress(world: World, host: str) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"name": "http"}}}
    prefix = "alb.ingress.kubernetes.io"
    return {
        "metadata": {
            "name": "web",
            "annotations": {
                f"{prefix}/listen-ports": f'[{{"HTTP": {world.settings.http_port}}}]',
                f"{prefix}/target-type": "ip",
                f"{prefix}/group.name": "previews",
            },
        },
        "spec": {
            "ingressClassName": "alb",
            "rules": [
                {
                    "host": host,
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
        },
    }


def test_a_deployment_is_reached_rolled_over_and_taken_away(namespace: Namespace) -> None:
    world, host = namespace.world, f"{namespace.name}.preview.localhost"
    deployments = f"/apis/apps/v1/namespaces/{namespace.name}/deployments"
    ingresses = f"/apis/networking.k8s.io/v1/namespaces/{namespace.name}/ingresses"
    namespace.create(deployments, _deployment("one"))
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    namespace.create(f"{namespace.base}/services", service)
    namespace.create(ingresses, _ingress(world, host))
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{world.settings.http_port}",
        headers={"Host": host},
        trust_env=False,
        timeout=HANGS,
    )
    eventually(lambda: client.get("/").text == "one", "the first version")
    status = world.api.get(f"{ingresses}/web").json()
    assert status["status"]["loadBalancer"]["ingress"][0]["hostname"].endswith(".elb.localhost")
    assert status["metadata"]["finalizers"] == ["group.ingress.k8s.aws/previews"]

    # Every request is answered while one version takes the place of the other.
    answers: list[tuple[int, str]] = []
    failures: list[httpx.HTTPError] = []
    done = threading.Event()

    def ask(path: str) -> None:
        while not done.is_set():
            try:
                response = client.get(path)
            except httpx.HTTPError as error:
                failures.append(error)
            else:
                answers.append((response.status_code, response.text))

    askers = [threading.Thread(target=ask, args=(path,)) for path in ("/", "/slow")]
    for asker in askers:
        asker.start()
    world.api.patch(
        f"{deployments}/web",
        json=_deployment("two"),
        headers={"Content-Type": "application/strategic-merge-patch+json"},
    )
    try:
        eventually(lambda: answers and answers[-1][1] == "two", "the second version")
        rolled = kubectl(world, "rollout", "status", "-n", namespace.name, "deployment/web")
        assert rolled.returncode == 0, rolled.stderr
        eventually(lambda: len(_pods(namespace)) == 1, "the old Pod to go")
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert failures == []
    assert {code for code, _ in answers} == {200}
    assert {text for _, text in answers} == {"one", "two"}

    world.api.delete(f"{ingresses}/web")
    eventually(lambda: world.api.get(f"{ingresses}/web").status_code == 404, "the Ingress to go")
    assert client.get("/").status_code == 404
    client.close()


def _pods(namespace: Namespace) -> list[Any]:
    return list(namespace.world.api.get(f"{namespace.base}/pods").json()["items"])
