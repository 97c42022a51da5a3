"""No job has a pull request's files as code and anything to take or change."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.workflows.reading import ACTIONS, CALLS, JOBS, WORKFLOWS
from tests.workflows.trust import READ_AS_DATA, Files, rights, with_code

FILES = Files(WORKFLOWS, ACTIONS)

WITHOUT_RIGHTS = {
    "preview:build": "builds the pull request's Dockerfiles",
    "preview:tests": "runs the tests that its preview.yaml declares",
}
"""Jobs of privileged workflows that have the code, and nothing beside it."""

EXCEPTIONS: dict[str, tuple[set[str], str]] = {
    "preview-infra-diff:compare": (
        {"id-token", "environment", "secrets"},
        "compares a changed program of the platform with what runs, by a role that only reads",
    ),
    "preview:infra-diff": ({"id-token", "secrets"}, "calls the workflow with that job"),
    "preview:deploy-infra": (
        {"id-token", "environment", "secrets", "write"},
        "deploys a changed program of the platform after a person has approved it",
    ),
}
"""Jobs that have both, with what they have and why."""


def privileged(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the jobs that could take something, without those that are excepted."""
    return {
        job: taken for job, taken in found.items() if taken - EXCEPTIONS.get(job, (set(), ""))[0]
    }


def test_no_job_has_a_pull_request_s_code_and_anything_to_take() -> None:
    assert privileged(with_code(FILES)) == {}


def test_the_jobs_with_code_are_known() -> None:
    unprivileged = {name for name in with_code(FILES) if not name.startswith("ci:")}
    assert unprivileged == WITHOUT_RIGHTS.keys() | EXCEPTIONS.keys()
    assert {name for name in with_code(FILES) if name.startswith("ci:")} >= {"ci:unit", "ci:image"}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_has_exactly_what_is_written_here(name: str) -> None:
    assert with_code(FILES)[name] == EXCEPTIONS[name][0]
    [job] = [job for job in JOBS + CALLS if str(job) == name]
    environments = {
        "preview-infra-diff:compare": "preview-infra-plan",
        "preview:deploy-infra": "preview-infra",
    }
    assert job.environment == environments.get(name)
    # An app's pull request changes no program; the platform's own token is in no job with code.
    assert job.workflow == "preview-infra-diff" or "!inputs.app" in job.body["if"]
    assert "PLATFORM_TOKEN" not in str(job.body)


def test_staging_s_cache_is_written_by_staging_alone() -> None:
    """And read by the builds of pull requests, which GitHub's service lets save nothing."""
    writing = {
        name for name, workflow, body in FILES.jobs() if "cache" in rights(FILES, workflow, body)
    }
    assert writing == {"staging:staging"}
    modes = {str(job): job.body["cache-mode"] for job in JOBS if "cache-mode" in job.body}
    assert modes == {"preview:build": "read", "staging:staging": "write"}
    # Also under `push`, whose runs are the default branch's.
    assert WORKFLOWS["ci"]["cache-mode"] == "read"
    [build] = [step for step in ACTIONS["image"]["runs"]["steps"] if step.get("id") == "build"]
    assert build["with"]["cache-from"] == "type=gha,scope=${{ inputs.cache }}"
    assert build["with"]["cache-to"] == "type=gha,mode=max,scope=${{ inputs.cache }}"
    calls = [
        step["with"]["cache"]
        for _, _, body in FILES.jobs()
        for step in body.get("steps", [])
        if step.get("uses") == "$/.github/actions/image"
    ]
    assert calls == ["${{ inputs.environment || 'staging' }}", "database"]
    [of_ci] = [
        step["with"]
        for step in WORKFLOWS["ci"]["jobs"]["image"]["steps"]
        if "build-push-action@" in step.get("uses", "")
    ]
    assert "cache-to" not in of_ci


def test_what_is_read_as_data_is_downloaded_from_a_job_with_code() -> None:
    downloading = {
        (str(job), producer)
        for job in JOBS
        for step in job.steps
        if "actions/download-artifact@" in step.get("uses", "")
        for producer in job.needs
        if f"needs.{producer}." in str(step["with"])
        and f"{job.workflow}:{producer}" in with_code(FILES)
    }
    assert downloading == READ_AS_DATA.keys()
    assert all(READ_AS_DATA.values())


