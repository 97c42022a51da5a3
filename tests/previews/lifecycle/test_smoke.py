"""The smoke test passes a service that is right, and says what is wrong with any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from contract.app.model import App
from contract.app.read import read_app
from previews.lifecycle.smoke import SmokeReport, running_image
from previews.lifecycle.smoke import smoke as run_smoke
from tests.previews.memory_cluster import MemoryCluster

URL = "https://pr-42.preview.test"
COMMIT = "a" * 40


class Service:
    """A service that can be wrong in one way."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.customers: dict[str, dict[str, Any]] = {}
        self.contract: dict[str, Any] = {"paths": {"/customers": {"get": {}}}}
        self.commit = COMMIT
        self.health = [200]
        self.remembers = True
        self.hosts: set[str] = set()
        self.bypass: str | None = None
        router.route().mock(side_effect=self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.hosts.add(request.headers["Host"])
        self.bypass = request.headers.get("x-preview-bypass")
        path = request.url.path
        if path == "/health/ready":
            return httpx.Response(self.health.pop(0) if len(self.health) > 1 else self.health[0])
        if path == "/version":
            return httpx.Response(200, json={"commit": self.commit})
        if path == "/openapi.json":
            return httpx.Response(200, json=self.contract)
        return self.customer(request, path.removeprefix("/customers").strip("/"))

    def customer(self, request: httpx.Request, key: str) -> httpx.Response:  # noqa: PLR0911 - a table
        if request.method == "POST":
            made = {"id": "1", **json.loads(request.content)}
            self.customers["1"] = made
            return httpx.Response(201, json=made, headers={"ETag": '"1"'})
        if key not in self.customers:
            return httpx.Response(404)
        if request.method == "GET":
            return httpx.Response(200, json=self.customers[key])
        if request.method == "PATCH":
            if request.headers["If-Match"] != '"1"':
                return httpx.Response(412)
            if self.remembers:
                self.customers[key] |= json.loads(request.content)
            return httpx.Response(200, json=self.customers[key], headers={"ETag": '"2"'})
        if request.headers["If-Match"] not in {'"1"', '"2"'}:
            return httpx.Response(412)
        del self.customers[key]
        return httpx.Response(204)


@pytest.fixture
def service() -> Iterator[Service]:
    with respx.mock(assert_all_called=False) as router:
        yield Service(router)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The app's files."""
    (tmp_path / "openapi.json").write_text(json.dumps({"paths": {"/customers": {"get": {}}}}))
    return tmp_path


SAMPLE = read_app(Path(__file__).resolve().parents[3])


def smoke(url: str, app: App = SAMPLE, **options: Any) -> SmokeReport:
    return run_smoke(url, app, **options)


def app(*requests: dict[str, Any], **keys: Any) -> App:
    health = {"health": {"live": "/health/live", "ready": "/health/ready"}}
    return App.model_validate({"service": health, "smoke": requests, **keys})


def test_all_is_well(service: Service, folder: Path) -> None:
    report = smoke(URL, folder=folder, commit=COMMIT[:12])
    assert report.passed, report
    assert [check.what for check in report.checks] == [
        "health",
        "version",
        "OpenAPI document",
        "POST /customers",
        "GET /customers/{id}",
        "PATCH /customers/{id}",
        "DELETE /customers/{id}",
        "GET /customers/{id}",
    ]
    assert report.commit == COMMIT
    assert service.customers == {}, "nothing of it stays"


def test_an_app_that_describes_no_requests_is_healthy_or_not(
    service: Service, folder: Path
) -> None:
    report = smoke(URL, app(), folder=folder, commit=COMMIT)
    assert report.passed
    assert [check.what for check in report.checks] == ["health"]


def test_it_waits_for_the_load_balancer_to_know_the_service(service: Service, folder: Path) -> None:
    service.health = [503, 404, 200]
    assert smoke(URL, folder=folder).passed


def test_a_redirect_is_healthy_as_it_is_for_kubernetes(service: Service, folder: Path) -> None:
    service.health = [307]
    assert smoke(URL, folder=folder).passed


def test_a_service_that_is_not_well_is_asked_nothing_else(service: Service, folder: Path) -> None:
    service.health = [503]
    report = smoke(URL, folder=folder, wait_seconds=0)
    assert not report.passed
    assert [check.what for check in report.checks] == ["health"]
    assert "503" in report.failures()[0]


def test_another_commit_is_told(service: Service, folder: Path) -> None:
    service.commit = "b" * 40
    [failure] = smoke(URL, folder=folder, commit=COMMIT).failures()
    assert failure == f"version: the service reports {'b' * 40}, expected {COMMIT}"


def test_a_change_that_is_not_kept_is_told(service: Service, folder: Path) -> None:
    service.remembers = False
    [failure] = smoke(URL, folder=folder).failures()
    assert failure == ("PATCH /customers/{id}: the response.name is 'Smoke Test', expected 'Smoke'")


def test_another_openapi_document_is_told_by_what_differs(service: Service, folder: Path) -> None:
    service.contract = {"paths": {"/customers": {}, "/new": {}}}
    [failure] = smoke(URL, folder=folder).failures()
    assert "/customers, /new" in failure


def test_a_document_that_the_app_does_not_have_is_told(service: Service, tmp_path: Path) -> None:
    [failure] = smoke(URL, folder=tmp_path).failures()
    assert "openapi.json" in failure


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"request": "GET /customers/7"}, "GET /customers/7: expected 200, got 404: "),
        ({"request": "POST /customers", "json": {}, "status": 201, "expect": {"a": 1}}, "no a"),
        (
            {"request": "POST /customers", "json": {"a": [1, 2]}, "status": 201}
            | {"expect": {"a": [1]}},
            "the response.a is [1, 2], expected [1]",
        ),
        (
            {"request": "POST /customers", "json": {"a": [{"b": 1}]}, "status": 201}
            | {"expect": {"a": [{"b": 2}]}},
            "the response.a.0.b is 1, expected 2",
        ),
        (
            {"request": "POST /customers", "json": {}, "status": 201, "save": {"x": "a.0.b"}},
            "the response has no a.0.b",
        ),
        (
            {"request": "POST /customers", "json": {}, "status": 201, "save": {"x": "header:X"}},
            "the response has no header X",
        ),
        ({"request": "DELETE /version", "expect": {"a": 1}}, "DELETE /version: the response"),
    ],
)
def test_a_response_that_is_not_the_expected_one_is_told(
    service: Service, folder: Path, request_: dict[str, Any], complaint: str
) -> None:
    [failure] = smoke(URL, app(request_), folder=folder).failures()
    assert complaint in failure


