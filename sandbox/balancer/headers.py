"""Headers on their way through: what an ALB takes out, and what it adds.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
"""

from __future__ import annotations

import secrets
import time

from multidict import CIMultiDict, CIMultiDictProxy

# RFC 9110, 7.6.1: they are about one connection, not about the message.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_WEBSOCKET = frozenset(
    {
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
    }
)


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers without those of the connection, every value of a name kept."""
    named = {
        name.strip().lower()
        for value in headers.getall("Connection", ())
        for name in value.split(",")
    }
    left_out = _HOP_BY_HOP | named
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in left_out
    )


def to_target(headers: CIMultiDictProxy[str], *, client: str, port: int) -> CIMultiDict[str]:
    """A request's headers as the target gets them.

    Args:
        headers: As the client sent them.
        client: The client's address.
        port: The listener's.
    """
    sent = end_to_end(headers)
    sent.popall("Expect", None)  # It has been answered here.
    before = ", ".join(sent.popall("X-Forwarded-For", ()))
    # Appended, so that the last entry is always what the load balancer saw itself.
    sent["X-Forwarded-For"] = f"{before}, {client}" if before else client
    sent["X-Forwarded-Proto"] = "http"
    sent["X-Forwarded-Port"] = str(port)
    if "X-Amzn-Trace-Id" not in sent:
        sent["X-Amzn-Trace-Id"] = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return sent


def without_websocket(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """Headers for a handshake that the client library makes itself."""
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _WEBSOCKET
    )
