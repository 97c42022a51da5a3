from __future__ import annotations

import os
import re
from pathlib import Path

from sandbox.node.logs import LogFile, OutputPipe

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)")


def _entries(path: Path) -> list[tuple[str, str]]:
    matches = [LINE.fullmatch(line) for line in path.read_text().splitlines()]
    return [(match[2], match[3]) for match in matches if match]


async def _write(path: Path, *chunks: bytes) -> list[tuple[str, str]]:
    log = LogFile(path)
    pipe = OutputPipe(log, "stdout")
    await pipe.connect()
    for chunk in chunks:
        os.write(pipe.write_end, chunk)
    pipe.close_write_end()
    await pipe.drained(5)
    log.close()
    return _entries(path)


async def test_output_becomes_lines_of_the_interface(tmp_path: Path) -> None:
    written = await _write(tmp_path / "pod/main/0.log", b"one\ntw", b"o\n", b"\nrest")
    assert written == [("F", "one"), ("F", "two"), ("F", ""), ("F", "rest")]


async def test_a_long_line_is_cut_into_parts(tmp_path: Path) -> None:
    written = await _write(tmp_path / "0.log", b"x" * 40_000 + b"\n", b"short\n")
    assert [tag for tag, _ in written] == ["P", "P", "F", "F"]
    assert "".join(text for _, text in written[:3]) == "x" * 40_000
    assert written[3] == ("F", "short")


def test_a_file_that_the_kubelet_moved_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = LogFile(path)
    log.write("stdout", "F", b"before")
    path.rename(tmp_path / "0.log.1")
    log.reopen()
    log.write("stdout", "F", b"after")
    log.close()
    assert (tmp_path / "0.log.1").read_text().endswith("before\n")
    assert path.read_text().endswith("after\n")


def test_lines_that_cannot_be_written_end_nothing(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    log.close()
    with Path("/dev/full").open("wb", buffering=0) as full:
        log._file = full
        log.write("stdout", "F", b"lost")