Mutation = Callable[[dict[str, Any]], object]
"""A change of the workflows, by name."""


def _job(files: dict[str, Any], name: str) -> dict[str, Any]:
    workflow, _, job = name.partition(":")
    found: dict[str, Any] = files[workflow]["jobs"][job]
    return found


def _grant(job: str, permission: str) -> Mutation:
    return lambda files: _job(files, job)["permissions"].update({permission: "write"})


def _set(job: str, key: str, value: object) -> Mutation:
    return lambda files: _job(files, job).update({key: value})


def _drop(job: str, key: str) -> Mutation:
    return lambda files: _job(files, job).pop(key)


def _check_out(job: str, ref: str | None, repository: str | None = None) -> Mutation:
    """Check out something else in the first checkout; None leaves the input out."""

    def change(files: dict[str, Any]) -> None:
        steps = _job(files, job)["steps"]
        [first, *_] = [one for one in steps if "actions/checkout@" in one.get("uses", "")]
        others = {key: given for key, given in first["with"].items() if key not in changed}
        first["with"] = others | {key: given for key, given in changed.items() if given}

    changed = {"ref": ref, "repository": repository}
    return change


def _run(job: str, command: str) -> Mutation:
    return lambda files: _job(files, job)["steps"].append({"name": "More", "run": command})


def _use(job: str, action: str, **given: str) -> Mutation:
    step = {"name": "More", "uses": action, "with": given}
    return lambda files: _job(files, job)["steps"].append(step)


def _download(job: str, **given: str) -> Mutation:
    return _use(job, "actions/download-artifact@v8", **given)


def _without_cache_mode(files: dict[str, Any]) -> None:
    """The build, where neither it nor its workflow says anything of the cache."""
    del files["preview"]["cache-mode"], _job(files, "preview:build")["cache-mode"]


