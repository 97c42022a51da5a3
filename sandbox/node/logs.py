"""Logs of containers, in the format of the CRI: ``<time> <stream> <tag> <text>``.

https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path

_LOG = logging.getLogger(__name__)
_MAX_LINE_BYTES = 16 * 1024


class LogFile:
    """Log file of one run of a container; the kubelet rotates it when it is long."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._failing = False

    def write(self, stream: str, tag: str, text: bytes) -> None:
        """Append one entry; ``tag`` is F for a whole line, P for a part of one."""
        try:
            self._file.write(b"%s %s %s %s\n" % (_timestamp(), stream.encode(), tag.encode(), text))
        except OSError as error:
            # A full disk must not end the container, nor fill the node's own log.
            if not self._failing:
                _LOG.warning("%s: lines are lost: %s", self._path, error)
            self._failing = True
            return
        self._failing = False

    def reopen(self) -> None:
        """Start a new file after the kubelet has moved the former one."""
        self._file.close()
        self._file = self._path.open("ab", buffering=0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Splitter(asyncio.Protocol):
    """Splits an output stream into lines."""

    def __init__(self, log: LogFile, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._rest = b""
        self.first = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._entries(line)
        while len(rest) >= _MAX_LINE_BYTES:
            self._log.write(self._stream, "P", rest[:_MAX_LINE_BYTES])
            rest = rest[_MAX_LINE_BYTES:]
        self._rest = rest

    def _entries(self, line: bytes) -> None:
        self.first = self.first or line
        while len(line) > _MAX_LINE_BYTES:
            self._log.write(self._stream, "P", line[:_MAX_LINE_BYTES])
            line = line[_MAX_LINE_BYTES:]
        self._log.write(self._stream, "F", line)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._rest:
            self._log.write(self._stream, "F", self._rest)
            self._rest = b""
        if not self.ended.done():
            self.ended.set_result(None)


class OutputPipe:
    """Pipe from a process's stdout or stderr to the log."""

    def __init__(self, log: LogFile, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._read_end, self.write_end = os.pipe()
        self._transport: asyncio.ReadTransport | None = None
        self._splitter: _Splitter | None = None

    @property
    def first_line(self) -> bytes:
        """The first line that was written."""
        return self._splitter.first if self._splitter else b""

    async def connect(self) -> None:
        """Start reading; the process may get the write end before or after."""
        loop = asyncio.get_running_loop()
        file = os.fdopen(self._read_end, "rb", buffering=0)
        self._transport, self._splitter = await loop.connect_read_pipe(
            lambda: _Splitter(self._log, self._stream), file
        )

    def close_write_end(self) -> None:
        """Close our copy of the write end, without which the stream would not end."""
        os.close(self.write_end)

    async def drained(self, seconds: float) -> None:
        """Wait for the end of the stream, ``seconds`` at most."""
        if self._splitter and self._transport:
            await asyncio.wait([self._splitter.ended], timeout=seconds)
            self._transport.close()


def _timestamp() -> bytes:
    nanoseconds = time.time_ns()
    moment = time.gmtime(nanoseconds // 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{nanoseconds % 10**9:09d}Z".encode()
