"""Identifiers that connect a request's log lines, its answer, and its caller's records."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Iterable

# Bounded and harmless in a line: what a client sends ends up in logs and in the answer.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# W3C Trace Context, 3.2.2: version 00 exactly, or a later one with more behind it.
_TRACEPARENT = re.compile(
    rb"(?:00|(?!ff)[0-9a-f]{2}(?=-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)))"
    rb"-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)


@dataclass(frozen=True, slots=True)
class Correlation:
    """Identifiers of a request.

    Attributes:
        request_id: ``X-Request-ID`` as it was sent, or a new one.
        trace_id: The trace it belongs to, 32 hexadecimal digits.
    """

    request_id: str
    trace_id: str


def correlate(headers: Iterable[tuple[bytes, bytes]]) -> Correlation:
    """Read a request's identifiers from its headers, or create them.

    Args:
        headers: Names in lower case, as ASGI passes them.
    """
    request_id = trace_id = None
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode("ascii")
        elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            trace_id = match[1].decode("ascii")
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        trace_id = trace.format_trace_id(span.trace_id)
    trace_id = trace_id or secrets.token_hex(16)
    return Correlation(request_id or trace_id, trace_id)
