"""The workflow that `previews adopt` writes fits the workflows of the platform that it calls."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contract.preview import Preview
from contract.stack_name import AppName
from infra.ci.deploy_role import WORKFLOWS as TRUSTED
from previews.adoption.workflow import CALLABLE, parse_platform, workflow
from previews.pull_request.deploying_workflows import Action, workflow_for
from previews.settings import Settings
from tests.workflows.actionlint import actionlint
from tests.workflows.expressions import evaluate, holds
from tests.workflows.reading import GITHUB, WORKFLOWS, document

PLATFORM = parse_platform("acme/previews@main")
APPS = {"orders": Path(), "billing": Path("services/billing")}
OF_THE_PLATFORM = "preview-infra-diff"
"""Called by `preview.yml` for the platform's own app alone: no other app has a program."""

LEVELS = ("none", "read", "write")


def caller(folder: Path, name: str) -> Path:
    """Write the workflow of an app into a repository of its own."""
    path = folder / ".github" / "workflows" / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(workflow(PLATFORM, APPS[name], "main", name))
    return path


@pytest.fixture(params=APPS)
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The jobs of an app's workflow."""
    return dict(document(caller(tmp_path, request.param))["jobs"])


def called(job: Mapping[str, Any]) -> str:
    """Return the name of the workflow that a job calls."""
    match = re.fullmatch(r"acme/previews/\.github/workflows/([a-z-]+)\.yml@main", job["uses"])
    assert match is not None, job["uses"]
    return match[1]


def test_each_job_calls_a_workflow_that_can_be_called(jobs: dict[str, dict[str, Any]]) -> None:
    callable_ = {
        name
        for name, one in WORKFLOWS.items()
        if "workflow_call" in one["on"] and name != OF_THE_PLATFORM
    }
    assert {called(job) for job in jobs.values()} == callable_
    # Every workflow that takes a role, and the one that starts them.
    trusted = {file.removesuffix(".yml") for files in TRUSTED.values() for file in files}
    assert callable_ == (trusted - {OF_THE_PLATFORM}) | {"preview-command"}
    assert {f"{name}.yml" for name in callable_} == CALLABLE


def test_a_job_passes_exactly_the_inputs_and_secrets(jobs: dict[str, dict[str, Any]]) -> None:
    for job in jobs.values():
        declared = WORKFLOWS[called(job)]["on"]["workflow_call"]
        assert set(job["with"]) == set(declared["inputs"])
        assert set(job["secrets"]) == set(declared["secrets"])
        # An environment's own secret is used in a called job only under the name that is passed.
        assert all(value == f"${{{{ secrets.{key} }}}}" for key, value in job["secrets"].items())


def test_a_number_is_passed_as_one(jobs: dict[str, dict[str, Any]]) -> None:
    """GitHub refuses a text for it, which a manual run's input is (actions/runner#2848)."""
    for job in jobs.values():
        for name, declared in WORKFLOWS[called(job)]["on"]["workflow_call"]["inputs"].items():
            value = str(job["with"][name])
            assert (declared["type"] == "number") is ("fromJSON(" in value), name
            assert (declared["type"] == "boolean") is ("==" in value), name


