"""Requirements of every workflow, checked in the files themselves."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from previews.settings import Settings
from tests.workflows.actionlint import actionlint
from tests.workflows.expressions import evaluate, holds
from tests.workflows.reading import (
    ACTIONS,
    CALLS,
    GITHUB,
    JOBS,
    PROJECT,
    WORKFLOWS,
    Job,
    lines_of_code,
    steps,
)
from tests.workflows.trust import Files

PRIVILEGED = {"pull_request_target", "issue_comment", "workflow_run", "schedule"}
"""Events whose runs have the repository's secrets, whoever caused them."""

TOUCHES_A_STACK = re.compile(r"previews (?:up|reset-db|destroy|sweep --only)\b")

SHOWS = {"deployments": "write", "pull-requests": "write", "statuses": "write"}
"""Permissions of a command that shows something in a pull request."""

NEEDED_BY_COMMAND: dict[str, dict[str, str]] = {
    "app image": {},
    "decide": dict.fromkeys(("contents", *SHOWS), "read"),
    "decide --announce": SHOWS | {"contents": "read"},
    "deploy-staging": {"actions": "read", "statuses": "write"},
    "destroy": SHOWS | {"actions": "read"},
    # It reads nothing of GitHub.
    "doctor --from-ci": {},
    "ended": SHOWS,
    "infra-diff": {},
    "obey": {"actions": "write", "pull-requests": "write"},
    "refresh": {"actions": "read"},
    "report-diff": {"pull-requests": "write"},
    "reset-db": SHOWS | {"actions": "read", "contents": "read"},
    "sweep": {"deployments": "read", "pull-requests": "read"},
    "sweep --only": SHOWS | {"actions": "read"},
    "tests record": {"pull-requests": "write", "statuses": "write"},
    "tests run": {},
    "up": SHOWS | {"actions": "read", "contents": "read"},
}
"""Permissions that a command needs; the local GitHub refuses what a job's token may not do."""

NEEDED_BY_ACTION: dict[str, dict[str, str]] = {
    "actions/checkout": {"contents": "read"},
    "actions/attest": {"attestations": "write", "id-token": "write"},
    "aws-actions/configure-aws-credentials": {"id-token": "write"},
    "dorny/paths-filter": {"pull-requests": "read"},
}
"""Permissions that an action needs."""

LEVELS = ("none", "read", "write")


OPTIONAL = re.compile(r'\$\{(\w+):\+(--[a-z-]+)?(?: ?"\$\1")?\}')
"""An option, a quoted argument or both, which are left out where their variable is empty."""


def by_name(job: Job) -> str:
    return str(job)