def test_a_value_of_a_response_goes_on_to_the_next_request(service: Service, folder: Path) -> None:
    described = app(
        {
            "request": "POST /customers",
            "json": {"items": [{"key": "{unique}", "other": "{untouched}"}]},
            "status": 201,
            "save": {"key": "items.0.key", "etag": "header:ETag", "id": "id"},
        },
        {
            "request": "GET /customers/{id}",
            "headers": {"X-Tag": "{etag}"},
            "expect": {"items": [{"key": "{key}", "other": "{untouched}"}]},
        },
    )
    assert smoke(URL, described, folder=folder).passed
    assert len(service.customers["1"]["items"][0]["key"]) == 32


def test_a_form_is_sent_as_one(folder: Path) -> None:
    described = app({"request": "POST /login", "form": {"username": "{unique}@x.org", "n": 1}})
    with respx.mock() as router:
        router.get("/health/ready").respond(200)
        login = router.post("/login").respond(200)
        assert smoke(URL, described, folder=folder).passed
    sent = login.calls.last.request
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert sent.content.endswith(b"%40x.org&n=1")


def test_no_answer_at_all_is_told(folder: Path) -> None:
    with respx.mock(assert_all_called=False) as router:
        router.route().mock(side_effect=httpx.ConnectError("no route"))
        [failure] = smoke(URL, folder=folder, wait_seconds=0).failures()
    assert "no response (no route)" in failure


def test_it_connects_elsewhere_with_the_address_s_own_name(service: Service, folder: Path) -> None:
    assert smoke(
        "http://pr-42.localhost:8080",
        folder=folder,
        connect_to="http://127.0.0.1:9",
        bypass="let me",
    ).passed
    assert service.hosts == {"pr-42.localhost:8080"}
    assert service.bypass == "let me"


def test_the_command_line_ends_with_1_and_names_the_check(service: Service, previews: Any) -> None:
    service.commit = "b" * 40
    code, _, complaints = previews("smoke", URL, "--commit", COMMIT)
    assert code == 1
    assert "smoke-failed" in complaints


IMAGE = "registry.test/previews@sha256:" + "1" * 64
OTHER = "registry.test/previews@sha256:" + "2" * 64


def pods(*images: str, declared: str = IMAGE, **metadata: Any) -> MemoryCluster:
    cluster = MemoryCluster()
    labels = {"app.kubernetes.io/name": "service"}

    def spec(image: str) -> dict[str, Any]:
        sidecar = {"name": "injected", "image": "mesh@sha256:3"}
        return {"containers": [{"name": "service", "image": image}, sidecar]}

    template = {"template": {"spec": spec(declared)}}
    cluster.add("deployments.v1.apps", "service", "pr-42", spec=template)
    for number, image in enumerate(images):
        about = {"labels": labels, **metadata}
        cluster.add("pods", f"service-{number}", "pr-42", metadata=about, spec=spec(image))
    other = {"labels": {"app.kubernetes.io/name": "migrate"}}
    cluster.add("pods", "migrate-1", "pr-42", metadata=other, spec=spec(OTHER))
    return cluster


