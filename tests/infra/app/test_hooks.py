"""Hooks: which Jobs, in which order, and when ``seed`` runs again."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from contract.app.hooks import Hooks
from contract.stack_name import AppName
from infra.config import app as described
from infra.policies.catalogue import violations
from infra.stacks import main
from tests.infra.app.test_pods import DEPLOYMENT, JOB, container, environment
from tests.infra.policies.resources import declared
from tests.infra.world import NEXT_COMMIT, PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

if TYPE_CHECKING:
    from collections.abc import Callable

CRON_JOB = "kubernetes:batch/v1:CronJob"
INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"
HOOKS = {
    "seed": "python -m app.seed",
    "after_deploy": ["python", "-m", "app.warm_up"],
    "before_destroy": {"command": "python -m app.sign_off", "timeout_seconds": 60},
}
NAMESPACE: dict[str, Any] = {"urn:n": {"type": "kubernetes:core/v1:Namespace", "outputs": {}}}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, staging: Deployment) -> Callable[..., Deployment]:
    """Deploys a preview of the sample app with hooks."""

    def deployed(
        cloud: Cloud | None = None, *, hooks: dict[str, Any] | None = None, **config: Any
    ) -> Deployment:
        _with_hooks(monkeypatch, HOOKS if hooks is None else hooks)
        used = cloud or Cloud()
        used.staging = staging.outputs
        return deploy("pr-42", main, config=PREVIEW_CONFIG | config, cloud=used)

    return deployed


def _with_hooks(monkeypatch: pytest.MonkeyPatch, hooks: dict[str, Any]) -> None:
    def load(name: AppName, source: str) -> described.AppSource:
        found = described.load_app(name, source)
        app = found.app.model_copy(update={"hooks": Hooks.model_validate(hooks)})
        return replace(found, app=app)

    for stack in ("preview", "staging"):
        monkeypatch.setattr(f"infra.stacks.{stack}.load_app", load)


def names(stack: Deployment) -> list[str]:
    return sorted(one.name for one in stack.registrations if one.type in {JOB, CRON_JOB})


def seeded(job: dict[str, Any] | None) -> Cloud:
    """A stack whose database was seeded; its state has the Job, or has it no more."""
    held = dict(NAMESPACE)
    if job is not None:
        held["urn:pulumi:pr-42::previews::a$b::seed"] = {"type": JOB, "outputs": job}
    return Cloud(own={"seeded": "0123456789abcdef"}, held=held)


def test_without_hooks_there_is_nothing(preview: Deployment) -> None:
    assert names(preview) == ["migrate", "prepare"]
    assert "seeded" not in preview.outputs


def test_they_run_as_the_service_does(run: Callable[..., Deployment]) -> None:
    stack = run()
    for name, command in (("seed", "app.seed"), ("after-deploy", "app.warm_up")):
        assert environment(stack, JOB, name) == environment(stack, DEPLOYMENT, "deployment")
        only = container(stack, JOB, name)
        assert only["command"] == ["python", "-m", command]
        assert only["image"] == stack.outputs["image"]
        assert stack.one(JOB, name).inputs["spec"]["activeDeadlineSeconds"] == 300
        assert stack.one(JOB, name).inputs["spec"]["backoffLimit"] == 0


def test_service_then_address_then_seed_then_after_deploy(run: Callable[..., Deployment]) -> None:
    stack = run()
    order = [
        stack.one(DEPLOYMENT),
        stack.one(INGRESS),
        stack.one(CRON_JOB),
        stack.one(JOB, "seed"),
        stack.one(JOB, "after-deploy"),
    ]
    for earlier, later in itertools.pairwise(order):
        assert stack.comes_after(later, earlier)


def test_before_destroy_is_a_job_that_only_the_lifecycle_makes(
    run: Callable[..., Deployment],
) -> None:
    spec = run().one(CRON_JOB).inputs["spec"]
    assert spec["suspend"] is True
    job = spec["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] == 60
    (only,) = job["template"]["spec"]["containers"]
    assert only["command"] == ["python", "-m", "app.sign_off"]
    assert {"configMapRef", "secretRef"}.isdisjoint(only)


def test_staging_is_never_seeded_nor_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_hooks(monkeypatch, HOOKS)
    stack = deploy("staging", main, config=STAGING_CONFIG)
    assert names(stack) == ["after-deploy", "migrate", "prepare"]


@pytest.mark.parametrize("hook", ["seed", "after-deploy"])
def test_a_push_runs_after_deploy_again(run: Callable[..., Deployment], hook: str) -> None:
    hooks = {k: v for k, v in HOOKS.items() if k != "before_destroy"}
    first, same, pushed = run(hooks=hooks), run(hooks=hooks), run(hooks=hooks, commit=NEXT_COMMIT)
    one, again, other = (
        stack.one(JOB, hook).inputs["metadata"]["name"] for stack in (first, same, pushed)
    )
    assert one == again
    # The Job `seed` would change, too: that it does not is a matter of its state, below.
    assert one != other


def test_a_database_that_was_seeded_keeps_its_job_as_it_was(run: Callable[..., Deployment]) -> None:
    stack = run(seeded({"status": {"succeeded": 1}}), commit=NEXT_COMMIT)
    assert stack.one(JOB, "seed").ignore_changes == ("metadata.name", "spec")
    assert stack.one(JOB, "after-deploy").ignore_changes == ()
    assert stack.outputs["seeded"]


@pytest.mark.parametrize("job", [{"status": {"failed": 1}}, {"status": None}, {}])
def test_a_seed_that_failed_is_tried_again(
    run: Callable[..., Deployment], job: dict[str, Any]
) -> None:
    """Also after a reset, when an earlier one has succeeded."""
    job_declared = run(seeded(job)).one(JOB, "seed")
    assert job_declared.ignore_changes == ()
    assert job_declared.inputs["metadata"]["annotations"]["pulumi.com/replaceUnready"] == "true"


@pytest.mark.parametrize("after_reset", [False, True])
def test_after_a_reset_it_runs_only_if_that_is_wanted(
    run: Callable[..., Deployment], *, after_reset: bool
) -> None:
    hooks = HOOKS | {"seed": {"command": "python -m app.seed", "after_reset": after_reset}}
    stack = run(seeded(None), hooks=hooks)
    assert ("seed" in names(stack)) is after_reset
    assert stack.outputs["seeded"], "it stays recorded"
    if after_reset:
        seed = stack.one(JOB, "seed")
        assert seed.ignore_changes == ()
        assert seed.inputs["metadata"]["annotations"]["previews.internal/after-reset"] == "true"


def test_after_a_removal_that_was_interrupted_it_is_due(run: Callable[..., Deployment]) -> None:
    """The outputs are still there, the namespace is not."""
    cloud = seeded(None)
    cloud.held = {}
    assert "seed" in names(run(cloud))


def test_a_failing_after_deploy_does_not_lose_the_record(run: Callable[..., Deployment]) -> None:
    """No output waits for that Job, so that all are registered before it ends."""
    stack = run()
    after = stack.one(JOB, "after-deploy")
    assert not any(after.urn in one.depends_on for one in stack.registrations)


@pytest.mark.parametrize("stack", ["pr-42", "staging"])
def test_they_violate_no_policy(
    monkeypatch: pytest.MonkeyPatch, run: Callable[..., Deployment], stack: str
) -> None:
    _with_hooks(monkeypatch, HOOKS)
    made = run() if stack == "pr-42" else deploy("staging", main, config=STAGING_CONFIG)
    assert [str(violation) for violation in violations(declared(made))] == []