def test_there_are_the_workflows() -> None:
    assert set(WORKFLOWS) == {
        *("ci", "preview", "preview-destroy", "preview-sweep", "preview-refresh"),
        *("preview-command", "preview-infra-diff", "staging", "mutants"),
    }
    assert len(list(GITHUB.glob("workflows/*"))) == len(WORKFLOWS)


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it() -> None:
    found: dict[str, set[str]] = {}
    for path, line in lines_of_code():
        match = re.match(r"\s*(?:- )?uses: (.+)$", line)
        if match is None:
            continue
        own = re.fullmatch(r"\$/\.github/(actions/[a-z]+|workflows/[a-z-]+\.yml)", match[1])
        if own is not None:
            assert (GITHUB / own[1]).exists(), f"{path}: {line}"
            continue
        pinned = re.fullmatch(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", match[1])
        assert pinned is not None, f"{path}: {line}"
        found.setdefault(pinned[1], set()).add(f"{pinned[2]} {pinned[3]}")
    assert len(found) >= 10
    assert {action: pins for action, pins in found.items() if len(pins) > 1} == {}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_starts_from_no_permission(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}


def commands(step: Mapping[str, Any]) -> Iterator[list[str]]:
    """The commands of the project's own that a step runs, each as its words."""
    for line in step.get("run", "").splitlines():
        words = shlex.split(OPTIONAL.sub(r"\2", line))
        for at, word in enumerate(words):
            if word == "previews" or word.endswith("/bin/previews"):
                yield words[at + 1 :]


def needed(step: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    yield NEEDED_BY_ACTION.get(step.get("uses", "").partition("@")[0], {})
    for words in commands(step):
        [longest, *_] = sorted(
            (one for one in NEEDED_BY_COMMAND if set(one.split()) <= {*words}),
            key=lambda one: -len(one.split()),
        )
        yield NEEDED_BY_COMMAND[longest]


@pytest.mark.parametrize("job", JOBS, ids=by_name)
def test_a_job_has_exactly_the_permissions_that_its_steps_need(job: Job) -> None:
    wanted: dict[str, str] = {}
    for step in Files(WORKFLOWS, ACTIONS).steps(job.body):
        for one in needed(step):
            for name, level in one.items():
                wanted[name] = max(wanted.get(name, "none"), level, key=LEVELS.index)
    assert job.body["permissions"] == wanted


def called(call: Job) -> str:
    """Return the name of the workflow that a job calls: the file is of the same commit."""
    match = re.fullmatch(r"\$/\.github/workflows/([a-z-]+)\.yml", call.body["uses"])
    assert match is not None, call.body["uses"]
    return match[1]


@pytest.mark.parametrize("call", CALLS, ids=by_name)
def test_a_call_passes_what_the_called_workflow_declares(call: Job) -> None:
    declared = WORKFLOWS[called(call)]["on"]["workflow_call"]
    assert call.body["with"].keys() == declared["inputs"].keys()
    # An environment's own secret is used in a called job only under the name that is passed.
    assert call.body["secrets"] == {
        name: f"${{{{ secrets.{name} }}}}" for name in declared["secrets"]
    }
    wanted: dict[str, str] = {}
    for one in JOBS:
        if one.workflow == called(call):
            wanted |= one.body["permissions"]
    assert call.body["permissions"] == wanted


def test_a_token_of_a_pull_request_s_program_names_a_file_of_its_own() -> None:
    """GitHub signs that name into what Sigstore and AWS trust: no other job may have it."""
    [call] = CALLS
    assert (str(call), called(call)) == ("preview:infra-diff", "preview-infra-diff")
    assert [one.name for one in JOBS if one.workflow == "preview-infra-diff"] == ["compare"]
    assert set(WORKFLOWS["preview-infra-diff"]["on"]) == {"workflow_call"}


def test_a_command_is_the_first_process_of_its_step() -> None:
    """GitHub signals the end of a run to that alone, and a shell does not pass it on."""
    lines = [
        line.strip()
        for _, step in steps()
        for line in step.get("run", "").splitlines()
        if any(commands({"run": line}))
    ]
    assert len(lines) >= 17
    assert [line for line in lines if not line.startswith("exec ")] == []


@pytest.mark.parametrize("job", [one for one in JOBS if one.workflow == "preview"], ids=by_name)
def test_a_job_of_a_preview_starts_the_command_line_once(job: Job) -> None:
    """So a push has two of them, and two more for the app's own tests."""
    started = [words for step in job.steps for words in commands(step)]
    assert len(started) == (job.name not in {"build", "scan"})


@pytest.mark.parametrize("job", JOBS, ids=by_name)
def test_what_reaches_aws_or_a_preview_runs_where_the_repository_says(job: Job) -> None:
    """The API of the cluster and the previews may be closed to GitHub's own runners."""
    reaches = job.uses("/actions/tools") or str(job) == "preview:tests"
    runner = "${{ vars.PREVIEWS_RUNNER || 'ubuntu-24.04' }}" if reaches else "ubuntu-24.04"
    assert job.body["runs-on"] == runner


NOT_VARIABLES = {
    "PREVIEWS_APP": "the folder is an input of a called workflow",
    "PREVIEWS_FOLDER": "is the same within the repository",
    "PREVIEWS_ENVIRONMENT": "the environment is an input, too",
    "PREVIEWS_PROJECT": "is the checkout",
    "PREVIEWS_PROGRAM": "is the pull request's, where its program is run",
    "PREVIEWS_POLICY_PACK": "is the default branch's, so that no variable weakens it",
    "PREVIEWS_BYPASS": "is a secret, which CI reads from Secrets Manager",
    "PREVIEWS_LOCAL": "is for one machine",
    "PREVIEWS_LABELS": "is for one machine",
    "PREVIEWS_PULUMI_LOG": "is for one machine",
}
"""Settings that are no variables of a repository, with why."""


def own_settings() -> set[str]:
    """The settings of the command line that are not GitHub's own variables."""
    settings = {str(one.validation_alias) for one in Settings.model_fields.values()}
    return {setting for setting in settings if setting.startswith("PREVIEWS_")}


def test_what_is_no_variable_is_a_setting() -> None:
    assert NOT_VARIABLES.keys() <= own_settings()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_setting_reaches_what_runs_the_commands(name: str) -> None:
    ours = own_settings()
    runs = any(any(commands(step)) for job in JOBS if job.workflow == name for step in job.steps)
    env = WORKFLOWS[name].get("env", {})
    variables = {key: value for key, value in env.items() if "vars." in value}
    expected = {each: f"${{{{ vars.{each} }}}}" for each in ours - NOT_VARIABLES.keys()}
    assert variables == (expected if runs else {})


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
def test_nothing_that_a_stranger_writes_is_used(name: str) -> None:
    """Which commits are checked out where is in test_trust.py."""
    text = (GITHUB / "workflows" / f"{name}.yml").read_text()
    # GitHub's number of a commit, to say that its preview failed.
    of_commit = "needs.decide.outputs.sha || github.event.pull_request.head.sha"
    assert text.count(of_commit) == (name == "preview")
    text = text.replace(of_commit, "")
    for taken in (
        "pull_request.head",
        "head_ref",
        "head.sha",
        "pull_request.title",
        "pull_request.body",
    ):
        assert taken not in text
    # A comment is compared, and used nowhere else.
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
        *("preview:deploy", "preview:reset", "preview:deploy-infra"),
        *("preview-destroy:destroy", "preview-sweep:remove"),
    }
    groups = {}
    for job in touching():
        for what, context in CONTEXTS.items():
            group = evaluate(job.body["concurrency"]["group"], context)
            if (what == "a sweep") == (job.workflow == "preview-sweep"):
                groups.setdefault(str(job), set()).add(group)
    # A job holds its group while it waits for its reviewer, and a closing can't wait for that: the
    # stack's lock keeps the two apart.
    assert groups.pop("preview:deploy-infra") == {"preview-infra-42"}
    assert set.union(*groups.values()) == {"preview-42"}


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
    assert (job.environment is not None) is (wants or secrets)
    if wants:
        # `environment: preview` for previews, `staging` for staging and for its restored data.
        of_staging = job.workflow in {"staging", "preview-refresh"}
        assert job.environment == OF_A_CHANGED_PROGRAM.get(
            str(job), "staging" if of_staging else "preview"
        )
    if job.environment not in {None, "staging"}:
        assert job.body["environment"]["deployment"] is False


OF_A_CHANGED_PROGRAM = {
    "preview-infra-diff:compare": "preview-infra-plan",
    "preview:deploy-infra": "preview-infra",
}
"""Environments of the jobs that run a pull request's own program."""


def test_what_deploys_is_decided_on_before_the_environment_is_asked_for() -> None:
    """As people read it; each job with an environment needs a decision to bring the preview up."""
    jobs = {job.name: job.body for job in JOBS if job.workflow == "preview" and job.environment}
    assert jobs.keys() == {"deploy", "reset", "deploy-infra"}
    decided = {
        "needs.decide.outputs.action": "up",
        "needs.decide.outputs.infra": "false",
        "needs.decide.outputs.infra-approved": "false",
        "inputs.reset-database": "false",
    }
    infra = {"needs.decide.outputs.infra": "true"}
    approved = infra | {"needs.decide.outputs.infra-approved": "true"}
    reset = {"inputs.reset-database": "true"}
    table: list[tuple[dict[str, str], set[str]]] = [
        ({}, {"build", "deploy"}),
        (infra, {"build", "deploy", "infra-diff"}),
        (approved, {"build", "deploy-infra", "infra-diff"}),
        # Its label alone changes nothing, nor for an app, which has no program.
        ({"needs.decide.outputs.infra-approved": "true"}, {"build", "deploy"}),
        (approved | {"inputs.app": "backend"}, {"build", "deploy"}),
        (reset, {"reset"}),
        (reset | approved, {"reset"}),
        *(
            ({"needs.decide.outputs.action": each}, set())
            for each in ("keep", "skip", "destroy", "")
        ),
        (reset | {"needs.decide.outputs.action": "skip"}, set()),
    ]
    for changed, expected in table:
        assert run_of_preview(decided | changed) == expected, changed


def run_of_preview(context: Mapping[str, str]) -> set[str]:
    """The jobs with code or an environment that run; each that runs is a success."""
    ran = {"decide"}
    for job in JOBS + CALLS:
        if job.workflow == "preview":
            lacking = not ran >= set(job.needs)
            if holds(job.body.get("if", ""), context, failed=lacking):
                ran.add(job.name)
    return ran & {"build", "deploy", "reset", "infra-diff", "deploy-infra"}


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ({"build": "success", "scan": "success", "deploy": "success"}, False),
        ({"build": "success", "scan": "success", "deploy-infra": "success"}, False),
        ({"build": "failure"}, True),
        ({"build": "success", "scan": "failure"}, True),
        ({"build": "success", "scan": "success", "deploy": "failure"}, True),
        ({"build": "success", "scan": "success", "deploy": "cancelled"}, True),
        ({"build": "success", "scan": "success", "deploy-infra": "failure"}, True),
        ({"build": "cancelled"}, True),
    ],
)
def test_a_run_that_deploys_nothing_says_so(results: dict[str, str], *, says: bool) -> None:
    ended = job("preview", "ended")
    of_each = dict.fromkeys(("build", "scan", "deploy", "deploy-infra"), "skipped") | results
    context = {f"needs.{name}.result": result for name, result in of_each.items()}
    context |= {"needs.decide.outputs.action": "up", "inputs.reset-database": "false"}
    context["needs.decide.result"] = "success"
    cancelled = "cancelled" in results.values()
    assert holds(ended.body["if"], context, failed=True, cancelled=cancelled) is says
    for no_preview in ({"needs.decide.outputs.action": "skip"}, {"inputs.reset-database": "true"}):
        assert not holds(ended.body["if"], context | no_preview, failed=True)


