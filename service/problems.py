"""Errors as problem details (RFC 9457).

A domain raises a :class:`Problem`; one handler turns it, and everything that the
framework or the database raises, into ``application/problem+json``. Nothing that the
client sent is echoed, so no answer leaks a value into a log or breaks its encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import BaseModel, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class InvalidPart(BaseModel):
    """An invalid part of a request.

    Attributes:
        location: Path to the part: body, query or header, then its name (``["body", "email"]``).
        message: The expected value.
        code: Stable name of the rule.
    """

    location: list[str | int]
    message: str
    code: str


class ProblemDetails(BaseModel):
    """The body of every error, as RFC 9457, section 3.1 names its members."""

    type: str = Field(description="Kind of problem, as a URI reference.")
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str | None = Field(default=None, description="The occurrence and its remedy.")
    errors: list[InvalidPart] | None = Field(
        default=None, description="The invalid parts of the request."
    )


class Problem(Exception):  # noqa: N818  (RFC 9457's own word)
    """An error with its answer.

    Subclasses set the class attributes; an instance describes one occurrence.

    Attributes:
        status: HTTP status of the answer.
        kind: Last part of the problem's ``type``, or None for ``about:blank``, which
            means that the status alone explains it (RFC 9457, section 4.2.1).
        title: The kind of problem, the same for every occurrence.
        headers: Headers that the answer carries.
        extensions: Further members of the answer, set by an instance.
    """

    status: ClassVar[HTTPStatus]
    kind: ClassVar[str | None] = None
    title: ClassVar[str | None] = None
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self, detail: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or self.title or self.status.phrase)
        self.detail = detail
        self.extensions: Mapping[str, Any] = {}
        if headers is not None:
            self.headers = headers

    def response(self) -> Response:
        """Return this problem as an answer."""
        return problem_response(
            self.status,
            kind=self.kind,
            title=self.title,
            detail=self.detail,
            extensions=self.extensions,
            headers=self.headers,
        )


def problem_response(
    status: int,
    *,
    kind: str | None = None,
    title: str | None = None,
    detail: str | None = None,
    extensions: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build an answer with ``application/problem+json``.

    Args:
        status: HTTP status.
        kind: Last part of ``type``; None for ``about:blank``.
        title: The kind of problem; the phrase of the status if None.
        detail: This occurrence.
        extensions: Further members (RFC 9457, section 3.2).
        headers: Further headers.
    """
    body: dict[str, Any] = {
        "type": "about:blank" if kind is None else f"/problems/{kind}",
        "title": title or _phrase(status),
        "status": int(status),
    }
    if detail is not None:
        body["detail"] = detail
    body.update(extensions or {})
    # ASCII escapes keep a lone surrogate in a field's name from failing the encoding.
    content = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
    return Response(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
