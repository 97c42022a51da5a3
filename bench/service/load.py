"""Load generator with little own cost: raw HTTP/1.1 on persistent connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from secrets import token_hex
from time import perf_counter

import uvloop


@dataclass
class Measurement:
    """Result of a run.

    Attributes:
        milliseconds: Duration of each response.
        seconds: Duration of the run.
        errors: Number of responses that were not 2xx or timed out.
    """

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    errors: int = 0

    @property
    def rate(self) -> float:
        """Responses a second."""
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a percentile of the responses' durations in milliseconds."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


# A longer request is an error, and its client reconnects.
LIMIT_SECONDS = 5.0
_NUMBERS = count()
# So that two runs on the same database create different customers.
_RUN = token_hex(4)


def creates(host: str) -> Iterator[bytes]:
    """Yield requests that each create another customer."""
    while True:
        address = f"bench-{_RUN}-{next(_NUMBERS)}@example.com"
        body = json.dumps({"name": "Bench Mark", "email": address}).encode()
        yield (
            f"POST /customers HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def gets(host: str, paths: list[str]) -> Iterator[bytes]:
    """Yield requests for the paths in turn, endlessly."""
    requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for path in paths]
    for number in count():
        yield requests[number % len(requests)]


def measure(
    address: tuple[str, int], requests: Iterator[bytes], *, clients: int, seconds: float
) -> Measurement:
    """Send ``requests`` from ``clients`` connections at once for ``seconds``."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(address, requests, clients, seconds))


async def _measure(
    address: tuple[str, int], requests: Iterator[bytes], clients: int, seconds: float
) -> Measurement:
    found = Measurement()
    started = perf_counter()
    end = started + seconds

    async def client() -> None:
        while perf_counter() < end:
            reader, writer = await asyncio.open_connection(*address)
            try:
                while (sent := perf_counter()) < end:
                    async with asyncio.timeout(LIMIT_SECONDS):
                        writer.write(next(requests))
                        status = await _answer(reader)
                    found.milliseconds.append((perf_counter() - sent) * 1000)
                    found.errors += not (200 <= status < 300)  # noqa: PLR2004  (2xx)
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                found.milliseconds.append(LIMIT_SECONDS * 1000)
                found.errors += 1
            finally:
                writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    found.seconds = perf_counter() - started
    return found


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read a response, and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(b"content-length:") + len(b"content-length:")
    await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    return int(head[9:12])
