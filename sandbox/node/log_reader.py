"""Reading a container's log as ``kubectl logs`` asks for it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.node.logs import LogFile, older

_BLOCK = 64 * 1024


@dataclass(frozen=True)
class LogQuery:
    """``PodLogOptions``.

    Attributes:
        tail: Only the last lines, this many.
        since: Only lines from then on.
        limit: At most this many bytes.
        timestamps: Whether each line begins with its time.
        stream: Only ``stdout`` or ``stderr``; None is both.
    """

    tail: int | None = None
    since: datetime | None = None
    limit: int | None = None
    timestamps: bool = False
    stream: str | None = None

    @staticmethod
    def since_seconds(seconds: int) -> datetime:
        """The moment ``seconds`` ago."""
        return datetime.now(UTC) - timedelta(seconds=seconds)


class _Renderer:
    """Turns entries of the log into what the reader gets."""

    def __init__(self, query: LogQuery) -> None:
        self._query = query
        self._left = query.limit
        # Nanoseconds compare as text, since every entry writes all nine digits in UTC.
        self._since = (
            query.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
            if query.since
            else b""
        )
        self._within_line = False

    @property
    def full(self) -> bool:
        return self._left is not None and self._left <= 0

    def wants(self, entry: bytes) -> bool:
        time, stream, _ = entry.split(b" ", 2)
        return time >= self._since and self._query.stream in {None, stream.decode()}

    def render(self, entry: bytes) -> bytes:
        time, _, rest = entry.split(b" ", 2)
        tag, _, text = rest.partition(b" ")
        prefix = time + b" " if self._query.timestamps and not self._within_line else b""
        self._within_line = tag == b"P"
        line = prefix + text + (b"" if self._within_line else b"\n")
        if self._left is not None:
            line = line[: self._left]
            self._left -= len(line)
        return line


def read(path: Path, query: LogQuery) -> Iterator[bytes]:
    """What the log holds now.

    Raises:
        FileNotFoundError: When the container has no such log.
    """
    path.stat()
    yield from _past(path, query, _Renderer(query))


async def follow(log: LogFile, query: LogQuery) -> AsyncIterator[bytes]:
    """What the log holds, then what comes, until it is closed."""
    renderer = _Renderer(query)
    rotations, offset = log.rotations, log.path.stat().st_size
    for line in _past(log.path, query, renderer, until=offset):
        yield line
    while not renderer.full:
        change, closed, behind = log.next_change(), log.closed, log.rotations - rotations
        if behind:
            # One older file is kept: who is further behind loses lines, as on a real node.
            path, end = older(log.path), None
            offset = offset if behind == 1 else 0
            rotations = log.rotations
        else:
            path, end = log.path, log.path.stat().st_size
        for entry in _entries(path, offset, end):
            if renderer.wants(entry):
                yield renderer.render(entry)
        if behind:
            offset = 0
            continue
        grew, offset = end != offset, end or 0
        if closed:
            return
        if not grew:
            await change.wait()


def _past(
    path: Path, query: LogQuery, renderer: _Renderer, until: int | None = None
) -> Iterator[bytes]:
    if query.tail is None:
        for file, end in ((older(path), None), (path, until)):
            if file.exists():
                for entry in _entries(file, 0, end):
                    if renderer.wants(entry):
                        yield renderer.render(entry)
                    if renderer.full:
                        return
        return
    for entry in _last(path, query.tail, renderer, until):
        yield renderer.render(entry)
        if renderer.full:
            return


def _last(path: Path, count: int, renderer: _Renderer, until: int | None) -> deque[bytes]:
    kept: deque[bytes] = deque()
    lines = 0
    for file, end in ((path, until), (older(path), None)):
        if not file.exists():
            continue
        for entry in _backwards(file, end):
            if not renderer.wants(entry):
                continue
            # A line ends where its last entry does; the parts before it belong to it.
            lines += entry.split(b" ", 3)[2] != b"P"
            if lines > count:
                return kept
            kept.appendleft(entry)
    return kept


def _entries(path: Path, start: int, end: int | None = None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        position = start
        for line in file:
            position += len(line)
            if not line.endswith(b"\n") or (end is not None and position > end):
                return
            yield line[:-1]


def _backwards(path: Path, end: int | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        position = path.stat().st_size if end is None else end
        rest = b""
        while position:
            size = min(_BLOCK, position)
            position -= size
            file.seek(position)
            rest, *lines = (file.read(size) + rest).split(b"\n")
            yield from (line for line in reversed(lines) if line)
        if rest:
            yield rest


def tail_text(path: Path, lines: int, limit: int) -> str:
    """The last lines, the end of them that fits ``limit`` bytes: a fallback termination message."""
    try:
        content = b"".join(read(path, LogQuery(tail=lines)))
    except FileNotFoundError:
        return ""
    return content[-limit:].decode(errors="replace")