@pytest.mark.parametrize(
    ("cluster", "wrong"),
    [
        (pods(IMAGE, IMAGE), ""),
        (pods(IMAGE, declared=OTHER), f"has {OTHER}, expected {IMAGE}"),
        (pods(IMAGE, OTHER), f"pod service-1 runs {OTHER}; expected {IMAGE}"),
        (pods(), "has no pod"),
        (pods(OTHER, deletionTimestamp="2030-01-31T12:00:00Z"), "has no pod"),
        (MemoryCluster(), "there is no Deployment service"),
    ],
)
def test_the_image_that_runs_is_the_one_that_was_deployed(
    cluster: MemoryCluster, wrong: str
) -> None:
    found = running_image(cluster, "pr-42", IMAGE)
    assert wrong in found
    assert bool(found) is bool(wrong)


def test_a_pod_of_the_version_before_may_end_after_the_rollout(service: Service) -> None:
    del service
    found = [f"pod service-0 runs {OTHER}", ""]
    report = run_smoke(
        URL,
        App.model_validate({"service": {"health": "/health/ready"}}),
        folder=Path(),
        running=lambda: found.pop(0),
    )
    assert report.passed
    assert found == []


def test_the_running_image_is_a_check_of_every_app(service: Service) -> None:
    del service

    def checked(cluster: MemoryCluster) -> SmokeReport:
        return run_smoke(
            URL,
            App.model_validate({"service": {"health": "/health/ready"}}),
            folder=Path(),
            running=lambda: running_image(cluster, "pr-42", IMAGE),
            wait_seconds=0.1,
        )

    good = checked(pods(IMAGE))
    assert [check.what for check in good.checks] == ["health", "running image"]
    assert good.passed
    assert checked(pods(OTHER)).failures() == [
        f"running image: pod service-0 runs {OTHER}; expected {IMAGE}"
    ]
    assert "the cluster could not be read" in checked(MemoryCluster(answers=False)).failures()[0]


def test_a_value_of_a_response_that_fits_no_address_is_told(service: Service, folder: Path) -> None:
    """An answer is the app's, and so anybody's: it crashed the whole deployment."""
    described = app(
        {
            "request": "POST /customers",
            "json": {"id": "a\x01b"},
            "status": 201,
            "save": {"id": "id"},
        },
        {"request": "GET /customers/{id}"},
    )
    [failure] = smoke(URL, described, folder=folder).failures()
    assert failure.startswith("GET /customers/{id}: it can't be run (InvalidURL: ")


def test_whatever_a_check_raises_is_its_failure(service: Service, folder: Path) -> None:
    def broken() -> str:
        raise RecursionError

    report = smoke(URL, app({"request": "GET /customers/1"}), folder=folder, running=broken)
    assert report.failures() == ["running image: it can't be run (RecursionError)"]
    assert [check.what for check in report.checks] == ["health", "running image"]


SIGN_IN = (
    "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/authorize"
    "?client_id=c&redirect_uri=https%3A%2F%2Fpr-42.preview.test%2Foauth2%2Fidpresponse"
)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (httpx.Response(302, headers={"Location": SIGN_IN}), ""),
        (httpx.Response(401, headers={"Server": "awselb/2.0"}), ""),
        (httpx.Response(401), "expected to be turned away, got 401"),
        (httpx.Response(200, text="Welcome"), "expected to be turned away, got 200: Welcome"),
        (httpx.Response(302, headers={"Location": "/login"}), "turned away, got 302"),
        (
            httpx.Response(302, headers={"Location": "https://own.test/oauth2/authorize"}),
            "turned away, got 302",
        ),
    ],
)
def test_somebody_who_has_not_signed_in_must_be_turned_away(
    answer: httpx.Response, wrong: str, folder: Path
) -> None:
    """A controller that ignores the condition on the header would let everybody in."""
    unsigned: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200)
        if "x-preview-bypass" in request.headers:
            return httpx.Response(200)
        unsigned.append(request)
        return answer

    with respx.mock(assert_all_called=False) as router:
        router.route().mock(side_effect=respond)
        tested = App.model_validate(
            {"service": {"health": "/health"}, "smoke": [{"request": "GET /items"}]}
        )
        report = run_smoke(URL, tested, folder=folder, bypass="t" * 40, signed_in=True)
    assert [request.url.path for request in unsigned] == ["/"]
    assert (report.failures() == []) if not wrong else wrong in report.failures()[0]
