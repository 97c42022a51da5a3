"""Smoke test of a running service: requests as a client would send them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.platform_outputs import BYPASS_HEADER
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from boto3.session import Session

_ANSWER_SECONDS = 60.0
_TIMEOUT_SECONDS = 10.0
_SHOWN = 200


class SmokeCheck(BaseModel):
    """Result of one check.

    Attributes:
        what: Subject of the check.
        wrong: The fault; empty where it passed.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    wrong: str = ""


class SmokeReport(BaseModel):
    """Results of a smoke test, in order.

    Attributes:
        url: The service's URL.
        commit: The commit that the service reports.
        checks: Each check.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    commit: str = ""
    checks: tuple[SmokeCheck, ...] = ()

    @property
    def passed(self) -> bool:
        """True if every check passed."""
        return bool(self.checks) and not any(check.wrong for check in self.checks)

    def failures(self) -> list[str]:
        """Return the faults, a line each."""
        return [f"{check.what}: {check.wrong}" for check in self.checks if check.wrong]

    def text(self) -> str:
        """Return the report for people."""
        lines = [
            f"[red]✗ {check.what}[/]: {check.wrong}" if check.wrong else f"[green]✓[/] {check.what}"
            for check in self.checks
        ]
        return "\n".join(lines)


class _WrongError(Exception):
    """A response that is not the expected one."""


def smoke(
    url: str,
    *,
    commit: str | None = None,
    contract: Path | None = None,
    connect_to: str | None = None,
    bypass: str | None = None,
    wait_seconds: float = _ANSWER_SECONDS,
) -> SmokeReport:
    """Test a service.

    Args:
        url: Its URL.
        commit: The commit that must run, or its beginning; None for any.
        contract: The OpenAPI document that it must serve; None for any.
        connect_to: URL to connect to instead, with the host name of `url` in the request: for
            names that this machine's resolver does not know.
        bypass: The token that lets a test past the sign-in, where there is one.
        wait_seconds: Time for the load balancer to forward the first request.
    """
    headers = {"Host": httpx.URL(url).netloc.decode()}
    if bypass:
        headers[BYPASS_HEADER] = bypass
    with httpx.Client(
        base_url=connect_to or url, headers=headers, timeout=_TIMEOUT_SECONDS
    ) as client:
        return _Smoke(client, url, wait_seconds).run(commit, contract)


def read_bypass(arn: str, *, aws: Session) -> str | None:
    """Read the token that lets a smoke test past the sign-in of previews.

    It is kept in Secrets Manager alone; roles that may deploy a preview may read it there.

    Args:
        arn: ARN of the secret; empty where the platform has none.
        aws: The AWS account.

    Raises:
        PreviewsError: The secret can't be read.
    """
    if not arn:
        return None
    try:
        answer = aws.client("secretsmanager").get_secret_value(SecretId=arn)
        return str(answer["SecretString"])
    except (BotoCoreError, ClientError, KeyError) as error:
        raise PreviewsError(
            "bypass-unreadable",
            f"secret {arn}",
            why=f"the token that lets tests past the sign-in can't be read: {error}",
            remedy="check that the secret has a value and that this role may read it, or set the"
            " token in PREVIEWS_BYPASS.",
        ) from error


class _Smoke:
    def __init__(self, client: httpx.Client, url: str, wait_seconds: float) -> None:
        self._client = client
        self._url = url
        self._wait_seconds = wait_seconds
        self._commit = ""

    def run(self, commit: str | None, contract: Path | None) -> SmokeReport:
        tests: list[tuple[str, Callable[[], None]]] = [
            ("health", self._health),
            ("version", lambda: self._version(commit)),
            ("create, read, change, delete", self._round_trip),
        ]
        if contract is not None:
            tests.append(("contract", lambda: self._contract(contract)))
        checks = []
        for what, test in tests:
            checks.append(_result(what, test))
            if checks[0].wrong:
                break  # An unhealthy service would fail all other checks for the same reason.
        return SmokeReport(url=self._url, commit=self._commit, checks=tuple(checks))

    def _health(self) -> None:
        """Retry: the load balancer registers a new target a little later than Kubernetes."""

        def wrong() -> str:
            try:
                answer = self._client.get("/health")
            except httpx.TransportError as error:
                return f"no response ({error})"
            return "" if answer.is_success else _shown(answer)

        until_healthy = Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_delay(self._wait_seconds),
            wait=wait_fixed(0.1),
        )
        try:
            until_healthy(wrong)
        except RetryError as error:
            last = error.last_attempt.result()
            msg = f"not healthy within {self._wait_seconds:g} s; last: {last}"
            raise _WrongError(msg) from error

    def _version(self, commit: str | None) -> None:
        found = str(self._ask("GET", "/version", HTTPStatus.OK).json().get("commit", ""))
        self._commit = found
        if commit and not found.startswith(commit):
            msg = f"the service reports {found or 'none'}, expected {commit}"
            raise _WrongError(msg)

    def _round_trip(self) -> None:
        """Use a customer of its own, which is deleted at the end, whatever happens."""
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
            msg = f"it differs from the committed one in: {', '.join(differing) or 'info'}"
            raise _WrongError(msg)

    def _ask(self, method: str, path: str, expected: HTTPStatus, **more: Any) -> httpx.Response:
        answer = self._client.request(method, path, **more)
        if answer.status_code != expected:
            msg = f"{method} {path}: expected {expected.value}, got {_shown(answer)}"
            raise _WrongError(msg)
        return answer


def _result(what: str, test: Callable[[], None]) -> SmokeCheck:
    try:
        test()
    except _WrongError as error:
        return SmokeCheck(what=what, wrong=str(error))
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return SmokeCheck(what=what, wrong=f"no usable response ({type(error).__name__}: {error})")
    return SmokeCheck(what=what)


def _equal(what: str, found: object, expected: object) -> None:
    if found != expected:
        msg = f"{what} is {found!r}, expected {expected!r}"
        raise _WrongError(msg)


def _shown(answer: httpx.Response) -> str:
    return f"{answer.status_code}: {answer.text[:_SHOWN]}"


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}
