"""Asks a living service whether it is what it should be, as one of its clients would."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.platform_outputs import BYPASS_HEADER

_ANSWER_SECONDS = 60.0
_TIMEOUT_SECONDS = 10.0
_SHOWN = 200


class Check(BaseModel):
    """One thing that was looked at.

    Attributes:
        what: What it is.
        wrong: What is wrong with it; empty where nothing is.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    wrong: str = ""


class SmokeReport(BaseModel):
    """What was looked at, in order.

    Attributes:
        url: The service's address.
        commit: The commit that it says it is.
        checks: Each thing with what is wrong with it.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    commit: str = ""
    checks: tuple[Check, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return bool(self.checks) and not any(check.wrong for check in self.checks)

    def failures(self) -> list[str]:
        """What is wrong, a line each."""
        return [f"{check.what}: {check.wrong}" for check in self.checks if check.wrong]

    def text(self) -> str:
        """What a person reads."""
        lines = [
            f"[red]✗ {check.what}[/]: {check.wrong}" if check.wrong else f"[green]✓[/] {check.what}"
            for check in self.checks
        ]
        return "\n".join(lines)


class _WrongError(Exception):
    """An answer that is not what it should be."""


def smoke(
    url: str,
    *,
    commit: str | None = None,
    contract: Path | None = None,
    through: str | None = None,
    bypass: str | None = None,
    wait_seconds: float = _ANSWER_SECONDS,
) -> SmokeReport:
    """Look at a service.

    Args:
        url: Its address.
        commit: The commit that must run, or its beginning; None where any will do.
        contract: The OpenAPI document that it must have; None where any will do.
        through: Where to connect instead, with the address's host name in the request: for
            names that this machine's resolver does not know.
        bypass: The value that lets a test past the sign-in, where there is one.
        wait_seconds: How long the load balancer may take to send the first request on.
    """
    headers = {"Host": httpx.URL(url).netloc.decode()}
    if bypass:
        headers[BYPASS_HEADER] = bypass
    with httpx.Client(base_url=through or url, headers=headers, timeout=_TIMEOUT_SECONDS) as client:
        return _Smoke(client, url, wait_seconds).run(commit, contract)


class _Smoke:
    def __init__(self, client: httpx.Client, url: str, wait_seconds: float) -> None:
        self._client = client
        self._url = url
        self._wait_seconds = wait_seconds
        self._commit = ""

    def run(self, commit: str | None, contract: Path | None) -> SmokeReport:
        looks: list[tuple[str, Callable[[], None]]] = [
            ("health", self._health),
            ("version", lambda: self._version(commit)),
            ("create, read, change, delete", self._round_trip),
        ]
        if contract is not None:
            looks.append(("contract", lambda: self._contract(contract)))
        checks = []
        for what, look in looks:
            checks.append(_checked(what, look))
            if checks[0].wrong:
                break  # A service that is not well would fail all else for the same reason.
        return SmokeReport(url=self._url, commit=self._commit, checks=tuple(checks))

    def _health(self) -> None:
        """The load balancer knows a new target a little later than Kubernetes does."""

        def wrong() -> str:
            try:
                answer = self._client.get("/health")
            except httpx.TransportError as error:
                return f"no answer ({error})"
            return "" if answer.is_success else _told(answer)

        until_well = Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_delay(self._wait_seconds),
            wait=wait_fixed(0.1),
        )
        try:
            until_well(wrong)
        except RetryError as error:
            last = error.last_attempt.result()
            msg = f"not well within {self._wait_seconds:g} s; last: {last}"
            raise _WrongError(msg) from error

    def _version(self, commit: str | None) -> None:
        found = str(self._ask("GET", "/version", HTTPStatus.OK).json().get("commit", ""))
        self._commit = found
        if commit and not found.startswith(commit):
            msg = f"it is {found or 'none'}, expected {commit}"
            raise _WrongError(msg)

    def _round_trip(self) -> None:
        """One customer that nobody else knows; gone again at the end, whatever happens."""
        new = {"name": "Smoke Test", "email": f"smoke-{uuid.uuid4().hex}@example.com"}
        created = self._ask("POST", "/customers", HTTPStatus.CREATED, json=new)
        path = f"/customers/{created.json()['id']}"
        etag = created.headers.get("ETag", "")
        try:
            read = self._ask("GET", path, HTTPStatus.OK).json()
            _equal("what was read", {key: read.get(key) for key in new}, new)
            changed = self._ask(
                "PATCH", path, HTTPStatus.OK, json={"name": "Smoke"}, headers={"If-Match": etag}
            )
            _equal("what was changed", changed.json().get("name"), "Smoke")
            etag = changed.headers.get("ETag", "")
        finally:
            self._ask("DELETE", path, HTTPStatus.NO_CONTENT, headers={"If-Match": etag})
        self._ask("GET", path, HTTPStatus.NOT_FOUND)

    def _contract(self, contract: Path) -> None:
        served = self._ask("GET", "/openapi.json", HTTPStatus.OK).json()
        committed = json.loads(contract.read_text())
        if served != committed:
            differing = sorted(
                key
                for part in ("paths", "components")
                for key in _differing(served.get(part, {}), committed.get(part, {}))
            )
            msg = f"it is not the committed one; differing: {', '.join(differing) or 'info'}"
            raise _WrongError(msg)

    def _ask(self, method: str, path: str, expected: HTTPStatus, **more: Any) -> httpx.Response:
        answer = self._client.request(method, path, **more)
        if answer.status_code != expected:
            msg = f"{method} {path}: expected {expected.value}, got {_told(answer)}"
            raise _WrongError(msg)
        return answer


def _checked(what: str, look: Callable[[], None]) -> Check:
    try:
        look()
    except _WrongError as error:
        return Check(what=what, wrong=str(error))
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return Check(what=what, wrong=f"no usable answer ({type(error).__name__}: {error})")
    return Check(what=what)


def _equal(what: str, found: object, expected: object) -> None:
    if found != expected:
        msg = f"{what} is {found!r}, expected {expected!r}"
        raise _WrongError(msg)


def _told(answer: httpx.Response) -> str:
    return f"{answer.status_code}: {answer.text[:_SHOWN]}"


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}
