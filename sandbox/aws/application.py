"""The WSGI application: guards in front of moto, and the state on disk behind it."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

from moto.rds.exceptions import RDSClientError
from moto.rds.models import rds_backends

from sandbox.aws import authorization
from sandbox.aws.identity import ACCOUNT, READY_PATH, REGION, SNAPSHOT_PATH
from sandbox.aws.rds.backend import Backend
from sandbox.aws.refusal import Refusal
from sandbox.aws.request import AwsRequest
from sandbox.aws.state import State
from sandbox.aws.web_identity import WebIdentity

_log = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Application:
    """One request at a time: moto's backends are not made for several."""

    def __init__(self, moto: Wsgi, state: State, web_identity: WebIdentity) -> None:
        """Serve what moto serves.

        Args:
            moto: moto's own application.
            state: Saved before a request that changes something is answered.
            web_identity: Judges who may assume roles.
        """
        self._moto = moto
        self._state = state
        self._web_identity = web_identity
        self.ready = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        path = str(environ.get("PATH_INFO", ""))
        if path == READY_PATH:
            status = HTTPStatus.OK if self.ready else HTTPStatus.SERVICE_UNAVAILABLE
            return _json(start_response, status, {"ready": self.ready})
        if path.startswith(SNAPSHOT_PATH) and environ["REQUEST_METHOD"] == "POST":
            return self._take_snapshot(path.removeprefix(SNAPSHOT_PATH), start_response)
        return self._answer(AwsRequest.read(environ), environ, start_response)

    def _answer(
        self, request: AwsRequest, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        with self._state.lock:
            refusal = self._web_identity.judge(request) or authorization.judge(request)
            if refusal is not None:
                return _refuse(start_response, request, refusal)
            kept = _KeptAnswer()
            body = b"".join(self._moto(environ, kept))
            if request.changes_state:
                try:
                    self._state.save()
                except OSError as error:
                    return _refuse(start_response, request, _not_saved(error))
        kept.replay(start_response)
        return [body]

    def _take_snapshot(self, instance: str, start_response: Any) -> Iterable[bytes]:
        try:
            with self._state.change():
                backend = cast("Backend", rds_backends[ACCOUNT][REGION])
                pending = backend.take_automated_snapshot(instance)
            pending.job.result()
        except RDSClientError as error:
            return _json(
                start_response,
                HTTPStatus.CONFLICT,
                {
                    "why": str(error),
                    "remedy": "bring the instance up with backup_retention_period above 0,"
                    " and wait until it is available.",
                },
            )
        except OSError as error:
            return _json(
                start_response,
                HTTPStatus.INSUFFICIENT_STORAGE,
                {
                    "why": f"the copy failed: {error}",
                    "remedy": "free some disk space and run the command again.",
                },
            )
        answer = {"snapshot": pending.snapshot.db_snapshot_identifier}
        return _json(start_response, HTTPStatus.OK, answer)


class _KeptAnswer:
    """Holds status and headers back until the state is saved."""

    def __init__(self) -> None:
        self._arguments: tuple[Any, ...] = ()

    def __call__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def replay(self, start_response: Any) -> None:
        start_response(*self._arguments)


def _not_saved(error: OSError) -> Refusal:
    _log.error("state not saved: %s", error)
    why = "the disk is full" if error.errno == errno.ENOSPC else str(error)
    return Refusal("InternalFailure", f"The sandbox could not save its state: {why}", 500)


def _refuse(start_response: Any, request: AwsRequest, refusal: Refusal) -> Iterable[bytes]:
    uses_json = "HTTP_X_AMZ_TARGET" in request.headers or request.action is None
    content_type, body = refusal.as_json() if uses_json else refusal.as_xml()
    status = HTTPStatus(refusal.status)
    start_response(
        f"{status.value} {status.phrase}",
        [("Content-Type", content_type), ("x-amzn-ErrorType", refusal.code)],
    )
    return [body]


def _json(start_response: Any, status: HTTPStatus, document: dict[str, Any]) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
    return [json.dumps(document).encode()]
