"""Requirements of every workflow, checked in the files themselves."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflows.actionlint import actionlint
from tests.workflows.expressions import evaluate
from tests.workflows.reading import (
    ACTIONS,
    GITHUB,
    JOBS,
    PROJECT,
    WORKFLOWS,
    Job,
    lines_of_code,
    steps,
)

PRIVILEGED = {"pull_request_target", "issue_comment", "workflow_run", "schedule"}
"""Events whose runs have the repository's secrets, whoever caused them."""

TOUCHES_A_STACK = re.compile(r"previews (?:up|reset-db|destroy|sweep --only)\b")

EXPECTED_WRITES = {
    "preview:start": {"actions"},
    "preview:keep": {"statuses"},
    "preview:preview": {"attestations", "deployments", "id-token", "pull-requests", "statuses"},
    "preview:reset": {"deployments", "id-token", "pull-requests", "statuses"},
    "preview:record": {"pull-requests", "statuses"},
    "preview-destroy:destroy": {"deployments", "id-token", "pull-requests", "statuses"},
    "preview-sweep:plan": {"id-token"},
    "preview-sweep:remove": {"deployments", "id-token", "pull-requests", "statuses"},
    "preview-refresh:refresh": {"id-token"},
    "preview-command:command": {"actions", "pull-requests"},
    "staging:staging": {"attestations", "id-token", "statuses"},
}
"""A job's write permissions; a job that is not listed has none."""


OPTIONAL = re.compile(r'\$\{(\w+):\+(--[a-z-]+ )?"\$\1"\}')
"""A quoted argument, with its option before it, that is left out where its variable is empty."""


def by_name(job: Job) -> str:
    return str(job)


def test_there_are_the_workflows() -> None:
    assert set(WORKFLOWS) == {
        *("ci", "preview", "preview-destroy", "preview-sweep", "preview-refresh"),
        *("preview-command", "staging", "mutants"),
    }
    assert len(list(GITHUB.glob("workflows/*"))) == len(WORKFLOWS)


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it() -> None:
    found: dict[str, set[str]] = {}
    for path, line in lines_of_code():
        match = re.match(r"\s*(?:- )?uses: (.+)$", line)
        if match is None:
            continue
        own = re.fullmatch(r"\$/\.github/actions/([a-z]+)", match[1])
        if own is not None:
            assert own[1] in ACTIONS, f"{path}: {line}"
            continue
        pinned = re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", match[1])
        assert pinned is not None, f"{path}: {line}"
        found.setdefault(pinned[1], set()).add(f"{pinned[2]} {pinned[3]}")
    assert len(found) >= 10
    assert {action: pins for action, pins in found.items() if len(pins) > 1} == {}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_starts_from_no_permission(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}


@pytest.mark.parametrize("job", JOBS, ids=by_name)
def test_a_job_may_change_what_the_table_says(job: Job) -> None:
    granted: dict[str, str] = job.body["permissions"]
    assert isinstance(granted, dict)
    assert {n for n, v in granted.items() if v == "write"} == EXPECTED_WRITES.get(str(job), set())


def test_no_expression_gets_into_a_shell() -> None:
    runs = [(where, step["run"]) for where, step in steps() if "run" in step]
    assert len(runs) >= 15
    assert [where for where, run in runs if "${{" in run] == []
    # `github-script` and the like would be shells by another name.
    assert [where for where, step in steps() if "script" in step.get("with", {})] == []


def test_what_a_shell_gets_is_quoted() -> None:
    for where, step in steps():
        run = OPTIONAL.sub("", step.get("run", ""))
        unquoted = re.sub(r'"[^"]*"', "", run)
        assert "$" not in unquoted, f"{where}: {run}"


@pytest.mark.parametrize("name", [n for n, w in WORKFLOWS.items() if PRIVILEGED & set(w["on"])])
def test_nothing_of_a_pull_request_is_checked_out_where_there_are_secrets(name: str) -> None:
    checkouts = [
        step
        for job in JOBS
        if job.workflow == name
        for step in job.steps
        if "actions/checkout@" in step.get("uses", "")
    ]
    assert checkouts
    for checkout in checkouts:
        assert checkout["with"]["ref"] in {
            # The commit that this file itself is from, and of a caller its default branch.
            "${{ job.workflow_sha }}",
            "${{ github.event.repository.default_branch }}",
        }
    text = (GITHUB / "workflows" / f"{name}.yml").read_text()
    for taken in ("pull_request.head", "head_ref", "head.sha", "pull_request.title", "refs/pull"):
        assert taken not in text
    # A stranger's text is compared, and used nowhere else.
    assert text.count("comment.body") == (1 if name == "preview-command" else 0)


