from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.node import log_reader, termination
from sandbox.node.log_reader import LogQuery
from sandbox.node.logs import LogFile, OutputPipe, older


def _read(path: Path, **query: object) -> str:
    return b"".join(log_reader.read(path, LogQuery(**query))).decode()  # type: ignore[arg-type]


@pytest.fixture
async def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "c" / "0.log")


async def _write(log: LogFile, *chunks: bytes, stream: str = "stdout") -> None:
    """Through a pipe, as a process does."""
    pipe = OutputPipe(log, stream)
    await pipe.connect()
    for chunk in chunks:
        await asyncio.to_thread(os.write, pipe.write_end, chunk)
    pipe.given_away()
    await pipe.drained(5)


async def test_lines_are_kept_whole_however_they_come(log: LogFile) -> None:
    await _write(log, b"one\ntw", b"o\n", b"\n", b"no newline")
    log.close()
    assert _read(log.path) == "one\ntwo\n\nno newline\n"


async def test_long_lines_come_out_as_they_went_in(log: LogFile) -> None:
    line = b"x" * 100_000
    await _write(log, line, b"\nshort\n")
    assert _read(log.path) == f"{line.decode()}\nshort\n"
    assert _read(log.path, tail=1) == "short\n"
    assert _read(log.path, tail=2) == f"{line.decode()}\nshort\n"
    assert _read(log.path, tail=2, timestamps=True).count("Z ") == 2


async def test_tail_limit_stream_and_time(log: LogFile) -> None:
    for number in range(1000):
        log.write("stderr" if number % 2 else "stdout", "F", str(number).encode())
    assert _read(log.path, tail=3) == "997\n998\n999\n"
    assert _read(log.path, tail=0) == ""
    assert _read(log.path, limit=5) == "0\n1\n2"
    assert _read(log.path, tail=2, stream="stderr") == "997\n999\n"
    now = datetime.now(UTC)
    assert _read(log.path, since=now + timedelta(seconds=5)) == ""
    assert _read(log.path, since=now - timedelta(seconds=60)).count("\n") == 1000
    first = _read(log.path, timestamps=True).splitlines()[0]
    assert datetime.fromisoformat(first.split()[0][:26]).date() == now.date()


async def test_a_log_is_bounded_and_the_file_before_is_read_too(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", max_bytes=2000)
    for number in range(100):
        log.write("stdout", "F", f"line {number}".encode())
    assert log.path.stat().st_size <= 2000
    assert older(log.path).stat().st_size <= 2000
    lines = _read(log.path).splitlines()
    assert lines[-1] == "line 99"
    assert 50 < len(lines) < 100
    assert _read(log.path, tail=len(lines)).splitlines() == lines


async def test_following_sees_what_was_what_comes_and_the_end(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", max_bytes=500)
    log.write("stdout", "F", b"before")
    seen: list[bytes] = []

    async def follow() -> None:
        async for line in log_reader.follow(log, LogQuery(tail=1)):
            seen.append(line)  # noqa: PERF401 - looked at while it grows

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    for number in range(50):  # Across several rotations.
        log.write("stdout", "F", f"{number}".encode())
        await asyncio.sleep(0)
    log.close()
    await asyncio.wait_for(task, 5)
    assert log.rotations > 2
    assert b"".join(seen).decode().split() == ["before", *map(str, range(50))]


async def test_a_follower_wants_no_more_than_its_limit(log: LogFile) -> None:
    log.write("stdout", "F", b"0123456789")
    seen = [line async for line in log_reader.follow(log, LogQuery(limit=4))]
    assert seen == [b"0123"]


async def test_a_missing_log_is_an_error_that_the_caller_sees(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _read(tmp_path / "none.log")


async def test_termination_messages(log: LogFile, tmp_path: Path) -> None:
    for number in range(200):
        log.write("stdout", "F", f"line {number} {'x' * 50}".encode())
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    file = tmp_path / "message"
    kept = termination.message(fallback, exit_code=1, file=file, log=log.path)
    assert kept.splitlines()[-1].startswith("line 199")
    assert len(kept) == 2048
    assert termination.message(fallback, exit_code=0, file=file, log=log.path) == ""
    assert termination.message({}, exit_code=1, file=file, log=log.path) == ""
    file.write_text("w" * 5000)
    assert termination.message(fallback, exit_code=1, file=file, log=log.path) == "w" * 4096


async def test_why_a_program_could_not_be_started(log: LogFile) -> None:
    log.write("stderr", "F", b"sandbox-container: /x: No such file or directory")
    assert termination.start_error(128, log.path) == "/x: No such file or directory"
    assert termination.start_error(1, log.path) is None
    log.write("stderr", "F", b"something else")
    assert termination.start_error(128, log.path) is None


async def test_a_full_disk_loses_lines_and_nothing_else(
    log: LogFile, caplog: pytest.LogCaptureFixture
) -> None:
    kept = log._file
    log._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115, ASYNC230 - as LogFile
    for _ in range(3):
        log.write("stdout", "F", b"lost")
    log._file.close()
    log._file = kept
    log.write("stdout", "F", b"kept")
    assert _read(log.path) == "kept\n"
    assert caplog.text.count("No space left on device") == 1
