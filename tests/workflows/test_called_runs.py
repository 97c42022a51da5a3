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
DESCRIPTION = """\
app: orders
image: {dockerfile: Dockerfile}
service: {port: 8000, health: /health}
database: {migrate: alembic upgrade head}
"""


@pytest.fixture
def hub() -> Iterator[LocalGitHub]:
    with LocalGitHub("acme/shop") as found:
        found.state.pull(
            42, head_sha=NEW, labels=["preview"], head_repository=found.state.repository
        )
        found.state.write(NEW, "backend/preview.yaml", DESCRIPTION)
        yield found


class Called:
    """Runs of `preview.yml` that an app's workflow calls.

    Attributes:
        workspace: Folder of the job that decides: the platform, and nothing of the app.
    """

    def __init__(self, folder: Path, hub: LocalGitHub) -> None:
        self.workspace = folder
        self._hub = hub
        (folder / ".venv").symlink_to(PROJECT / ".venv")
        caller = folder / "caller.yml"
        platform = parse_platform("acme/previews@main")
        caller.write_text(workflow(platform, Path("backend"), "main", "orders"))
        given = document(caller)["jobs"]["preview"]["with"]
        self._inputs = {
            f"inputs.{name}": str(value) for name, value in given.items() if "${{" not in str(value)
        }

    def run(self, event_name: str, **event: Any) -> set[str]:
        """Play the job that decides, and return the names of those that run after it."""
        file = self.workspace / "event.json"
        file.write_text(json.dumps(event))
        decide = WORKFLOWS["preview"]["jobs"]["decide"]
        self._hub.state.add_job_token("of-decide", decide["permissions"])
        context = {
            **self._inputs,
            "inputs.pull-request": "42",
            "inputs.reset-database": "false",
            "github.event_name": event_name,
            "github.event.repository.default_branch": "main",
            "github.token": "of-decide",
        }
        outputs = self._play(decide, context, file)
        context |= {
            f"needs.decide.outputs.{key}": evaluate(value, outputs)
            for key, value in decide["outputs"].items()
        }
        return {
            name
            for name, job in WORKFLOWS["preview"]["jobs"].items()
            if job.get("needs") == "decide" and holds(str(job.get("if", "")), context)
        }

    def _play(
        self, job: Mapping[str, Any], context: Mapping[str, str], event: Path
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for step in job["steps"]:
            if "run" not in step or "id" not in step:
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
            found |= {f"steps.{step['id']}.outputs.{key}": value for key, _, value in lines}
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


def test_a_label_builds_the_app_s_images(called: Called, hub: LocalGitHub) -> None:
    assert called.run("pull_request_target", **pushed("labeled")) == {"build"}
    [deployment] = hub.state.deployments_to("orders-pr-42")
    assert (deployment.sha, deployment.statuses[-1]["state"]) == (NEW, "queued")
    target = json.loads((called.workspace / "bake.json").read_text())["target"]["app"]
    assert target["context"] == "backend"
    assert target["cache-from"] == ["type=gha,scope=orders-staging"]
    assert target["output"] == ["type=oci,dest=../images/app.tar"]
    assert "cache-to" not in target


def test_a_push_beside_the_app_keeps_its_preview(called: Called, hub: LocalGitHub) -> None:
    deployed(hub)
    hub.state.differ(OLD, NEW, "frontend/main.ts")
    assert called.run("pull_request_target", **pushed()) == set()
    [status] = hub.state.commit_statuses[NEW]
    assert (status["context"], status["state"]) == ("preview/orders", "success")
    hub.state.differ(OLD, NEW, "backend/main.py")
    assert called.run("pull_request_target", **pushed()) == {"build"}


def test_a_run_that_a_person_starts_decides_by_the_number(called: Called, hub: LocalGitHub) -> None:
    deployed(hub)
    hub.state.differ(OLD, NEW, "frontend/main.ts")
    assert called.run("workflow_dispatch", inputs={}) == {"build"}


def test_an_app_that_is_renamed_into_another_gets_nothing(called: Called, hub: LocalGitHub) -> None:
    hub.state.write(NEW, "backend/preview.yaml", DESCRIPTION.replace("orders", "billing"))
    with pytest.raises(subprocess.CalledProcessError):
        called.run("pull_request_target", **pushed("labeled"))
    assert hub.state.deployments_to("orders-pr-42") == []
    assert hub.state.deployments_to("billing-pr-42") == []