def test_a_job_grants_what_the_called_jobs_want_and_no_more(
    jobs: dict[str, dict[str, Any]],
) -> None:
    for job in jobs.values():
        wanted: dict[str, str] = {}
        for one in WORKFLOWS[called(job)]["jobs"].values():
            for name, level in one["permissions"].items():
                wanted[name] = max(wanted.get(name, "none"), level, key=LEVELS.index)
        assert job["permissions"] == wanted, called(job)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        *(
            ({"github.event_name": "pull_request_target", "github.event.action": action}, job)
            for job, actions in (
                ("preview", ("opened", "reopened", "labeled", "synchronize", "ready_for_review")),
                ("destroy", ("closed", "unlabeled")),
            )
            for action in actions
        ),
        ({"github.event_name": "push"}, "staging"),
        ({"github.event_name": "schedule", "github.event.schedule": "17 * * * *"}, "sweep"),
        ({"github.event_name": "schedule", "github.event.schedule": "43 4 * * 1"}, "refresh"),
        ({"github.event_name": "workflow_dispatch", "inputs.action": "up"}, "preview"),
        ({"github.event_name": "workflow_dispatch", "inputs.action": "reset-database"}, "preview"),
        ({"github.event_name": "workflow_dispatch", "inputs.action": "destroy"}, "destroy"),
        (
            {
                "github.event_name": "issue_comment",
                "github.event.issue.pull_request": "{}",
                "github.event.comment.body": "/preview",
            },
            "command",
        ),
        (
            {
                "github.event_name": "issue_comment",
                "github.event.issue.pull_request": "{}",
                "github.event.comment.body": "nice",
            },
            None,
        ),
    ],
)
def test_each_event_runs_one_job(
    jobs: dict[str, dict[str, Any]], context: dict[str, str], expected: str | None
) -> None:
    run = [name for name, job in jobs.items() if holds(" ".join(job["if"].split()), context)]
    assert run == ([expected] if expected else [])


def test_every_event_of_the_caller_is_one_that_runs_a_job(tmp_path: Path) -> None:
    on = document(caller(tmp_path, "orders"))["on"]
    assert set(on) == {
        *("pull_request_target", "issue_comment", "push", "schedule", "workflow_dispatch"),
    }
    comments = WORKFLOWS["preview-command"]["on"]["issue_comment"]
    assert on["issue_comment"]["types"] == comments["types"]
    of_each = [
        WORKFLOWS[name]["on"]["pull_request_target"]["types"]
        for name in ("preview", "preview-destroy")
    ]
    assert on["pull_request_target"]["types"] == [*of_each[0], *of_each[1]]


@pytest.mark.parametrize("action", Action)
def test_what_is_started_is_an_input_of_the_caller(tmp_path: Path, action: Action) -> None:
    ref = "acme/shop/.github/workflows/preview-orders.yml@refs/heads/main"
    settings = Settings(workflow_ref=ref)
    started = workflow_for(action, Preview(42, AppName("orders")), settings)
    inputs = document(caller(tmp_path, "orders"))["on"]["workflow_dispatch"]["inputs"]
    assert started.file == "preview-orders.yml"
    assert set(started.inputs) == set(inputs)
    assert started.inputs["action"] in inputs["action"]["options"]
    assert set(inputs["action"]["options"]) == {each.value for each in Action}


@pytest.mark.parametrize("action", Action)
def test_the_platform_s_own_are_started_with_their_inputs(action: Action) -> None:
    started = workflow_for(action, Preview(42), Settings())
    inputs = WORKFLOWS[started.file.removesuffix(".yml")]["on"]["workflow_dispatch"]["inputs"]
    assert set(started.inputs) <= set(inputs)
    assert {name for name, one in inputs.items() if one["required"]} <= set(started.inputs)


def contexts(job: Mapping[str, Any]) -> dict[str, str]:
    """The inputs of the called workflow, for pull request 42."""
    given = {name: str(value) for name, value in job["with"].items()}
    return {f"inputs.{name}": value for name, value in given.items()} | {
        "inputs.pull-request": "42",
        "matrix.pull-request": "42",
        "github.event.comment.id": "7",
    }


def groups_and_environments(path: Path) -> tuple[set[str], set[str]]:
    """Every concurrency group and environment of the workflows that a workflow calls."""
    groups, environments = set(), set()
    for job in document(path)["jobs"].values():
        content, context = WORKFLOWS[called(job)], contexts(job)
        bodies = [content, *content["jobs"].values()]
        groups |= {
            evaluate(b["concurrency"]["group"], context) for b in bodies if "concurrency" in b
        }
        named = (b["environment"]["name"] for b in bodies if "environment" in b)
        environments |= {evaluate(name, context) for name in named}
    return groups, environments


