"""Health checks of the cluster's processes."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from pathlib import Path

_ANSWER_SECONDS = 0.8
_SHOWN = 200


def serving(
    address: str, port: int, path: str, *, authority: Path | None = None, pair: Path | None = None
) -> Callable[[], str | None]:
    """Return a check of ``path`` that returns None after status 200, else the reason.

    Args:
        address: IP address of the server.
        port: Its port.
        path: Path of the health check.
        authority: Certificate of the authority that signed the server's; plain HTTP when None.
        pair: The client's certificate and key, if the server requires them.
    """
    kept: list[ssl.SSLContext] = []

    def check() -> str | None:
        try:
            if authority is not None and not kept:
                kept.append(tls_context(authority, pair))
            return _ask(address, port, path, kept[0] if kept else None)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer on {address}:{port} ({error})"

    return check


def tls_context(authority: Path, pair: Path | None) -> ssl.SSLContext:
    """Return a client's context that trusts ``authority`` and uses the certificate in ``pair``."""
    context = ssl.create_default_context(cafile=authority)
    if pair is not None:
        context.load_cert_chain(pair)
    return context


def _ask(address: str, port: int, path: str, tls: ssl.SSLContext | None) -> str | None:
    connection = (
        http.client.HTTPConnection(address, port, timeout=_ANSWER_SECONDS)
        if tls is None
        else http.client.HTTPSConnection(address, port, timeout=_ANSWER_SECONDS, context=tls)
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(1 << 16).decode(errors="replace")
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return None
    failed = [line for line in body.splitlines() if line.startswith("[-]")]
    return f"{path} returns {answer.status}: {'; '.join(failed) or body[:_SHOWN]}"