def test_every_checkout_forgets_its_token() -> None:
    found = [s for _, s in steps() if "actions/checkout@" in s.get("uses", "")]
    assert len(found) >= 10
    assert all(step["with"]["persist-credentials"] is False for step in found)


def touching() -> list[Job]:
    return [j for j in JOBS if any(TOUCHES_A_STACK.search(s.get("run", "")) for s in j.steps)]


CONTEXTS: dict[str, dict[str, str]] = {
    "a push, or a command to bring it up": {"inputs.pull-request": "42"},
    "a closing": {"github.event.pull_request.number": "42"},
    "a command to remove it": {"inputs.pull-request": "42"},
    "a sweep": {"matrix.pull-request": "42"},
}


def test_one_pull_request_is_one_concurrency_group_whatever_happens_to_it() -> None:
    assert {str(job) for job in touching()} == {
        *("preview:preview", "preview:reset", "preview-destroy:destroy", "preview-sweep:remove"),
    }
    groups = set()
    for job in touching():
        for what, context in CONTEXTS.items():
            group = evaluate(job.body["concurrency"]["group"], context)
            of_a_sweep = job.workflow == "preview-sweep"
            of_a_push = job.workflow == "preview"
            if (what == "a sweep") == of_a_sweep and not (of_a_push and what == "a closing"):
                groups.add(group)
    assert groups == {"preview-42"}


@pytest.mark.parametrize("job", touching(), ids=by_name)
def test_what_touches_a_stack_is_never_cancelled_and_never_dropped(job: Job) -> None:
    concurrency = job.body["concurrency"]
    assert concurrency["cancel-in-progress"] is False
    assert concurrency["queue"] == "max"
    # A group of the whole workflow would drop a waiting run before its job's own group applies.
    workflow = WORKFLOWS[job.workflow].get("concurrency")
    assert workflow is None or workflow["cancel-in-progress"] is False


def test_staging_is_deployed_one_after_the_other() -> None:
    concurrency = WORKFLOWS["staging"]["concurrency"]
    group = {"group": evaluate(concurrency["group"], {})}
    assert concurrency | group == {"group": "staging", "cancel-in-progress": False, "queue": "max"}


def role_seconds() -> int:
    [step] = [
        step
        for step in ACTIONS["tools"]["runs"]["steps"]
        if "configure-aws-credentials@" in step.get("uses", "")
    ]
    return int(step["with"]["role-duration-seconds"])


@pytest.mark.parametrize("job", JOBS, ids=by_name)
def test_a_job_ends_before_its_credentials_do(job: Job) -> None:
    minutes = job.body["timeout-minutes"]
    assert 0 < minutes <= 60
    if job.uses("/actions/tools"):
        # At the latest, the role is assumed after a minute and a half: the margin is
        # the time in which a cancelled job writes its state.
        assert minutes * 60 <= role_seconds() - 300
    assert role_seconds() <= 3600, "a role grants no more unless its own limit is raised"


@pytest.mark.parametrize("job", JOBS, ids=by_name)
def test_credentials_are_granted_to_an_environment(job: Job) -> None:
    wants = job.body["permissions"].get("id-token") == "write"
    # The token that reads a private repository of the platform is no credential of AWS.
    secrets = "secrets." in str(job.body).replace("secrets.PLATFORM_TOKEN", "")
    assert (job.environment in {"preview", "staging"}) is (wants or secrets)
    if wants:
        # `environment: preview` for previews, `staging` for staging and for its restored data.
        of_staging = job.workflow in {"staging", "preview-refresh"}
        assert job.environment == ("staging" if of_staging else "preview")
    if job.environment == "preview":
        assert job.body["environment"]["deployment"] is False


def test_only_one_workflow_runs_a_pull_request_s_own_code_with_credentials() -> None:
    with_credentials = {job.workflow for job in JOBS if job.environment}
    own_code = {name for name in with_credentials if not PRIVILEGED & set(WORKFLOWS[name]["on"])}
    assert own_code == {"preview", "staging"}
    # Whether it may is decided without credentials, before the environment is asked for.
    # Under `pull_request` the file itself is the pull request's: AWS trusts it from the default
    # branch alone, and so it is started from there.
    allowed = "github.event_name == 'workflow_dispatch' && needs.decide.outputs.action == 'up'"
    jobs = {job.name: job for job in JOBS if job.workflow == "preview" and job.environment}
    assert {name: job.body["if"] for name, job in jobs.items()} == {
        "preview": f"{allowed} && !inputs.reset-database",
        "reset": f"{allowed} && inputs.reset-database",
    }
    assert {job.body["needs"] for job in jobs.values()} == {"decide"}


