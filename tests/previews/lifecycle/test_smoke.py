"""The smoke test passes a service that is right, and says what is wrong with any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from previews.lifecycle.smoke import smoke

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
        if path == "/health":
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
def contract(tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps({"paths": {"/customers": {"get": {}}}}))
    return file


def test_all_is_well(service: Service, contract: Path) -> None:
    report = smoke(URL, commit=COMMIT[:12], contract=contract)
    assert report.passed
    assert [check.what for check in report.checks] == [
        *("health", "version", "create, read, change, delete", "contract"),
    ]
    assert report.commit == COMMIT
    assert service.customers == {}, "nothing of it stays"


def test_it_waits_for_the_load_balancer_to_know_the_service(service: Service) -> None:
    service.health = [503, 404, 200]
    assert smoke(URL).passed


def test_a_service_that_is_not_well_is_asked_nothing_else(service: Service) -> None:
    service.health = [503]
    report = smoke(URL, wait_seconds=0)
    assert not report.passed
    assert [check.what for check in report.checks] == ["health"]
    assert "503" in report.failures()[0]


def test_another_commit_is_told(service: Service) -> None:
    service.commit = "b" * 40
    [failure] = smoke(URL, commit=COMMIT).failures()
    assert failure == f"version: the service reports {'b' * 40}, expected {COMMIT}"


def test_a_change_that_is_not_kept_is_told_and_cleaned_up(service: Service) -> None:
    service.remembers = False
    [failure] = smoke(URL).failures()
    assert "what was changed is 'Smoke Test', expected 'Smoke'" in failure
    assert service.customers == {}


def test_another_contract_is_told_by_what_differs(service: Service, contract: Path) -> None:
    service.contract = {"paths": {"/customers": {}, "/new": {}}}
    [failure] = smoke(URL, contract=contract).failures()
    assert "/customers, /new" in failure


def test_no_answer_at_all_is_told() -> None:
    with respx.mock(assert_all_called=False) as router:
        router.route().mock(side_effect=httpx.ConnectError("no route"))
        [failure] = smoke(URL, wait_seconds=0).failures()
    assert "no response (no route)" in failure


def test_it_connects_elsewhere_with_the_address_s_own_name(service: Service) -> None:
    assert smoke(
        "http://pr-42.localhost:8080", connect_to="http://127.0.0.1:9", bypass="let me"
    ).passed
    assert service.hosts == {"pr-42.localhost:8080"}
    assert service.bypass == "let me"


def test_the_command_line_ends_with_1_and_names_the_check(service: Service, previews: Any) -> None:
    service.commit = "b" * 40
    code, _, complaints = previews("smoke", URL, "--commit", COMMIT)
    assert code == 1
    assert "smoke-failed" in complaints