PULL = "${{ needs.decide.outputs.sha }}"
MUTATIONS: dict[str, tuple[str, str, Mutation]] = {
    "the build takes a role": ("preview:build", "id-token", _grant("preview:build", "id-token")),
    "the build may comment": ("preview:build", "write", _grant("preview:build", "pull-requests")),
    "the build has no permissions of its own": (
        *("preview:build", "write"),
        lambda files: (
            files["preview"].pop("permissions"),
            _job(files, "preview:build").pop("permissions"),
        ),
    ),
    "the build has an environment": (
        *("preview:build", "environment"),
        _set("preview:build", "environment", {"name": "preview"}),
    ),
    "the build has a secret": (
        *("preview:build", "secrets"),
        _set("preview:build", "env", {"TOKEN": "${{ secrets.PLATFORM_TOKEN }}"}),
    ),
    "every job has a secret": (
        *("preview:tests", "secrets"),
        lambda files: files["preview"]["env"].update({"T": "${{ secrets['T'] }}"}),
    ),
    "the build takes a role by an action": (
        *("preview:build", "id-token"),
        lambda files: (
            _grant("preview:build", "id-token")(files),
            _use("preview:build", "$/.github/actions/tools")(files),
        ),
    ),
    "the build may write the cache": (
        *("preview:build", "cache"),
        _set("preview:build", "cache-mode", "write-only"),
    ),
    "the cache's mode is left out": ("preview:build", "cache", _without_cache_mode),
    "the tests may write the cache": (
        *("preview:tests", "cache"),
        lambda files: files["preview"].pop("cache-mode"),
    ),
    "deploy checks the pull request out": (
        *("preview:deploy", "id-token"),
        _check_out("preview:deploy", PULL),
    ),
    "decide checks the pull request out": (
        *("preview:decide", "write"),
        _check_out("preview:decide", "refs/pull/${{ github.event.pull_request.number }}/head"),
    ),
    "deploy fetches the pull request": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'git -C caller fetch origin "$COMMIT"'),
    ),
    "deploy fetches it with GitHub's client": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'gh pr checkout "$PULL_REQUEST"'),
    ),
    "deploy fetches it in a command of two lines": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'git -C caller \\\n  fetch origin "$COMMIT"'),
    ),
    "deploy unpacks GitHub's archive of it": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'gh api "repos/$REPOSITORY/tarball/$COMMIT" | tar --extract --gzip'),
    ),
    "deploy unpacks an archive of it": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'curl --location "$ARCHIVE/$COMMIT.tar.gz" | tar --extract --gzip'),
    ),
    "deploy gets a file of it": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'wget "$RAW/$COMMIT/setup.sh"'),
    ),
    "deploy gets what another run left": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'gh run download "$RUN"'),
    ),
    "deploy installs it": (
        *("preview:deploy", "environment"),
        _run("preview:deploy", 'pip install "git+https://github.com/acme/previews@$COMMIT"'),
    ),
    "deploy checks another repository out, at its own default branch": (
        *("preview:deploy", "id-token"),
        _check_out("preview:deploy", None, "${{ github.event.pull_request.head.repo.full_name }}"),
    ),
    "deploy checks another repository out, at a commit of the platform's": (
        *("preview:deploy", "id-token"),
        _check_out("preview:deploy", "${{ job.workflow_sha }}", "${{ github.repository }}"),
    ),
    "deploy checks the pull request out by an action that is written otherwise": (
        *("preview:deploy", "id-token"),
        _use("preview:deploy", "Actions/Checkout@v7", ref=PULL),
    ),
    "deploy gets what the tests left": (
        *("preview:deploy", "environment"),
        _download("preview:deploy", name="tests-${{ needs.tests.outputs.attempt }}"),
    ),
    "deploy gets what the tests left, by its number": (
        *("preview:deploy", "environment"),
        _download("preview:deploy", **{"artifact-ids": "${{ needs.tests.outputs.results }}"}),
    ),
    "record gets what the build left": (
        *("preview:record", "write"),
        _download("preview:record", name="images-${{ needs.build.outputs.attempt }}"),
    ),
    "deploy gets what any job left": (
        *("preview:deploy", "environment"),
        _download("preview:deploy"),
    ),
    "deploy gets what some job left under a name": (
        *("preview:deploy", "environment"),
        _download("preview:deploy", name="bake-1"),
    ),
    "deploy gets what a job of another run left": (
        *("preview:deploy", "environment"),
        _download(
            "preview:deploy",
            **{"name": "bake-${{ needs.decide.outputs.attempt }}", "run-id": "${{ inputs.run }}"},
        ),
    ),
    "deploy gets what a job left that had it from the tests": (
        *("preview:deploy", "environment"),
        lambda files: (
            _download("preview:scan", name="tests-${{ needs.tests.outputs.attempt }}")(files),
            _download("preview:deploy", name="x-${{ needs.scan.outputs.attempt }}")(files),
        ),
    ),
    "deploy builds from the run's commit": (
        *("preview:deploy", "environment"),
        _use("preview:deploy", "docker/bake-action@v7", files="bake.json"),
    ),
    "the sweep checks out what it is told": (
        *("preview-sweep:plan", "id-token"),
        _check_out("preview-sweep:plan", "${{ inputs.ref }}"),
    ),
    "a privileged workflow runs under pull_request": (
        *("preview:deploy", "id-token"),
        lambda files: files["preview"]["on"].update({"pull_request": None}),
    ),
    "ci may write the cache, which a push to the default branch shares with staging": (
        *("ci:image", "cache"),
        lambda files: files["ci"].pop("cache-mode"),
    ),
    "ci has a secret": (
        *("ci:unit", "secrets"),
        _set("ci:unit", "env", {"TOKEN": "${{ secrets.TOKEN }}"}),
    ),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_change_that_breaks_it_is_seen(what: str) -> None:
    job, kind, change = MUTATIONS[what]
    workflows = copy.deepcopy(WORKFLOWS)
    change(workflows)
    assert kind in privileged(with_code(Files(workflows, ACTIONS))).get(job, set())


def test_a_checkout_inside_of_a_local_action_is_seen() -> None:
    actions = copy.deepcopy(ACTIONS)
    checkout = {"uses": "actions/checkout@v7", "with": {"ref": "${{ inputs.commit }}"}}
    actions["tools"]["runs"]["steps"].append(checkout)
    found = privileged(with_code(Files(WORKFLOWS, actions)))
    assert {"preview:deploy", "preview-destroy:destroy", "staging:staging"} <= found.keys()
