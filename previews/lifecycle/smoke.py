"""Smoke test of a running app: the requests of its ``preview.yaml``, as a client sends them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.kubernetes import NAME_LABEL, SERVICE
from contract.platform_outputs import BYPASS_HEADER
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from boto3.session import Session

    from contract.app.model import App
    from contract.app.smoke import OpenApi, Request
    from previews.kubernetes import Cluster

_ANSWER_SECONDS = 60.0
_TIMEOUT_SECONDS = 10.0
_SHOWN = 200
_VALUE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_HEADER = "header:"


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
    app: App,
    *,
    folder: Path,
    commit: str | None = None,
    connect_to: str | None = None,
    bypass: str | None = None,
    wait_seconds: float = _ANSWER_SECONDS,
    running: Callable[[], str] | None = None,
    through: httpx.BaseTransport | None = None,
    signed_in: bool = False,
) -> SmokeReport:
    """Test an app: its health, its image, then the requests of its description.

    Args:
        url: Its URL.
        app: Its description.
        folder: Folder of its files, with the OpenAPI document that it must serve.
        commit: The commit that must run, or its beginning; None for any.
        connect_to: URL to connect to instead, with the host name of `url` in the request: for
            names that this machine's resolver does not know.
        bypass: The token that lets a test past the sign-in, where there is one.
        wait_seconds: Time for the load balancer to forward the first request.
        running: Returns what is wrong with the image that runs, empty for nothing; None where the
            cluster is not to be asked.
        through: Transport past the load balancer; None to send the requests to the URL.
        signed_in: True if the load balancer requires people to sign in, which is tested, too.
    """
    headers = {"Host": httpx.URL(url).netloc.decode()}
    if bypass:
        headers[BYPASS_HEADER] = bypass
    with httpx.Client(
        base_url=connect_to or url, headers=headers, timeout=_TIMEOUT_SECONDS, transport=through
    ) as client:
        closed = signed_in and through is None
        return _Smoke(client, url, app, folder, wait_seconds, running, closed).run(commit)


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
    def __init__(
        self,
        client: httpx.Client,
        url: str,
        app: App,
        folder: Path,
        wait_seconds: float,
        running: Callable[[], str] | None,
        closed: bool,
    ) -> None:
        self._client = client
        self._url = url
        self._app = app
        self._folder = folder
        self._wait_seconds = wait_seconds
        self._running = running
        self._closed = closed
        self._commit = ""
        self._values = {"unique": uuid.uuid4().hex}

    def run(self, commit: str | None) -> SmokeReport:
        """Run the checks up to the first that fails: later ones would fail because of it."""
        checks: list[SmokeCheck] = []
        for what, test in self._tests(commit):
            checks.append(_result(what, test))
            if checks[-1].wrong:
                break
        return SmokeReport(url=self._url, commit=self._commit, checks=tuple(checks))

    def _tests(self, commit: str | None) -> Iterator[tuple[str, Callable[[], None]]]:
        app = self._app
        yield "health", self._health
        if self._closed:
            yield "sign-in", self._turned_away
        if self._running is not None:
            yield "running image", partial(self._image, self._running)
        if app.version is not None:
            path = app.version
            yield "version", lambda: self._version(path, commit)
        if app.openapi is not None:
            document = app.openapi
            yield "OpenAPI document", lambda: self._contract(document)
        for request in app.smoke:
            yield request.request, partial(self._request, request)

    def _health(self) -> None:
        """Retry: the load balancer registers a new target a little later than Kubernetes."""

        def wrong() -> str:
            try:
                answer = self._client.get(self._app.service.health.ready)
            except httpx.TransportError as error:
                return f"no response ({error})"
            # As Kubernetes judges it.
            return "" if answer.is_success or answer.is_redirect else _shown(answer)

        last = self._last(wrong)
        if last:
            msg = f"not healthy within {self._wait_seconds:g} s; last: {last}"
            raise _WrongError(msg)

    def _turned_away(self) -> None:
        """Ask for each start page as somebody who has neither signed in nor the token."""
        app = self._app
        for path in dict.fromkeys((app.service.path, *(web.path for web in app.web.values()))):
            request = self._client.build_request("GET", path)
            request.headers.pop(BYPASS_HEADER, None)
            answer = self._client.send(request)
            if not _is_sign_in(answer):
                msg = (
                    f"GET {path} without signing in and without {BYPASS_HEADER}: expected to be"
                    f" turned away, got {_shown(answer)}"
                )
                raise _WrongError(msg)

    def _image(self, running: Callable[[], str]) -> None:
        """Retry: a pod of the version before is deleted a little later than the rollout ends."""
        try:
            last = self._last(running)
        except PreviewsError as error:
            msg = f"the cluster could not be read: {error.why}"
            raise _WrongError(msg) from error
        if last:
            raise _WrongError(last)

    def _last(self, wrong: Callable[[], str]) -> str:
        """Call a function until it finds nothing wrong; return what it found last."""
        until_right = Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_delay(self._wait_seconds),
            wait=wait_fixed(0.1),
        )
        try:
            return until_right(wrong)
        except RetryError as error:
            return str(error.last_attempt.result())

    def _version(self, path: str, commit: str | None) -> None:
        found = str(self._ask("GET", path, HTTPStatus.OK).json().get("commit", ""))
        self._commit = found
        if commit and not found.startswith(commit):
            msg = f"the service reports {found or 'none'}, expected {commit}"
            raise _WrongError(msg)

    def _request(self, request: Request) -> None:
        form = request.form
        answer = self._ask(
            request.method,
            _filled(request.path, self._values),
            request.status,
            headers=_filled(request.headers, self._values),
            json=_filled(request.json_body, self._values),
            data=None if form is None else _filled(form, self._values),
        )
        if request.expect is not None:
            _contains(answer.json(), _filled(request.expect, self._values), "the response")
        for name, path in request.save.items():
            self._values[name] = str(_found(answer, path))

    def _contract(self, document: OpenApi) -> None:
        served = self._ask("GET", document.path, HTTPStatus.OK).json()
        committed = json.loads((self._folder / document.file).read_text())
        if served != committed:
            differing = sorted(
                key
                for part in ("paths", "components")
                for key in _differing(served.get(part, {}), committed.get(part, {}))
            )
            msg = f"it differs from {document.file} in: {', '.join(differing) or 'info'}"
            raise _WrongError(msg)

    def _ask(self, method: str, path: str, expected: int, **more: Any) -> httpx.Response:
        answer = self._client.request(method, path, **more)
        if answer.status_code != expected:
            msg = f"{method} {path}: expected {int(expected)}, got {_shown(answer)}"
            raise _WrongError(msg)
        return answer


def running_image(cluster: Cluster, namespace: str, image: str) -> str:
    """Return what is wrong with the image of the app's pods; empty for nothing.

    Args:
        cluster: The cluster.
        namespace: The app's namespace.
        image: Image that was deployed, by digest.
    """
    service = cluster.find("deployments.v1.apps", SERVICE, namespace=namespace)
    if service is None:
        return f"there is no Deployment {SERVICE}"
    declared = _images(service.raw["spec"]["template"])
    if declared != {image}:
        return f"Deployment {SERVICE} has {', '.join(sorted(declared))}, expected {image}"
    pods = [
        pod
        for pod in cluster.each("pods", namespace=namespace)
        if pod.labels.get(NAME_LABEL) == SERVICE and "deletionTimestamp" not in pod.metadata
    ]
    if not pods:
        return f"Deployment {SERVICE} has no pod"
    others = {pod.name: _images(pod.raw) - {image} for pod in pods}
    wrong = [
        f"pod {name} runs {', '.join(sorted(other))}" for name, other in others.items() if other
    ]
    return "; ".join([*wrong, f"expected {image}"]) if wrong else ""


def _images(pod: dict[str, Any]) -> set[str]:
    """Return the images of a pod, or of a template, without those of injected containers."""
    containers = pod["spec"]["containers"]
    return {str(one["image"]) for one in containers if one["name"] == SERVICE}


def _filled(value: Any, values: dict[str, str]) -> Any:
    """Replace ``{name}`` in all texts of a JSON value; braces around other words stay."""
    match value:
        case str():
            return _VALUE.sub(lambda match: values.get(match[1], match[0]), value)
        case dict():
            return {key: _filled(one, values) for key, one in value.items()}
        case list():
            return [_filled(one, values) for one in value]
        case _:
            return value


def _contains(found: Any, expected: Any, where: str) -> None:
    """Require that a JSON value has at least the expected keys, and otherwise is equal."""
    match expected, found:
        case dict(), dict():
            for key, one in expected.items():
                if key not in found:
                    msg = f"{where} has no {key}"
                    raise _WrongError(msg)
                _contains(found[key], one, f"{where}.{key}")
        case list(), list() if len(expected) == len(found):
            for number, one in enumerate(expected):
                _contains(found[number], one, f"{where}.{number}")
        case _ if found != expected:
            msg = f"{where} is {found!r:.{_SHOWN}}, expected {expected!r:.{_SHOWN}}"
            raise _WrongError(msg)


def _found(answer: httpx.Response, path: str) -> Any:
    """Return the value at a path, such as ``items.0.id`` or ``header:ETag``."""
    if path.startswith(_HEADER):
        name = path.removeprefix(_HEADER)
        if name not in answer.headers:
            msg = f"the response has no header {name}"
            raise _WrongError(msg)
        return answer.headers[name]
    value = answer.json()
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            msg = f"the response has no {path}"
            raise _WrongError(msg) from error
    return value


def _result(what: str, test: Callable[[], None]) -> SmokeCheck:
    try:
        test()
    except _WrongError as error:
        return SmokeCheck(what=what, wrong=str(error))
    except (httpx.HTTPError, OSError, ValueError, AttributeError) as error:
        return SmokeCheck(what=what, wrong=f"no usable response ({type(error).__name__}: {error})")
    except Exception as error:  # noqa: BLE001 - a check is of an app's own values and responses
        text = ": ".join(filter(None, [type(error).__name__, str(error)]))
        return SmokeCheck(what=what, wrong=f"it can't be run ({text})")
    return SmokeCheck(what=what)


def _is_sign_in(answer: httpx.Response) -> bool:
    """Return True for the load balancer's own refusal, and not for one of the app's."""
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return str(answer.headers.get("server", "")).startswith("awselb")
    to = httpx.URL(answer.headers.get("location", "")) if answer.is_redirect else httpx.URL("")
    return to.path.endswith("/oauth2/authorize") and to.params.get("redirect_uri", "").endswith(
        "/oauth2/idpresponse"
    )


def _shown(answer: httpx.Response) -> str:
    return f"{answer.status_code}: {answer.text[:_SHOWN]}"


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}