def test_the_roles_trust_the_workflows_that_take_them_and_no_other() -> None:
    from infra.ci.deploy_role import WORKFLOWS as TRUSTED

    taking: dict[str, set[str]] = {}
    for job in JOBS:
        if job.environment and job.body["permissions"].get("id-token") == "write":
            taking.setdefault(job.environment, set()).add(f"{job.workflow}.yml")
    assert taking == {environment: set(files) for environment, files in TRUSTED.items()}


def test_every_command_of_a_step_exists() -> None:
    import typer

    from previews.cli import app

    known: Any = typer.main.get_command(app)
    used = set()
    for _, step in steps():
        for line in step.get("run", "").splitlines():
            words = shlex.split(OPTIONAL.sub(r"\2", line))
            if words[:2] == ["exec", "sudo"]:
                words = words[[word.endswith("/previews") for word in words].index(True) :]
            if words and words[0].endswith("previews"):
                used.add(words[1])
                options = {
                    opt for parameter in known.commands[words[1]].params for opt in parameter.opts
                }
                assert {word for word in words if word.startswith("--")} <= options, line
    expected = {
        "app",
        "unchanged",
        "start",
        "decide",
        "preflight",
        "up",
        "reset-db",
        "destroy",
        "sweep",
        "obey",
        "tests",
    }
    assert used >= expected | {"deploy-staging", "refresh"}


def job(workflow: str, name: str) -> Job:
    [found] = [one for one in JOBS if (one.workflow, one.name) == (workflow, name)]
    return found


def test_tests_of_a_pull_request_have_no_credential() -> None:
    """Neither from the job, nor from the memory of its runner, nor from a file that it leaves."""
    tests = job("preview", "tests")
    assert tests.body["permissions"] == {"contents": "read"}
    assert tests.environment is None
    text = str(tests.body)
    for credential in ("secrets.", "github.token", "vars.", "id-token", "/actions/tools"):
        assert credential not in text
    code, commit, results = [step for step in tests.steps if "uses" in step]
    # A private repository of the platform would be read with a token.
    assert code["uses"].startswith("actions/download-artifact@")
    assert code["with"] == {"name": "platform-${{ needs.platform.outputs.attempt }}"}
    assert commit["uses"].startswith("actions/checkout@")
    assert commit["with"]["path"] == "app"
    assert commit["with"]["ref"] == "${{ needs.decide.outputs.sha }}"
    assert results["uses"].startswith("actions/upload-artifact@")
    [own_user, run, read] = [step["run"] for step in tests.steps if "run" in step]
    # Not the pull request's, and before its code runs.
    assert "make --directory=/opt/platform setup PYTHON=/usr/bin/python3\n" in own_user
    assert "sudo useradd --create-home tests" in own_user
    assert run.startswith("exec sudo --user=tests ")
    assert " /opt/platform/.venv/bin/previews tests run " in run
    # A link that they leave leads no further than their user may read.
    assert "sudo --user=tests tar " in read
    assert "find results ! -type f ! -type d -delete" in read


def test_the_result_of_tests_is_recorded_by_the_platform_s_code_whatever_it_is() -> None:
    record = job("preview", "record")
    assert record.body["if"] == "always() && needs.preview.outputs.tests == 'true'"
    assert record.environment is None
    platform, app = [step["with"] for step in record.steps if "checkout@" in step.get("uses", "")]
    assert platform["ref"] == "${{ job.workflow_sha }}"
    assert "ref" not in app, "the default branch's"
    [download] = [step for step in record.steps if "download-artifact@" in step.get("uses", "")]
    assert download["continue-on-error"] is True
    # The commit is what was decided on: a result names none.
    assert "${{ needs.decide.outputs.sha }}" in str(record.steps[-1]["env"])
    deploy = job("preview", "preview")
    assert record.body["concurrency"] == deploy.body["concurrency"]


def test_every_make_target_of_a_step_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    used = {
        step["run"].split()[1] for _, step in steps() if step.get("run", "").startswith("make ")
    }
    assert used == {"setup", "check", "test-unit", "test", "audit", "workflows", "mutate"}
    assert used <= targets


