"""Memory of process trees and what an earlier node process left, on real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.containers import runtime
from sandbox.containers.runtime import ContainerSpec, Mount
from sandbox.node import leftovers, memory
from sandbox.node.instance import Instance
from sandbox.node.logs import LogFile
from tests.sandbox.node.control_plane import PATH, eventually
from tests.sandbox.node.pods import processes_with

MIB = 2**20


@pytest.fixture
def hog() -> Iterator[subprocess.Popen[bytes]]:
    """A process of little memory with a child of much."""
    child = f"a = bytearray({64 * MIB}); print('full', flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"full\n"
    yield process
    process.communicate(b"\n", timeout=10)


async def test_the_whole_tree_counts(hog: subprocess.Popen[bytes]) -> None:
    await asyncio.wait_for(memory.until_exceeded(hog.pid, 60 * MIB), 5)


async def test_what_is_below_the_limit_goes_on(hog: subprocess.Popen[bytes]) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(memory.until_exceeded(hog.pid, 200 * MIB), 1)


def test_forked_pages_are_counted_once() -> None:
    script = (
        f"import os, time; a = bytearray({64 * MIB}); pids = [os.fork() for _ in range(2)];"
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        pids = eventually(lambda: len(p := list(memory._tree(process.pid))) == 4 and p)
        assert sum(map(memory._anonymous, pids)) > 200 * MIB
        assert sum(map(memory._proportional, pids)) < 120 * MIB
    finally:
        for pid in [*memory._tree(process.pid)][1:]:
            os.kill(pid, 9)
        process.kill()
        process.communicate()


def _spec(script: str, *mounts: Mount) -> ContainerSpec:
    return ContainerSpec((), ("sh", "-c", script), {"PATH": PATH}, mounts=mounts)


def test_processes_that_outlived_their_node_are_found_by_their_mounts(tmp_path: Path) -> None:
    folders = {name: tmp_path / place / "pods" / name for name, place in
               (("ours-0001", "node"), ("theirs-0001", "other"))}  # fmt: skip
    processes = []
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "etc-hosts").touch()
        spec = _spec("sleep 98765; true", Mount(folder / "etc-hosts", "/etc/hosts"))
        process = runtime.popen(spec, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.append(process)
    try:
        # A sleep is there later than its sh; before it is, a fork of sh looks like another sh.
        eventually(lambda: len(processes_with("sleep\x0098765")) == 2)
        assert leftovers.end_processes(tmp_path / "node" / "pods") == 2  # sh and its sleep
        assert processes[0].wait(5) == -9
        assert processes[1].poll() is None
        assert leftovers.end_processes(tmp_path / "none") == 0
    finally:
        for process in processes:
            process.kill()
            process.wait()
        leftovers.end_processes(tmp_path / "other" / "pods")


def test_a_process_that_was_forked_during_a_look_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "node" / "pods" / "ours-0002"
    folder.mkdir(parents=True)
    (folder / "etc-hosts").touch()
    spec = _spec("sleep 98764; true", Mount(folder / "etc-hosts", "/etc/hosts"))
    process = runtime.popen(spec, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        (late,) = eventually(lambda: processes_with("sleep\x0098764"))
        whole = os.scandir
        listings = [[e for e in whole("/proc") if e.name != str(late)]]

        def listed(path: str) -> Iterator[os.DirEntry[str]]:
            return iter(listings.pop()) if listings else whole(path)

        monkeypatch.setattr(leftovers.os, "scandir", listed)
        leftovers.end_processes(folder.parent)
        monkeypatch.undo()
        assert process.wait(5) == -9
        eventually(lambda: processes_with("sleep\x0098764") == [])
    finally:
        process.kill()
        process.wait()
        leftovers.end_processes(folder.parent)


def test_folders_of_pods_that_are_gone_are_removed(tmp_path: Path) -> None:
    for name in ("kept", "gone"):
        (tmp_path / "pods" / name / "volumes").mkdir(parents=True)
    leftovers.remove_folders(tmp_path / "pods", keep={"kept"})
    leftovers.remove_folders(tmp_path / "none", keep=())
    assert [path.name for path in (tmp_path / "pods").iterdir()] == ["kept"]


@pytest.fixture(autouse=True)
def _child_watcher() -> None:
    asyncio.set_child_watcher(asyncio.PidfdChildWatcher())


@pytest.mark.parametrize("rest", ["exit 3", "sleep 0.5; exit 3"])
async def test_an_instance_ends_with_its_log_complete_and_nothing_left(
    tmp_path: Path, rest: str
) -> None:
    log = LogFile(tmp_path / "0.log")
    (tmp_path / "hosts").touch()
    script = f"(setsid sleep 987 &) ; seq 1 5000; echo no newline >&2; {rest}"
    spec = _spec(script, Mount(tmp_path / "hosts", "/etc/hosts"))
    instance = await Instance.start(spec, log)
    assert await instance.executed()
    assert (await instance.wait()).exit_code == 3
    assert log.closed
    assert log.path.read_text().count("stdout F") == 5000
    assert not processes_with("sleep\x00987")


async def test_one_containers_end_leaves_others_alone(tmp_path: Path) -> None:
    stays = await Instance.start(_spec("exec sleep 1000"), LogFile(tmp_path / "stays"))
    assert await stays.executed()
    for number in range(10):
        brief = await Instance.start(_spec("sleep 0.01"), LogFile(tmp_path / f"{number}"))
        await brief.executed()
        await brief.wait()
    assert stays.alive
    stays.signal(signal.SIGTERM)
    assert (await stays.wait()).exit_code == 143


async def test_a_program_that_is_not_there_never_ran(tmp_path: Path) -> None:
    spec = ContainerSpec((), ("/no/such/program",), {"PATH": PATH})
    instance = await Instance.start(spec, LogFile(tmp_path / "0.log"))
    assert not await instance.executed()
    assert (await instance.wait()).exit_code == runtime.START_FAILED