@pytest.mark.parametrize(("given", "confirmed"), [("", "0"), ("0", "0"), ("12", "12")])
def test_a_person_can_let_most_previews_go_at_once(given: str, confirmed: str) -> None:
    """A scheduled run and another app's have no such input."""
    asked = WORKFLOWS["preview-sweep"]["on"]["workflow_dispatch"]["inputs"]["confirm"]
    assert (asked["type"], asked["default"]) == ("number", 0)
    [step] = [step for step in job("preview-sweep", "plan").steps if step.get("id") == "sweep"]
    assert evaluate(step["env"]["CONFIRM"], {"inputs.confirm": given}) == confirmed
    assert step["run"] == 'exec previews sweep --confirm "$CONFIRM"'


def test_what_a_job_hands_over_is_fetched_by_the_number_that_the_job_puts_out() -> None:
    """Code in another job can take an artifact away, and leave another under the same name."""
    fetched = [
        (one, step)
        for one in JOBS
        for step in one.steps
        if "actions/download-artifact@" in step.get("uses", "")
    ]
    assert len(fetched) >= 8
    for one, step in fetched:
        [number] = [given for key, given in step["with"].items() if key != "path"]
        assert step["with"].get("artifact-ids") == number
        match = re.fullmatch(r"\$\{\{ needs\.([\w-]+)\.outputs\.(\w+) \}\}", number)
        assert match is not None, number
        assert match[1] in one.needs
        maker, output = maker_of(one, match[1]), match[2]
        source = re.fullmatch(
            r"\$\{\{ steps\.(\w+)\.outputs\.artifact-id \}\}", maker.body["outputs"][output]
        )
        assert source is not None
        [made] = [step for step in maker.steps if step.get("id") == source[1]]
        assert made["uses"].startswith("actions/upload-artifact@")