@pytest.mark.parametrize("name", ACTIONS)
def test_a_local_action_gets_exactly_its_inputs(name: str) -> None:
    calls = [s for _, s in steps() if s.get("uses") == f"$/.github/actions/{name}"]
    assert calls
    for call in calls:
        assert set(call["with"]) == set(ACTIONS[name]["inputs"])


def test_ci_passes_only_when_every_job_did() -> None:
    jobs = set(WORKFLOWS["ci"]["jobs"]) - {"passed"}
    assert set(WORKFLOWS["ci"]["jobs"]["passed"]["needs"]) == jobs


def test_the_image_is_built_when_a_file_that_it_holds_has_changed() -> None:
    (step,) = (s for s in WORKFLOWS["ci"]["jobs"]["changes"]["steps"] if s.get("id") == "filter")
    filtered = set(yaml.safe_load(step["with"]["filters"])["image"])
    copied = {
        source
        for dockerfile in ("Dockerfile", "database/Dockerfile")
        for line in (PROJECT / dockerfile).read_text().splitlines()
        if line.startswith("COPY ") and "--from=" not in line
        for source in line.split()[1:-1]
    }
    assert {"requirements/database.txt", "service", "database"} <= copied
    folders = {source for source in copied if (PROJECT / source).is_dir()}
    files = copied - folders
    assert {f"{folder}/**" for folder in folders} <= filtered
    assert {f"{Path(file).parent}/**" for file in files} <= filtered


PULUMI = "3.274.1"
"""The command line and the engine: every pin of them."""

PULUMI_SDK = "3.272.0"
"""The SDK of Python that is tested with it; the newest in the registry when they were paired."""


def test_pulumi_is_pinned_as_one_pair_of_command_line_and_sdk() -> None:
    from sandbox.tools.recipes import PULUMI_VERSION

    (installed,) = (
        step["with"]["pulumi-version"]
        for step in ACTIONS["tools"]["runs"]["steps"]
        if "pulumi/actions@" in step.get("uses", "")
    )
    assert installed == PULUMI_VERSION == PULUMI
    # Whatever else installs it in CI would be a second pin.
    assert [where for where, line in lines_of_code() if "pulumi-version" in line] == [
        GITHUB / "actions" / "tools" / "action.yml"
    ]
    modules = (PROJECT / "sandbox" / "tools" / "modules").glob("pulumi*/**/go.mod")
    pinned = {
        (str(path), version)
        for path in modules
        for version in re.findall(r"pulumi/pulumi/(?:pkg|sdk)/v3 v(\S+)", path.read_text())
        if "language-python" not in str(path)
    }
    assert len(pinned) >= 3
    assert {version for _, version in pinned} == {PULUMI}
    locked = re.search(
        r"^pulumi==(\S+) ", (PROJECT / "requirements" / "dev.txt").read_text(), re.MULTILINE
    )
    assert locked is not None
    assert locked[1] == PULUMI_SDK
    # The SDK of a newer minor version may call what the engine does not have.
    assert _numbers(PULUMI_SDK) <= _numbers(PULUMI)
    lower = re.search(r'"pulumi>=([\d.]+),<4"', (PROJECT / "pyproject.toml").read_text())
    assert lower is not None
    assert PULUMI_SDK.startswith(lower[1])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def test_zizmor_has_no_finding() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    found = subprocess.run(
        [zizmor, "--offline", "--pedantic", "--no-progress", GITHUB],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_what_zizmor_is_told_to_pass_over_has_a_reason() -> None:
    ignored = [line for _, line in lines_of_code() if "zizmor: ignore" in line]
    assert len(ignored) == 4
    for line in ignored:
        assert re.search(r"zizmor: ignore\[[a-z-]+\] \w.{20,}$", line), line


@pytest.mark.sandbox
def test_actionlint_has_no_finding() -> None:
    found = subprocess.run([actionlint()], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_an_image_that_is_built_again_has_a_tag_of_its_own() -> None:
    """A tag never moves (infra/foundation/registry.py); provenance has the time of the build."""
    (build,) = (step for step in ACTIONS["image"]["runs"]["steps"] if step.get("id") == "build")
    run = {"github.run_id": "7", "github.run_attempt": "2"}
    tag = evaluate(
        build["with"]["tags"], {"inputs.repository": "r", "inputs.tag": "pr-42-a", **run}
    )
    assert tag == "r:pr-42-a-7-2"
