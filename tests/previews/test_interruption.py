"""A run that GitHub cancels, or that is out of time: signals as the runner sends them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.stack_name import PLATFORM_APP
from previews.pull_request.comment import marker
from tests.github import LocalGitHub
from tests.github.state import Comment, now

ROOT = Path(__file__).resolve().parents[2]
SHA = "a" * 40
_STATE = json.dumps({"version": 3, "deployment": {"resources": []}})
# It knows one stack, and works on it until the file `finished` is there. As the real one, it stops
# at SIGINT in an orderly way, and at once at a second one.
_PULUMI = """#!{python} -S
import os, signal, sys
requests = {{signal.SIGINT, signal.SIGTERM}}
words = sys.argv[1:]
if words[0] in ("up", "destroy"):
    signal.pthread_sigmask(signal.SIG_BLOCK, requests)
    print("working", flush=True)
    print("asked by", signal.Signals(signal.sigwait(requests)).name, flush=True)
    while not os.path.exists({finished!r}):
        again = signal.sigtimedwait(requests, 0.05)
        if again:
            print("aborted", flush=True)
            break
    sys.exit(1)
elif words[:2] == ["stack", "export"]:
    print({state!r})
elif words[:2] in (["stack", "output"], ["stack", "tag"]):
    print("{{}}")
"""
_DEPLOY = """
from contract.preview import Preview
from previews.clients import Clients
from previews.interruption import interrupted_once
from previews.pulumi.stacks import Stacks
# Without what it adds from the cluster, which there is none of.
Stacks.attempt_up = lambda self, _, arguments: self.command.run(["up", *arguments], stream=True)
with interrupted_once():
    clients = Clients()
    presenter = clients.pull_request_presenter(Preview(42))
    clients.deployment(Preview(42), clients.pulls.read(42), presenter).run(images=None)
"""


@pytest.fixture
def github() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        server.state.pull(42, head_sha=SHA, labels=["preview"])
        body = f"{marker(PLATFORM_APP)}\n\n### ✅ pr-42 is up\n"
        server.state.comments[7] = Comment(7, 42, "github-actions[bot]", body, now(), now())
        yield server


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    return tmp_path / "finished"


@pytest.fixture
def environment(github: LocalGitHub, tmp_path: Path, finished: Path) -> dict[str, str]:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(_PULUMI.format(python=sys.executable, finished=str(finished), state=_STATE))
    program.chmod(0o755)
    for name in ("Pulumi.yaml", "preview.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    return {
        **os.environ,
        **github.environment,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PREVIEWS_PROJECT": str(tmp_path),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "GITHUB_RUN_ID": "9",
    }


@pytest.fixture
def step(
    request: pytest.FixtureRequest, environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A step of a workflow, whose first process is the command."""
    started = subprocess.Popen(
        [sys.executable, *request.param], env=environment, stderr=subprocess.PIPE, text=True
    )
    yield started
    started.kill()
    started.wait()


def read_to(step: subprocess.Popen[str], line: str) -> None:
    assert step.stderr is not None
    before = []
    for printed in step.stderr:
        if printed == f"{line}\n":
            return
        before.append(printed)
    pytest.fail(f"it ended without {line!r}: {''.join(before)}")


def cancel(step: subprocess.Popen[str], finished: Path) -> str:
    """Send what the runner sends, while Pulumi finishes what it has begun."""
    read_to(step, "working")
    step.send_signal(signal.SIGINT)
    read_to(step, "asked by SIGINT")
    step.send_signal(signal.SIGTERM)
    finished.touch()
    return step.communicate(timeout=60)[1]


UP = pytest.mark.parametrize("step", [("-c", _DEPLOY)], indirect=True, ids=["up"])
DESTROY = pytest.mark.parametrize(
    "step", [("-m", "previews.cli", "destroy", "42")], indirect=True, ids=["destroy"]
)


@UP
def test_a_deployment_that_is_cancelled_says_so_everywhere(
    github: LocalGitHub, step: subprocess.Popen[str], finished: Path
) -> None:
    assert "aborted" not in cancel(step, finished)
    assert step.returncode == 1
    assert "### ⚪ The deployment of `pr-42` was cancelled" in github.state.comments[7].body
    [deployment] = github.state.deployments_to("pr-42")
    for status in (deployment.statuses[-1], github.state.commit_statuses[SHA][-1]):
        assert (status["state"], status["description"]) == (
            "error",
            "cancelled: SIGINT stopped it",
        )


@DESTROY
def test_a_removal_that_is_cancelled_says_so_and_how_it_goes_on(
    github: LocalGitHub, step: subprocess.Popen[str], finished: Path
) -> None:
    complaint = cancel(step, finished)
    assert "aborted" not in complaint
    assert "SIGINT stopped it" in complaint
    assert step.returncode == 1
    text = github.state.comments[7].body
    assert "### ⚠️ `pr-42` was not removed" in text
    assert "SIGINT stopped it" in text
    assert "Run the same command again: it continues where it stopped." in text


@DESTROY
def test_a_request_that_comes_before_pulumi_works_stops_the_command(
    github: LocalGitHub, step: subprocess.Popen[str], finished: Path
) -> None:
    asked: list[str] = []

    def ask(_method: str, _path: str) -> None:
        # While it shows the first request, the second one does not end it.
        asked.append("SIGTERM")
        step.send_signal(signal.SIGTERM)

    github.on_request = ask
    assert "aborted" not in cancel(step, finished)
    assert asked
    assert "was not removed" in github.state.comments[7].body