def maker_of(reader: Job, need: str) -> Job:
    """Return the job that a need of another one is; that of a call is the called one."""
    calls = [call for call in CALLS if (call.workflow, call.name) == (reader.workflow, need)]
    if not calls:
        return job(reader.workflow, need)
    [maker] = [one for one in JOBS if one.workflow == called(calls[0])]
    for output, value in WORKFLOWS[maker.workflow]["on"]["workflow_call"]["outputs"].items():
        assert value["value"] == f"${{{{ jobs.{maker.name}.outputs.{output} }}}}"
    return maker


def digests_of(folder: Path) -> str:
    """Return what the build puts out for the archives in a folder, by its own step."""
    outputs = folder / "outputs"
    [step] = [step for step in job("preview", "build").steps if step.get("id") == "digests"]
    bash(step["run"], folder, GITHUB_OUTPUT=str(outputs))
    name, _, value = outputs.read_text().removesuffix("\n").partition("=")
    assert name == "digests"
    return value


def bash(command: str, folder: Path, **environment: str) -> None:
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        check=True,
    )


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """The folder of a job, with the images that were built."""
    images = tmp_path / "images"
    images.mkdir()
    (images / "app.tar").write_bytes(b"app")
    (images / "web-shop.tar").write_bytes(b"web")
    return tmp_path


