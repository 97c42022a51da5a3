from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.stacks import Stacks, _forget_salt

NOT_A_PID = 2**22 + 1  # Above the kernel's largest (PID_MAX_LIMIT).


@pytest.fixture
def stacks(tmp_path: Path) -> Stacks:
    return Stacks({}, tmp_path / "backend", tmp_path)


def lock(stacks: Stacks, stack: str, pid: int, hostname: str) -> Path:
    folder = stacks.backend / ".pulumi" / "locks" / "organization" / "previews" / stack
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pid}.json"
    path.write_text(
        json.dumps(
            {
                "pid": pid,
                "username": "me",
                "hostname": hostname,
                "timestamp": "2026-01-01T00:00:00Z",
            }
        )
    )
    return path


def state(stacks: Stacks, stack: str, deployment: dict[str, object]) -> None:
    folder = stacks.backend / ".pulumi" / "stacks" / "previews"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stack}.json").write_text(json.dumps({"checkpoint": {"latest": deployment}}))


def test_a_lock_whose_holder_has_ended_is_broken(stacks: Stacks) -> None:
    stale = lock(stacks, "pr-42", NOT_A_PID, socket.gethostname())
    state(stacks, "pr-42", {"resources": []})
    folder = stacks.backend / ".pulumi" / "stacks" / "previews"
    (folder / "pr-42.json.18ea62cc.tmp").write_text("{")
    (folder / "pr-43.json.18ea62cc.tmp").write_text("{")
    assert stacks.break_stale_locks() == ["pr-42"]
    assert not stale.exists()
    # What the dead one was writing goes; what another may be writing stays.
    assert sorted(file.name for file in folder.iterdir()) == [
        "pr-42.json",
        "pr-43.json.18ea62cc.tmp",
    ]


def test_a_holder_that_ended_and_was_not_reaped_holds_nothing(stacks: Stacks) -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    # Wait without reaping: the process stays in the table as a zombie.
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    lock(stacks, "pr-42", ended.pid, socket.gethostname())
    assert stacks.break_stale_locks() == ["pr-42"]
    ended.wait()


@pytest.mark.parametrize(
    ("pid", "hostname"),
    [
        pytest.param(os.getpid(), socket.gethostname(), id="of a process that runs"),
        pytest.param(NOT_A_PID, "another-machine", id="of another machine"),
    ],
)
def test_a_lock_that_may_be_held_stays(stacks: Stacks, pid: int, hostname: str) -> None:
    held = lock(stacks, "pr-42", pid, hostname)
    assert stacks.break_stale_locks() == []
    assert held.exists()


def test_stacks_are_read_from_the_state_alone(stacks: Stacks) -> None:
    assert stacks.names() == []
    assert not stacks.exists("pr-42")
    state(
        stacks,
        "pr-42",
        {
            "resources": [{"type": "pulumi:pulumi:Stack", "outputs": {"url": "http://pr-42"}}],
            "pending_operations": [{"resource": {"urn": "urn:a"}, "type": "creating"}],
        },
    )
    assert stacks.names() == ["pr-42"]
    assert stacks.outputs("pr-42") == {"url": "http://pr-42"}
    assert stacks.pending_operations("pr-42") == ["urn:a"]
    assert stacks.pending_operations("pr-43") == []
    assert stacks.outputs("pr-43") == {}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("encryptionsalt: v1:abc\n", None),
        (
            "encryptionsalt: v1:abc\nconfig:\n  previews:ttlDays: 3\n",
            "config:\n  previews:ttlDays: 3\n",
        ),
        ("config:\n  previews:ttlDays: 3\n", "config:\n  previews:ttlDays: 3\n"),
    ],
)
def test_a_new_stack_starts_without_the_salt_of_a_former_one(
    tmp_path: Path, before: str, after: str | None
) -> None:
    file = tmp_path / "Pulumi.pr-42.yaml"
    file.write_text(before)
    _forget_salt(file)
    assert (file.read_text() if file.exists() else None) == after


def test_a_command_meets_the_sandbox_s_environment(tmp_path: Path) -> None:
    stacks = Stacks({"AWS_REGION": "us-east-1"}, tmp_path, tmp_path)
    code = "import os; print(os.environ['AWS_REGION'], os.getcwd()); raise SystemExit(7)"
    assert stacks.run([sys.executable, "-c", code], quiet=True) == (7, f"us-east-1 {tmp_path}")


def test_ctrl_c_ends_the_command_and_not_its_caller(tmp_path: Path) -> None:
    """The terminal signals the whole group: the caller waits for its child's own ending."""
    child = "import signal, sys; print('up', flush=True); signal.pause()"
    caller = (
        "import sys; from pathlib import Path; from sandbox.stacks import Stacks, _forget_salt;"
        f"code, _ = Stacks({{}}, Path('.'), Path('.')).run([sys.executable, '-c', {child!r}]);"
        "print('ended', code)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", caller],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    os.killpg(process.pid, 2)
    assert process.stdout.read().split() == ["ended", "-2"]
    assert process.wait() == 0
