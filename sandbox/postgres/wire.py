"""The first messages of a PostgreSQL session.

Formats: https://www.postgresql.org/docs/16/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum

_HEADER = struct.Struct("!II")
# What PostgreSQL itself takes for the longest start-up packet (pqcomm.h).
_LONGEST_STARTUP = 10_000


class Request(IntEnum):
    """Codes in the place of a protocol version."""

    CANCEL = 80877102
    TLS = 80877103
    GSSAPI = 80877104


@dataclass(frozen=True)
class Opening:
    """What a client sends first.

    Attributes:
        code: A ``Request``, or the protocol version of a start-up message.
        raw: The whole message.
    """

    code: int
    raw: bytes

    @property
    def parameters(self) -> dict[str, str]:
        """``user``, ``database`` and so on, of a start-up message."""
        texts = self.raw[_HEADER.size :].split(b"\0")
        pairs = zip(texts[::2], texts[1::2], strict=False)
        return {
            name.decode(errors="replace"): value.decode(errors="replace") for name, value in pairs
        }


async def read_opening(reader: asyncio.StreamReader) -> Opening | None:
    """The first message of a client; None when it hangs up or speaks something else."""
    try:
        header = await reader.readexactly(_HEADER.size)
        length, code = _HEADER.unpack(header)
        if not _HEADER.size <= length <= _LONGEST_STARTUP:
            return None
        return Opening(code, header + await reader.readexactly(length - _HEADER.size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def fatal(code: str, message: str) -> bytes:
    """An ErrorResponse that ends the session.

    Args:
        code: SQLSTATE, such as ``28000``.
        message: What psql shows behind ``FATAL:``.
    """
    fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": message}
    body = b"".join(kind.encode() + text.encode() + b"\0" for kind, text in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body