def test_the_build_puts_out_the_digest_of_each_archive(built: Path) -> None:
    digests = digests_of(built)
    assert "\n" not in digests
    assert json.loads(digests) == {
        "app.tar": hashlib.sha256(b"app").hexdigest(),
        "web-shop.tar": hashlib.sha256(b"web").hexdigest(),
    }


def compares() -> str:
    [step] = [step for step in job("preview", "scan").steps if "DIGESTS" in step.get("env", {})]
    assert step["env"] == {"DIGESTS": "${{ needs.build.outputs.digests }}"}
    return str(step["run"])


def test_what_was_built_is_scanned(built: Path) -> None:
    bash(compares(), built, DIGESTS=digests_of(built))


@pytest.mark.parametrize(
    "change",
    [
        lambda images: (images / "app.tar").write_bytes(b"another"),
        lambda images: (images / "web-shop.tar").unlink(),
        lambda images: (images / "web-more.tar").write_bytes(b"more"),
    ],
    ids=["changed", "absent", "added"],
)
def test_what_was_not_built_is_not_scanned(built: Path, change: Callable[[Path], object]) -> None:
    digests = digests_of(built)
    change(built / "images")
    with pytest.raises(subprocess.CalledProcessError):
        bash(compares(), built, DIGESTS=digests)


def test_images_without_a_digest_are_not_scanned(built: Path) -> None:
    for digests in ("", "{}"):
        with pytest.raises(subprocess.CalledProcessError):
            bash(compares(), built, DIGESTS=digests)


@pytest.mark.parametrize("name", ["deploy", "deploy-infra"])
def test_what_is_deployed_is_what_was_built(name: str) -> None:
    [step] = [step for step in job("preview", name).steps if step.get("id") == "up"]
    assert step["env"]["DIGESTS"] == "${{ needs.build.outputs.digests }}"
    assert ' --digests "$DIGESTS"' in step["run"]


LABELLED = {"github.event.pull_request.labels.*.name": "bug, preview"}
PUSHED = {"github.event.pull_request.number": "42", "github.event.pull_request.head.sha": "a" * 40}


@pytest.mark.parametrize("result", ["failure", "cancelled"])
def test_a_run_that_did_not_get_to_decide_says_so_where_a_preview_is_asked_for(result: str) -> None:
    ended = job("preview", "ended")
    context = dict.fromkeys((f"needs.{name}.result" for name in ended.needs), "skipped")
    context |= {"needs.decide.result": result} | PUSHED

    def says(more: Mapping[str, str]) -> bool:
        cancelled = result == "cancelled"
        return holds(ended.body["if"], context | more, failed=True, cancelled=cancelled)

    assert says(LABELLED)
    another = {"vars.PREVIEWS_LABEL": "try"}
    assert says({"github.event.pull_request.labels.*.name": "try"} | another)
    # Nobody asked for a preview, or it is not known of which commit: a run that a person started.
    assert not says({})
    assert not says(LABELLED | another)
    assert not says(dict.fromkeys([*LABELLED, *PUSHED], ""))
    assert not says(LABELLED | {"inputs.reset-database": "true"})
    env = {key: evaluate(value, context) for key, value in ended.steps[-1]["env"].items()}
    assert env | {"DECIDE": result, "PULL_REQUEST": "42", "COMMIT": "a" * 40} == env
    assert ' --job "decide=$DECIDE" ' in ended.steps[-1]["run"]


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
        for words in commands(step):
            used.add(words[0])
            options = {
                opt for parameter in known.commands[words[0]].params for opt in parameter.opts
            }
            assert {word for word in words if word.startswith("--")} <= options, words
    assert used == {one.split()[0] for one in NEEDED_BY_COMMAND}


def job(workflow: str, name: str) -> Job:
    [found] = [one for one in JOBS if (one.workflow, one.name) == (workflow, name)]
    return found


