"""WSGI application: moto, with its state on disk, and the sandbox's own calls."""

from __future__ import annotations

import errno
import io
import json
import logging
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

from moto.rds.exceptions import RDSClientError
from moto.rds.models import rds_backends

from sandbox.aws.identity import ACCOUNT, READY_PATH, REGION, SNAPSHOT_PATH
from sandbox.aws.rds.backend import DatabaseBackend
from sandbox.aws.state import AccountState

_log = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

_READS = re.compile(r"Describe|List|Get|BatchGet|BatchCheck|Head|Lookup|Filter|Simulate")
_REST_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Named like reads, but they change the account.
_WRITES = frozenset({"GetSessionToken", "GetFederationToken"})
_FORM_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")


class Application:
    """Serves one request at a time, since moto's backends are not thread-safe."""

    def __init__(self, moto: Wsgi, state: AccountState) -> None:
        """Serve moto's APIs.

        Args:
            moto: Application of moto.
            state: State, saved before the response to a request that changes it.
        """
        self._moto = moto
        self._state = state
        self.ready = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        path = str(environ.get("PATH_INFO", ""))
        if path == READY_PATH:
            status = HTTPStatus.OK if self.ready else HTTPStatus.SERVICE_UNAVAILABLE
            return _json(start_response, status, {"ready": self.ready})
        if path.startswith(SNAPSHOT_PATH) and environ["REQUEST_METHOD"] == "POST":
            return self._take_snapshot(path.removeprefix(SNAPSHOT_PATH), start_response)
        # Delayed until the state is saved.
        kept: list[tuple[Any, ...]] = []
        with self._state.lock:
            changes = changes_state(environ)
            body = b"".join(self._moto(environ, lambda *arguments: kept.append(arguments)))
            if changes:
                try:
                    self._state.save()
                except OSError as error:
                    return _not_saved(start_response, error)
        start_response(*kept[-1])
        return [body]

    def _take_snapshot(self, instance: str, start_response: Any) -> Iterable[bytes]:
        try:
            with self._state.change():
                backend = cast("DatabaseBackend", rds_backends[ACCOUNT][REGION])
                snapshot, copying = backend.take_automated_snapshot(instance)
            copying.result()
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
        answer = {"snapshot": snapshot.db_snapshot_identifier}
        return _json(start_response, HTTPStatus.OK, answer)


def changes_state(environ: dict[str, Any]) -> bool:
    """Return True if a request may change the account; its body stays readable."""
    body = _body(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    if target := environ.get("HTTP_X_AMZ_TARGET"):  # The JSON protocol.
        action = str(target).rpartition(".")[2]
    elif environ["REQUEST_METHOD"] == "POST" and (named := _FORM_ACTION.search(body)):
        action = named[1].decode()  # The query protocol; an object that is put may look like it.
    else:  # REST.
        return environ["REQUEST_METHOD"] not in _REST_READS
    return action in _WRITES or not _READS.match(action)


def _body(environ: dict[str, Any]) -> bytes:
    """Read a request's body, whose length is unknown where an app streams an object."""
    if str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower() == "chunked":
        body: bytes = environ["wsgi.input"].read()
        del environ["HTTP_TRANSFER_ENCODING"]
        environ["CONTENT_LENGTH"] = str(len(body))
        return body
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return environ["wsgi.input"].read(length) if length else b""


def _not_saved(start_response: Any, error: OSError) -> Iterable[bytes]:
    _log.error("state not saved: %s", error)
    why = "the disk is full" if error.errno == errno.ENOSPC else str(error)
    message = f"The sandbox could not save its state: {why}"
    return _json(start_response, HTTPStatus.INTERNAL_SERVER_ERROR, {"message": message})


def _json(start_response: Any, status: HTTPStatus, document: dict[str, Any]) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
    return [json.dumps(document).encode()]
