"""The hook before a removal, and the logs of the others: what is run, told, and never blocked."""

from __future__ import annotations

from typing import Any

import pytest
from tenacity import stop_after_attempt

from contract.preview import Preview
from previews.diagnosis.failure_patterns import most_likely
from previews.diagnosis.hook_logs import HookRun, read_logs
from previews.kubernetes import KubernetesObject
from previews.lifecycle import hooks
from previews.lifecycle.destroy import DestroyReport, destroy
from previews.lifecycle.hooks import before_destroy
from previews.pull_request import comment
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import MemoryPlace, MemoryStacks, clients_of

JOBS = "jobs.v1.batch"
LABELS = {"app.kubernetes.io/name": "before-destroy"}
JOB_SPEC: dict[str, Any] = {
    "backoffLimit": 0,
    "activeDeadlineSeconds": 60,
    "template": {"spec": {"containers": [{"name": "before-destroy", "image": "app@sha256:1"}]}},
}
CRON_JOB = {
    "urn": "urn:pulumi:pr-42::previews::kubernetes:batch/v1:CronJob::before-destroy",
    "type": "kubernetes:batch/v1:CronJob",
    "id": "pr-42/before-destroy",
    "custom": True,
}


def ends(kind: str, message: str = "", lines: tuple[str, ...] = ("signed off",)) -> MemoryCluster:
    """A cluster of a running preview, in which the hook's Job ends this way."""
    cluster = MemoryCluster()

    def react(live: KubernetesObject) -> None:
        condition = {"type": kind, "status": "True", "message": message}
        live.raw["status"] = {"conditions": [condition] if kind else []}
        pod = cluster.add("pods", f"{live.name}-abcde", "pr-42", metadata={"labels": LABELS})
        cluster.logs[pod.name, False] = list(lines)

    cluster.react = react
    spec = {"suspend": True, "jobTemplate": {"spec": JOB_SPEC}}
    cluster.add("cronjobs.v1.batch", "before-destroy", "pr-42", spec=spec)
    cluster.add("deployments.v1.apps", "service", "pr-42", status={"availableReplicas": 1})
    return cluster


def run(cluster: MemoryCluster) -> HookRun | None:
    return before_destroy(lambda: cluster, "pr-42")


def jobs(cluster: MemoryCluster) -> list[KubernetesObject]:
    return [live for live in cluster.objects if live.resource == JOBS]


def test_it_runs_the_job_that_the_program_left() -> None:
    cluster = ends("Complete")
    assert run(cluster) == HookRun(hook="before-destroy", log=("signed off",))
    (job,) = jobs(cluster)
    assert job.raw["spec"] == JOB_SPEC
    assert job.labels == LABELS


def test_one_that_fails_is_told_with_its_log_and_without_secrets() -> None:
    ran = run(ends("Failed", "Job has failed", lines=("password=hunter2hunter2", "no answer")))
    assert ran is not None
    assert ran.wrong == "Job has failed"
    assert ran.log == ("password=***", "no answer")


def test_one_that_does_not_end_is_not_waited_for_longer_than_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(
        hooks, "stop_after_delay", lambda seconds: asked.append(seconds) or stop_after_attempt(1)
    )
    ran = run(ends(""))
    assert ran is not None
    assert "has not ended" in ran.wrong
    assert asked == [60 + hooks._START_SECONDS]


def test_after_one_that_was_killed_it_runs_again() -> None:
    cluster = ends("Complete")
    run(cluster)
    run(cluster)
    assert len(jobs(cluster)) == 1


def test_a_preview_without_the_hook() -> None:
    cluster = MemoryCluster()
    cluster.add("deployments.v1.apps", "service", "pr-42", status={"availableReplicas": 1})
    assert run(cluster) is None


@pytest.mark.parametrize("status", [{}, {"availableReplicas": 0}])
def test_without_a_running_service_it_is_not_run(status: dict[str, Any]) -> None:
    cluster = ends("Complete")
    (service,) = [live for live in cluster.objects if live.name == "service"]
    service.raw["status"] = status
    ran = run(cluster)
    assert ran is not None
    assert "no service is running" in ran.wrong
    assert jobs(cluster) == []


def test_a_cluster_that_does_not_answer_is_told() -> None:
    ran = run(MemoryCluster(answers=False))
    assert ran is not None
    assert "could not be run" in ran.wrong


@pytest.mark.parametrize(
    "cluster", [ends("Complete"), ends("Failed", "no"), MemoryCluster(answers=False)]
)
def test_whatever_it_does_the_preview_goes(cluster: MemoryCluster) -> None:
    stacks = MemoryStacks()
    stacks.add("pr-42", resources=[CRON_JOB])
    report = removed(stacks, cluster)
    assert report.hook is not None
    assert (report.complete, report.stack_removed) == (True, True)
    assert report.hook.result in report.text()
    if not report.hook.wrong:
        assert "signed off" in report.text()


def test_a_preview_whose_state_has_no_hook_needs_no_cluster() -> None:
    stacks = MemoryStacks()
    stacks.add("pr-42", resources=[])
    assert removed(stacks, MemoryCluster(answers=False)).hook is None


def removed(stacks: MemoryStacks, cluster: MemoryCluster) -> DestroyReport:
    clients = clients_of(stacks, MemoryPlace())
    return destroy(
        Preview(42),
        stacks=clients.stacks,
        places=lambda: clients.places,
        locks=clients.locks,
        recover=clients.recover,
        connect=lambda: cluster,
    )


def test_the_comment_has_the_end_of_its_log_and_nothing_of_it_is_markup() -> None:
    ran = HookRun(hook="before-destroy", wrong="exit *1*", log=("```", "@everyone </details>"))
    text = comment.removed("pr-42", seconds=3, left=[], hook=ran)
    assert "Hook before-destroy failed: exit \\*1\\*" in text
    assert "````text\n```\n@everyone" in text
    assert "Hook" not in comment.removed("pr-42", seconds=3, left=[])


def test_the_newest_pod_of_a_hook_is_read() -> None:
    cluster = MemoryCluster()
    for number in (1, 2):
        metadata = {
            "labels": {"app.kubernetes.io/name": "seed"},
            "creationTimestamp": f"2030-01-31T12:00:0{number}Z",
        }
        cluster.add("pods", f"seed-{number}", "pr-42", metadata=metadata)
        cluster.logs[f"seed-{number}", False] = [f"run {number}"]
    assert read_logs(lambda: cluster, "pr-42", ["seed"]) == (HookRun(hook="seed", log=("run 2",)),)
    assert read_logs(lambda: MemoryCluster(answers=False), "pr-42", ["seed"]) == ()
    assert read_logs(lambda: cluster, "pr-42", []) == ()


@pytest.mark.parametrize("name", ["seed", "after-deploy"])
def test_a_hook_that_fails_is_told_as_one(name: str) -> None:
    errors = f"kubernetes:batch/v1:Job {name}\nJob failed: BackoffLimitExceeded"
    assert most_likely([errors]).code == "hook-failed"
    assert most_likely(["kubernetes:batch/v1:Job migrate\nexit code 1"]).code == "migrate-failed"