def test_tests_of_a_pull_request_have_no_credential() -> None:
    """Neither from the job, nor from the memory of its runner, nor from a file that it leaves."""
    tests = job("preview", "tests")
    assert tests.body["permissions"] == {"contents": "read"}
    assert tests.environment is None
    text = str(tests.steps)
    for credential in ("secrets.", "github.token", "vars.", "id-token", "/actions/tools"):
        assert credential not in text
    code, commit, results = [step for step in tests.steps if "uses" in step]
    # A private repository of the platform would be read with a token.
    assert code["uses"].startswith("actions/download-artifact@")
    assert code["with"] == {"artifact-ids": "${{ needs.decide.outputs.platform }}"}
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
    for deploys in ("deploy", "deploy-infra"):
        context = {f"needs.{deploys}.outputs.tests": "true"}
        assert holds(record.body["if"], context, failed=True, cancelled=True)
    assert not holds(record.body["if"], {})
    assert record.environment is None
    [platform] = [step["with"] for step in record.steps if "checkout@" in step.get("uses", "")]
    assert platform["ref"] == "${{ job.workflow_sha }}"
    [download] = [step for step in record.steps if "download-artifact@" in step.get("uses", "")]
    assert download["continue-on-error"] is True
    # Without a number, the action would fetch every artifact of the run.
    assert download["if"] == "needs.tests.outputs.results"
    # The commit is what was decided on: a result names none.
    assert "${{ needs.decide.outputs.sha }}" in str(record.steps[-1]["env"])
    deploy = job("preview", "deploy")
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
        [zizmor, "--offline", "--persona=auditor", "--no-progress", GITHUB],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_what_zizmor_is_told_to_pass_over_has_a_reason() -> None:
    ignored = [line for _, line in lines_of_code() if "zizmor: ignore" in line]
    assert len(ignored) == 5
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


def test_an_attestation_names_the_pull_request_s_commit(tmp_path: Path) -> None:
    """The own predicate of the action names the run's commit, the default branch's."""
    own, web = (
        "registry.test/previews@sha256:" + "a" * 64,
        "registry.test/previews@sha256:" + "b" * 64,
    )
    inputs = {
        "image": own,
        "images": json.dumps([own, web]),
        "commit": "c" * 40,
        "ref": "refs/pull/42/head",
        "builder": "acme/previews/.github/workflows/preview.yml@" + "d" * 40,
        "sbom": "sboms/app.spdx.json",
    }
    assert inputs.keys() == ACTIONS["attest"]["inputs"].keys()
    context = {f"inputs.{name}": value for name, value in inputs.items()} | {
        "github.repository": "acme/previews",
        "github.server_url": "https://github.com",
        "runner.temp": str(tmp_path),
    }
    listed, commit, sbom = ACTIONS["attest"]["runs"]["steps"]
    env = {key: evaluate(value, context) for key, value in listed["env"].items()}
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", listed["run"]],
        env={"PATH": os.environ["PATH"], **env},
        check=True,
    )
    names = [f"{letter * 64}  registry.test/previews" for letter in "ab"]
    for step, subjects in ((commit, names), (sbom, names[:1])):
        file = Path(evaluate(step["with"]["subject-checksums"], context))
        assert file.read_text().splitlines() == subjects
    assert commit["with"]["predicate-type"] == "https://slsa.dev/provenance/v1"
    predicate = json.loads(evaluate(commit["with"]["predicate"], context))
    [source] = predicate["buildDefinition"]["resolvedDependencies"]
    assert source == {
        "uri": "git+https://github.com/acme/previews@refs/pull/42/head",
        "digest": {"gitCommit": "c" * 40},
    }
    assert evaluate(sbom["with"]["sbom-path"], context) == "sboms/app.spdx.json"


def test_attestations_can_be_turned_off() -> None:
    """GitHub's plans for private repositories have none, but one of them."""
    attesting = [
        (str(job), step)
        for job in JOBS
        for step in job.steps
        if step.get("uses") == "$/.github/actions/attest"
    ]
    assert [where for where, _ in attesting] == [
        *("preview:deploy", "preview:deploy-infra", "staging:staging", "staging:staging"),
    ]
    for _, step in attesting:
        context = {"steps.up.outputs.images": "[]"}
        assert holds(step["if"], context)
        assert not holds(step["if"], context | {"vars.PREVIEWS_ATTEST": "false"})
    of_previews = [step for where, step in attesting if where.startswith("preview:")]
    assert not any(holds(step["if"], {}) for step in of_previews), "an older commit deploys none"