def test_two_apps_of_a_repository_share_no_name(tmp_path: Path) -> None:
    names = [document(caller(tmp_path, name))["name"] for name in APPS]
    assert names == ["Previews of orders", "Previews of billing"]
    (groups, environments), (others, further) = (
        groups_and_environments(caller(tmp_path, name)) for name in APPS
    )
    # The platform's own, in jobs that a called run leaves out (test_trust.py).
    program = {"preview-infra", "preview-infra-plan"}
    assert environments - program == {"orders-preview", "orders-staging"}
    assert further - program == {"billing-preview", "billing-staging"}
    assert groups == {
        *("orders-preview-42", "orders-preview-tests-42", "orders-preview-command-7"),
        "orders-preview-sweep",
        *("orders-staging", "orders-staging-refresh", "preview-infra-42"),
    }
    assert groups & others == {"preview-infra-42"}


def test_a_called_job_takes_the_platform_by_its_own_commit_and_the_app_as_data() -> None:
    for name, content in WORKFLOWS.items():
        if "workflow_call" not in content["on"] or name == OF_THE_PLATFORM:
            continue
        context = {"inputs.app": "backend", "inputs.environment": "orders-preview"}
        env = {key: evaluate(value, context) for key, value in content["env"].items()}
        of_app = (
            {"PREVIEWS_FOLDER": "backend"}
            if name in FROM_GITHUB
            else {"PREVIEWS_APP": "caller/backend"}
        )
        expected = of_app | {"PREVIEWS_ENVIRONMENT": "orders-preview"}
        assert {key: value for key, value in env.items() if value} == expected
        of_the_platform = {evaluate(value, {}) for value in content["env"].values()}
        assert of_the_platform == ({"", "."} if name in FROM_GITHUB else {""})
        for one, job in content["jobs"].items():
            if f"{name}:{one}" in WITHOUT_THE_PLATFORM:
                continue
            platform, *app = (s for s in job["steps"] if "actions/checkout@" in s.get("uses", ""))
            at = {"job.workflow_sha": "f" * 40, "job.workflow_repository": "acme/previews"}
            taken = {
                key: evaluate(str(value), at | context) for key, value in platform["with"].items()
            }
            assert (taken["repository"], taken["ref"]) == ("acme/previews", "f" * 40), name
            assert "path" not in taken
            assert len(app) == (name not in FROM_GITHUB)
            for checkout in app:
                assert (checkout["if"], checkout["with"]["path"]) == ("inputs.app", "caller")
                assert "repository" not in checkout["with"], "it is the caller's"
                # The first check-out empties the folder of the others.
                assert job["steps"].index(platform) < job["steps"].index(checkout)


FROM_GITHUB = {"preview"}
"""Called workflows that read the app's files from GitHub, at the pull request's commit."""

WITHOUT_THE_PLATFORM = {
    "preview:build": "has the app's code alone",
    "preview:scan": "has images alone",
    "preview:tests": "has the platform's code as an artifact",
    "preview:infra-diff": "is of the platform's own app",
    "preview:report-diff": "is of the platform's own app",
    "preview:deploy-infra": "is of the platform's own app",
}
"""Called jobs that do not check out the platform and the app's default branch, with why."""


def test_nothing_of_the_caller_is_run_outside_of_its_build() -> None:
    text = "".join(path.read_text() for path in GITHUB.glob("workflows/*.yml"))
    assert "working-directory" not in text
    assert [line for line in text.splitlines() if "run:" in line and "caller" in line] == []


def test_zizmor_has_no_finding_in_a_caller(tmp_path: Path) -> None:
    for name in APPS:
        caller(tmp_path, name)
    found = subprocess.run(
        [
            Path(sys.executable).with_name("zizmor"),
            *("--offline", "--persona=auditor", "--no-progress", tmp_path / ".github"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.sandbox
def test_actionlint_has_no_finding_in_a_caller(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for name in APPS:
        caller(tmp_path, name)
    found = subprocess.run(
        [actionlint()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
