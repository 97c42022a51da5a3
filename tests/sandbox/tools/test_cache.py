"""A tool is there whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.tools.cache import Cache, require_space

_MAKER = """
import sys, time
from pathlib import Path
from sandbox.tools.cache import Cache
with Cache(Path(sys.argv[1])).making("tool-1", print) as folder:
    (folder / "half").write_text("half")
    print("making", flush=True)
    sys.stdin.readline()
"""


def _start_maker(root: Path) -> subprocess.Popen[str]:
    maker = subprocess.Popen(
        [sys.executable, "-c", _MAKER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert maker.stdout is not None
    assert maker.stdout.readline() == "making\n"
    return maker


def test_what_is_made_appears_when_it_is_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.making("tool-1", print) as folder:
        assert folder is not None
        (folder / "bin").mkdir()
        assert cache.finished("tool-1") is None
    assert cache.finished("tool-1") == tmp_path / "tool-1"
    with cache.making("tool-1", print) as again:
        assert again is None


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail() -> None:
        with cache.making("tool-1", print) as folder:
            assert folder is not None
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        fail()
    assert cache.finished("tool-1") is None
    assert list(tmp_path.glob(".making-*")) == []


def test_a_killed_run_is_swept_and_made_again(tmp_path: Path) -> None:
    maker = _start_maker(tmp_path)
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert len(list(tmp_path.glob(".making-*"))) == 1
    cache = Cache(tmp_path)
    assert cache.finished("tool-1") is None

    with cache.making("tool-1", print) as folder:
        assert folder is not None
        assert list(tmp_path.glob(".making-*")) == [folder]
        assert list(folder.iterdir()) == []


def test_a_second_run_waits_says_for_whom_and_takes_what_the_first_made(tmp_path: Path) -> None:
    maker = _start_maker(tmp_path)
    said: list[str] = []
    told = threading.Event()
    got: list[Path | None] = []

    def hear(message: str) -> None:
        said.append(message)
        told.set()

    def second() -> None:
        with Cache(tmp_path).making("tool-1", hear) as folder:
            got.append(folder)

    thread = threading.Thread(target=second)
    thread.start()
    assert told.wait(10)
    assert said == [f"waiting for process {maker.pid}, which makes it"]
    assert got == []
    maker.communicate("go on\n", timeout=10)
    thread.join(10)

    assert got == [None]
    assert (tmp_path / "tool-1" / "half").exists()


def test_too_little_space_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="GiB are free, and building pulumi 3 needs") as caught:
        require_space(tmp_path / "not" / "there", 1e9, "pulumi 3")
    assert "SANDBOX_CACHE" in caught.value.remedy
    require_space(tmp_path, 0, "nothing")


def test_a_cache_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxError, match=r"(?s)can.t be created.*SANDBOX_CACHE=<folder>"):
        Cache(tmp_path / "file" / "cache").log("tool-1")


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    with Cache(tmp_path).making("tool-1", print):
        assert (tmp_path / "locks" / "tool-1").read_text() == str(os.getpid())
