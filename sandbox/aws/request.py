"""An AWS request as it arrives, as far as it must be understood before moto sees it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_READS = (
    "Describe",
    "List",
    "Get",
    "BatchGet",
    "BatchCheck",
    "Head",
    "Lookup",
    "Filter",
    "Simulate",
)
_REST_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Reads by their name that change the account.
_WRITES = frozenset({"GetSessionToken", "GetFederationToken"})


@dataclass(frozen=True)
class AwsRequest:
    """One request.

    Attributes:
        method: HTTP method.
        path: Path of its URL.
        headers: In WSGI's form (``HTTP_AUTHORIZATION``).
        body: Its whole body.
    """

    method: str
    path: str
    headers: dict[str, Any]
    body: bytes

    @classmethod
    def read(cls, environ: dict[str, Any]) -> AwsRequest:
        """Read the request and leave its body to be read again."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        return cls(environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/"), environ, body)

    @cached_property
    def form(self) -> dict[str, str]:
        """Parameters of the query protocol."""
        if not str(self.headers.get("CONTENT_TYPE", "")).startswith(
            "application/x-www-form-urlencoded"
        ):
            return {}
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @cached_property
    def document(self) -> dict[str, Any]:
        """Parameters of the JSON protocol."""
        try:
            document = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def action(self) -> str | None:
        """``CreateDBInstance``; None for REST protocols, which have method and path."""
        target = self.headers.get("HTTP_X_AMZ_TARGET")
        return str(target).rpartition(".")[2] if target else self.form.get("Action")

    @property
    def service(self) -> str | None:
        """The service it is signed for."""
        return self._credential(3)

    @property
    def access_key(self) -> str | None:
        """Who signed it."""
        return self._credential(1)

    def _credential(self, group: int) -> str | None:
        found = _CREDENTIAL.search(str(self.headers.get("HTTP_AUTHORIZATION", "")))
        return found.group(group) if found else None

    @property
    def changes_state(self) -> bool:
        """Whether it may change what the account holds."""
        if self.action is None:
            return self.method not in _REST_READS
        return self.action in _WRITES or not self.action.startswith(_READS)
