"""Jobs of `preview.yml`, called for another app: their commands are run, against a local GitHub."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from previews.adoption.workflow import parse_platform, workflow
from tests.github import LocalGitHub
from tests.workflows.expressions import evaluate, holds
from tests.workflows.reading import PROJECT, WORKFLOWS, document

OLD, NEW = "a" * 40, "b" * 40
CALLER = "acme/shop/.github/workflows/preview-orders.yml@refs/heads/main"


@pytest.fixture
def hub() -> Iterator[LocalGitHub]:
    with LocalGitHub("acme/shop") as found:
        found.state.pull(
            42, head_sha=NEW, labels=["preview"], head_repository=found.state.repository
        )
        yield found


class Called:
    """Runs of `preview.yml` that an app's workflow calls.

    Attributes:
        workspace: The folder of the jobs: the platform, and the app's repository in `caller/`.
    """

    def __init__(self, folder: Path, hub: LocalGitHub) -> None:
        self.workspace = folder
        self._hub = hub
        (folder / ".venv").symlink_to(PROJECT / ".venv")
        app = folder / "caller" / "backend"
        app.mkdir(parents=True)
        subprocess.run(["git", "init", "--quiet", app.parent], check=True)
        (app / "preview.yaml").write_text("app: orders\n")
        caller = folder / "caller.yml"
        platform = parse_platform("acme/previews@main")
        caller.write_text(workflow(platform, Path("backend"), "main", "orders"))
        given = document(caller)["jobs"]["preview"]["with"]
        self._inputs = {
            f"inputs.{name}": str(value) for name, value in given.items() if "${{" not in str(value)
        }

    def run(self, event_name: str, **event: Any) -> list[str]:
        """Play the jobs without an environment; return the names of those that ran."""
        file = self.workspace / "event.json"
        file.write_text(json.dumps(event))
        number = "42"
        context = {
            **self._inputs,
            "inputs.pull-request": number,
            "github.event_name": event_name,
            "github.event.pull_request.number": number if event_name == "pull_request" else "",
            "github.event.repository.default_branch": "main",
            "github.token": self._hub.environment["GITHUB_TOKEN"],
        }
        ran = []
        for name, job in WORKFLOWS["preview"]["jobs"].items():
            if "environment" in job or not holds(str(job.get("if", "")), context):
                continue
            ran.append(name)
            outputs = self._play(job, context, file)
            context |= {
                f"needs.{name}.outputs.{key}": evaluate(value, outputs)
                for key, value in job.get("outputs", {}).items()
            }
        return ran

    def _play(
        self, job: Mapping[str, Any], context: Mapping[str, str], event: Path
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for step in job["steps"]:
            if "run" not in step or step["run"] == "make setup":
                continue
            written = self.workspace / "outputs"
            written.write_text("")
            passed = {**WORKFLOWS["preview"]["env"], **step.get("env", {})}
            subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=self.workspace,
                env={
                    "PATH": os.environ["PATH"],
                    "GITHUB_API_URL": self._hub.url,
                    "GITHUB_REPOSITORY": self._hub.state.repository,
                    "GITHUB_EVENT_PATH": str(event),
                    "GITHUB_OUTPUT": str(written),
                    "GITHUB_WORKFLOW_REF": CALLER,
                    **{key: evaluate(str(value), context) for key, value in passed.items()},
                },
                check=True,
            )
            lines = (line.partition("=") for line in written.read_text().splitlines())
            found |= {f"steps.{step.get('id')}.outputs.{key}": value for key, _, value in lines}
        return found


@pytest.fixture
def called(tmp_path: Path, hub: LocalGitHub) -> Called:
    return Called(tmp_path, hub)


def pushed(action: str = "synchronize") -> dict[str, Any]:
    pull = {"number": 42, "head": {"sha": NEW}}
    return {"action": action, "pull_request": pull, "label": {"name": "preview"}}


def deployed(hub: LocalGitHub) -> None:
    """The last deployment of the preview, a success."""
    from previews.github import GitHub
    from previews.settings import Settings

    settings = Settings.read(**hub.environment)
    deployments = GitHub(settings).deployments
    made = deployments.create(OLD, "orders-pr-42")
    deployments.set_state(made.id, "success", url="https://orders-pr-42.preview.test")


def test_a_label_starts_the_app_s_own_workflow(called: Called, hub: LocalGitHub) -> None:
    assert called.run("pull_request", **pushed("labeled")) == ["decide", "start"]
    inputs = {"pull-request": "42", "action": "up"}
    assert hub.state.started == [("preview-orders.yml", "main", inputs)]


def test_a_push_beside_the_app_keeps_its_preview(called: Called, hub: LocalGitHub) -> None:
    deployed(hub)
    hub.state.differ(OLD, NEW, "frontend/main.ts")
    assert called.run("pull_request", **pushed()) == ["decide", "keep"]
    assert hub.state.started == []
    [status] = hub.state.commit_statuses[NEW]
    assert (status["context"], status["state"]) == ("preview/orders", "success")
    hub.state.differ(OLD, NEW, "backend/main.py")
    assert called.run("pull_request", **pushed()) == ["decide", "start"]


def test_a_run_that_was_started_decides_by_the_number(called: Called, hub: LocalGitHub) -> None:
    deployed(hub)
    hub.state.differ(OLD, NEW, "frontend/main.ts")
    assert called.run("workflow_dispatch", inputs={}) == ["decide"]
    assert hub.state.started == []


def test_an_app_that_is_renamed_into_another_gets_nothing(called: Called, hub: LocalGitHub) -> None:
    (called.workspace / "caller/backend/preview.yaml").write_text("app: billing\n")
    with pytest.raises(subprocess.CalledProcessError):
        called.run("pull_request", **pushed("labeled"))
    assert hub.state.started == []
