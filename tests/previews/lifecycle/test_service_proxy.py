"""A smoke test through the cluster's API reaches the app as one through the load balancer does."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster as ServerAddress
from lightkube.config.models import Context, User

from contract.app.model import App
from previews.clients import Clients
from previews.kubeconfig import ClusterContext
from previews.kubernetes import Cluster, _Client
from previews.lifecycle.service_proxy import ServiceProxy, service_of
from previews.lifecycle.smoke import SmokeReport, smoke
from previews.settings import Settings

URL = "https://pr-42.preview.test"
APP = App.model_validate(
    {
        "service": {"health": "/health"},
        "web": {"admin": {"path": "/admin", "image": {}}},
        "smoke": [
            {"request": "POST /items?q=a%20b", "json": {"a": 1}, "status": 201},
            {"request": "GET /admin/users"},
        ],
    }
)


class Server(Cluster):
    """A cluster whose API server answers for its services."""

    def __init__(self, *answers: httpx2.Response) -> None:
        super().__init__("lab")
        self.answers = [*answers]
        self.asked: list[httpx2.Request] = []

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self.answers.pop(0)

    @property
    def _client(self) -> _Client:  # type: ignore[override]
        address = ServerAddress(server="https://lab.eks.test")
        config = SingleConfig("lab", Context(cluster="lab"), address, User(token="mine"))
        return _Client(
            ClusterContext(config), transport=httpx2.MockTransport(self._answer), pause=0
        )


def run(server: Server, app: App = APP) -> SmokeReport:
    through = ServiceProxy(server, "pr-42", app)
    return smoke(URL, app, folder=Path(), through=through, signed_in=True, wait_seconds=0)


def test_each_request_goes_to_the_service_of_its_path() -> None:
    server = Server(*(httpx2.Response(status, json={}) for status in (200, 201, 200)))
    report = run(server)
    assert report.failures() == []
    # The sign-in is the load balancer's, which these requests don't pass.
    assert "sign-in" not in [check.what for check in report.checks]
    base = "/api/v1/namespaces/pr-42/services"
    assert [(one.method, one.url.raw_path.decode()) for one in server.asked] == [
        ("GET", f"{base}/service:http/proxy/health"),
        ("POST", f"{base}/service:http/proxy/items?q=a%20b"),
        ("GET", f"{base}/web-admin:http/proxy/admin/users"),
    ]
    assert {one.headers["host"] for one in server.asked} == {"pr-42.preview.test"}
    assert json.loads(server.asked[1].content) == {"a": 1}


def test_a_response_of_the_app_is_the_app_s_own() -> None:
    report = run(Server(httpx2.Response(200), httpx2.Response(403, text="not you")))
    assert report.failures() == [
        "POST /items?q=a%20b: POST /items?q=a%20b: expected 201, got 403: not you"
    ]


def test_a_role_that_may_not_ask_services_is_named() -> None:
    refusal = {"kind": "Status", "apiVersion": "v1", "message": 'cannot get "services/proxy"'}
    report = run(Server(httpx2.Response(403, json=refusal)))
    (failure,) = report.failures()
    assert "it may not be asked through the API" in failure
    assert "services/proxy" in failure


def test_credentials_of_a_request_would_be_taken_for_the_cluster_s() -> None:
    request = {"request": "GET /me", "headers": {"Authorization": "Bearer x"}}
    app = App.model_validate({"service": {"health": "/health"}, "smoke": [request]})
    server = Server(httpx2.Response(200))
    (failure,) = run(server, app).failures()
    assert "Authorization can't be sent through the cluster" in failure
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "service"),
        ("/admin", "web-admin"),
        ("/admin/", "web-admin"),
        ("/administer", "service"),
    ],
)
def test_a_path_is_served_by_the_longest_prefix(path: str, service: str) -> None:
    assert service_of(APP, path) == service


def test_the_setting_chooses_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREVIEWS_SMOKE", "")
    assert Clients(Settings.read()).smoke_through("pr-42") is None
    monkeypatch.setenv("PREVIEWS_SMOKE", "cluster")
    clients = Clients(Settings.read())
    vars(clients).update(cluster=Server(), app=APP)
    assert isinstance(clients.smoke_through("pr-42"), ServiceProxy)
