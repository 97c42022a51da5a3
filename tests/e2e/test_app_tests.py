"""An app's own tests against its preview: by a person's command, and as CI's jobs run them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from previews.pull_request.tests_result import Outcome, read_result
from previews.pulumi.processes import runs
from tests.e2e import images
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.machine import write_programs
from tests.e2e.processes import words
from tests.e2e.world import World, git
from tests.github import LocalGitHub
from tests.waiting import eventually

ORDERS = "tests/apps/orders/backend"
NUMBER = "43"
STACK = f"orders-pr-{NUMBER}"
_ASSERTION = '["item"] == "tea"'
_UNPRIVILEGED = ("PATH", "HOME", "PREVIEWS_THROUGH", "PYTHONPATH")


@pytest.fixture(scope="module")
def up(world: World) -> Iterator[str]:
    """The output of the command that deployed the preview."""
    yield world.sandbox("--app", ORDERS, "preview", NUMBER)
    world.sandbox("--app", ORDERS, "destroy", NUMBER)


@dataclass(frozen=True)
class Jobs:
    """Jobs of a workflow's run: one deploys, one has no credential and runs tests, one records."""

    ci: Lifecycle
    folder: Path

    @property
    def world(self) -> World:
        return self.ci.world

    @property
    def commit(self) -> str:
        return git(self.world.checkout, "rev-parse", "HEAD")

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    def deploy(self) -> dict[str, str]:
        """Build and deploy, and return the outputs."""
        self.ci.pull(int(NUMBER), head_sha=self.commit)
        write_programs(self.folder)
        of_app = {
            "PREVIEWS_FOLDER": ORDERS,
            "PREVIEWS_ENVIRONMENT": "orders-preview",
            "PATH": f"{self.folder / 'programs'}{os.pathsep}{self.ci.environment(1)['PATH']}",
        }
        definition, built = self.folder / "bake.json", self.world.checkout.parent / "images"
        built.mkdir()
        self.ci.previews("decide", NUMBER, "--bake", str(definition), more=of_app)
        images.bake(self.world.settings, definition, self.world.checkout)
        outputs = self.folder / "outputs"
        outputs.write_text("")
        digests = {
            each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in built.iterdir()
        }
        arguments = ["--commit", self.commit, "--images", str(built), "--outputs", str(outputs)]
        arguments += ["--digests", json.dumps(digests)]
        self.ci.previews("up", NUMBER, *arguments, more=of_app)
        return dict(line.split("=", 1) for line in outputs.read_text().splitlines())

    def start(self, url: str) -> subprocess.Popen[bytes]:
        """Start the tests with what an unprivileged job has."""
        all_variables = self.ci.environment(1)
        arguments = ["--commit", self.commit, "--url", url, "--result", str(self.result)]
        return subprocess.Popen(
            [sys.executable, "-m", "previews.cli", "tests", "run", NUMBER, *arguments],
            cwd=self.world.checkout,
            env={name: all_variables[name] for name in _UNPRIVILEGED if name in all_variables}
            | {"PREVIEWS_APP": ORDERS},
        )

    def record(self) -> tuple[str, str]:
        """Record the result; return the state of the commit's status, and the comment."""
        arguments = ["--commit", self.commit, "--result", str(self.result)]
        self.ci.previews("--app", ORDERS, "tests", "record", NUMBER, *arguments)
        statuses = self.ci.hub.state.commit_statuses[self.commit]
        states = [one["state"] for one in statuses if one["context"] == "orders-preview/tests"]
        [comment] = self.ci.hub.state.comments_of(int(NUMBER))
        return states[-1], comment.body


@pytest.fixture(scope="module")
def jobs(world: World, up: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    assert up
    with LocalGitHub(REPOSITORY) as hub:
        yield Jobs(Lifecycle(world, hub), tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def outputs(jobs: Jobs) -> dict[str, str]:
    """Outputs of the job that deployed."""
    return jobs.deploy()


def change(world: World, old: str, new: str) -> None:
    source = world.checkout / ORDERS / "e2e" / "orders.py"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))


def test_a_person_s_command_runs_them_and_its_exit_code_is_theirs(world: World, up: str) -> None:
    assert "test_an_order_is_found_by_its_link" in up
    assert f"tests of {STACK} passed after" in up
    change(world, _ASSERTION, '["item"] == "ink"')
    try:
        printed = world.sandbox("--app", ORDERS, "push", NUMBER, fails=True)
    finally:
        change(world, '["item"] == "ink"', _ASSERTION)
    assert f"{STACK} is up" in printed
    assert f"tests of {STACK}: failed after" in printed
    with world.client(STACK) as client:
        assert client.get("/ping").status_code == 200


def test_a_pull_request_shows_that_they_passed_or_why_not(
    jobs: Jobs, outputs: dict[str, str]
) -> None:
    assert outputs["tests"] == "true"
    [comment] = jobs.ci.hub.state.comments_of(int(NUMBER))
    assert "**Tests**: running" in comment.body
    assert jobs.start(outputs["url"]).wait() == 0
    state, body = jobs.record()
    assert state == "success"
    assert "✅ **Tests**: passed after" in body

    change(jobs.world, _ASSERTION, '["item"] == "ink"')
    try:
        assert jobs.start(outputs["url"]).wait() == 1
    finally:
        change(jobs.world, '["item"] == "ink"', _ASSERTION)
    state, body = jobs.record()
    assert state == "failure"
    assert "❌ **Tests**: failed after" in body
    assert 'assert call(f"/orders/{placed[\'id\']}")["item"] == "ink"' in body
    assert "FAILED (failures=1)" in body


def test_a_run_that_is_lost_is_a_failure_and_the_next_one_is_clean(
    jobs: Jobs, outputs: dict[str, str]
) -> None:
    url = outputs["url"]
    jobs.result.unlink(missing_ok=True)
    change(jobs.world, "import json\n", "import json\nimport time\ntime.sleep(600)\n")
    try:
        process = jobs.start(url)
        eventually(lambda: bool(running(process)), "the tests run")
        tests = running(process)
        process.kill()
        process.wait()
        eventually(lambda: not any(runs(one.pid) for one in tests), "the tests ended")
        state, body = jobs.record()
        assert state == "failure"
        assert "they left no result" in body

        process = jobs.start(url)
        eventually(lambda: bool(running(process)), "the tests run again")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == 1
        assert read_result(jobs.result).outcome is Outcome.CANCELLED
    finally:
        change(jobs.world, "import time\ntime.sleep(600)\n", "")
    assert jobs.start(url).wait() == 0
    assert jobs.record()[0] == "success"


def running(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes of the tests, once they run."""
    below = psutil.Process(process.pid).children(recursive=True)
    return [one for one in below if "unittest" in words(one)]
