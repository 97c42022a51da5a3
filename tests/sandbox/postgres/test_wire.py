from __future__ import annotations

import asyncio
import struct

import pytest

from sandbox.postgres.wire import Opening, Request, fatal, read_opening


async def read(raw: bytes) -> Opening | None:
    reader = asyncio.StreamReader()
    reader.feed_data(raw)
    reader.feed_eof()
    return await read_opening(reader)


async def test_a_start_up_message_tells_who_and_where() -> None:
    body = b"user\0alice\0database\0app\0\0"
    opening = await read(struct.pack("!II", 8 + len(body), 196608) + body)

    assert opening is not None
    assert opening.code == 196608
    assert opening.parameters["user"] == "alice"
    assert opening.parameters["database"] == "app"


async def test_a_request_for_tls() -> None:
    opening = await read(struct.pack("!II", 8, Request.TLS))

    assert opening == Opening(Request.TLS, struct.pack("!II", 8, Request.TLS))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("!II", 4, Request.TLS),
        struct.pack("!II", 100_000, 196608),
        struct.pack("!II", 20, 196608) + b"short",
    ],
)
async def test_anything_else_is_nothing(raw: bytes) -> None:
    assert await read(raw) is None


def test_a_refusal_is_an_error_response() -> None:
    message = fatal("28000", "no encryption")

    assert message[:1] == b"E"
    assert struct.unpack("!I", message[1:5])[0] == len(message) - 1
    assert b"C28000\0" in message
    assert message.endswith(b"Mno encryption\0\0")
