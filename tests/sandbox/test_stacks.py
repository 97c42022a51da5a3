from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contract.stack_name import AppName, StackName
from sandbox.stacks import Stacks

OWN = StackName.parse("pr-42")


@pytest.fixture
def stacks(tmp_path: Path) -> Stacks:
    return Stacks({}, tmp_path / "backend", tmp_path)


def state(
    stacks: Stacks, stack: str, deployment: dict[str, object], *, project: str = "previews"
) -> None:
    folder = stacks.backend / ".pulumi" / "stacks" / project
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stack}.json").write_text(json.dumps({"checkpoint": {"latest": deployment}}))


def test_stacks_are_read_from_the_state_alone(stacks: Stacks) -> None:
    assert stacks.all() == []
    assert not stacks.exists(OWN)
    state(
        stacks,
        "pr-42",
        {
            "resources": [{"type": "pulumi:pulumi:Stack", "outputs": {"url": "http://pr-42"}}],
        },
    )
    assert stacks.all() == [OWN]
    assert stacks.outputs(OWN) == {"url": "http://pr-42"}
    assert stacks.outputs(StackName.parse("pr-43")) == {}


def test_stacks_of_all_apps_are_listed(stacks: Stacks) -> None:
    state(stacks, "pr-42", {})
    state(stacks, "pr-42", {}, project="orders")
    state(stacks, "draft", {}, project="orders")
    assert [stack.name for stack in stacks.all()] == ["orders-pr-42", "pr-42"]
    assert stacks.exists(StackName.parse("pr-42", AppName("orders")))


def test_a_command_meets_the_sandbox_s_environment(tmp_path: Path) -> None:
    stacks = Stacks({"AWS_REGION": "us-east-1"}, tmp_path, tmp_path)
    code = "import os; print(os.environ['AWS_REGION'], os.getcwd()); raise SystemExit(7)"
    assert stacks.run([sys.executable, "-c", code], quiet=True) == (7, f"us-east-1 {tmp_path}")


def test_ctrl_c_ends_the_command_and_not_its_caller(tmp_path: Path) -> None:
    """The terminal signals the whole group: the caller waits for its child's own ending."""
    child = "import signal, sys; print('up', flush=True); signal.pause()"
    caller = (
        "import sys; from pathlib import Path; from sandbox.stacks import Stacks;"
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
