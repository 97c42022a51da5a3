"""A fresh clone for a living preview: which steps, in which order, and what failures say."""

from __future__ import annotations

from typing import Any

import pytest
from tenacity import stop_after_attempt

from contract.kubernetes import AFTER_RESET_ANNOTATION, RESET_ANNOTATION
from contract.preview import Preview
from previews.errors import PreviewsError
from previews.kubernetes import KubernetesObject
from previews.lifecycle import branch_reset
from previews.lifecycle.branch_reset import BRANCH_RESOURCES, reset
from tests.previews.memory_cluster import MemoryCluster

PR = Preview(42)
READY = [{"type": "Ready", "status": "True"}]
STATUS = {
    "conditions": READY,
    "database": "pr_42",
    "snapshot": "rds:staging-1",
    "snapshotCreated": "2030-01-31T03:05:11Z",
    "reset": "",
}
MIGRATION: dict[str, Any] = {
    "backoffLimit": 0,
    "activeDeadlineSeconds": 600,
    "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "1"}},
    "template": {
        "metadata": {
            "labels": {"batch.kubernetes.io/controller-uid": "1"},
            "annotations": {"karpenter.sh/do-not-disrupt": "true"},
        },
        "spec": {"containers": [{"name": "migrate", "image": "previews@sha256:1"}]},
    },
}
ROLLED_OUT = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "availableReplicas": 1,
}


def obliging(live: KubernetesObject) -> None:
    """Controllers that do what they are asked for."""
    if live.resource == BRANCH_RESOURCES:
        live.raw["status"] = {**STATUS, "reset": live.annotations[RESET_ANNOTATION]}
    if live.resource == "jobs.v1.batch":
        live.raw["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}


def world() -> MemoryCluster:
    cluster = MemoryCluster(react=obliging)
    cluster.add(BRANCH_RESOURCES, "database", "pr-42", status=dict(STATUS))
    labels = {"app.kubernetes.io/name": "migrate"}
    cluster.add("jobs.v1.batch", "migrate-1", "pr-42", metadata={"labels": labels}, spec=MIGRATION)
    cluster.add("deployments.v1.apps", "service", "pr-42", spec={"replicas": 1}, status=ROLLED_OUT)
    return cluster


def test_an_app_without_migrations_gets_a_clone_and_a_restart() -> None:
    cluster = world()
    reset(PR, cluster, migrates=False)
    assert [kind for kind, _, _ in cluster.patched] == [BRANCH_RESOURCES, "deployments.v1.apps"]
    assert not [o for o in cluster.objects if o.name.startswith("migrate-reset-")]


def test_nothing_is_replaced_for_a_clone_that_could_not_be_migrated() -> None:
    cluster = world()
    cluster.objects = [o for o in cluster.objects if o.resource != "jobs.v1.batch"]
    with pytest.raises(PreviewsError) as error:
        reset(PR, cluster, migrates=True)
    assert error.value.code == "reset-no-migration"
    assert cluster.patched == []


def test_clone_then_migrations_then_restart() -> None:
    cluster = world()
    reset(PR, cluster, migrates=True)
    assert [(kind, name) for kind, name, _ in cluster.patched] == [
        (BRANCH_RESOURCES, "database"),
        ("deployments.v1.apps", "service"),
    ]
    (again,) = [o for o in cluster.objects if o.name.startswith("migrate-reset-")]
    assert again.raw["spec"]["template"]["spec"] == MIGRATION["template"]["spec"]
    assert "selector" not in again.raw["spec"]
    assert "controller-uid" not in str(again.raw["spec"]["template"]["metadata"])
    annotations = MIGRATION["template"]["metadata"]["annotations"]
    assert again.raw["spec"]["template"]["metadata"]["annotations"] == annotations


def test_all_pods_are_restarted_but_the_mail_server_redis_first() -> None:
    cluster = world()
    for name in ("mail", "redis", "worker-confirm"):
        spec = {"replicas": 1}
        cluster.add("deployments.v1.apps", name, "pr-42", spec=spec, status=ROLLED_OUT)
    reset(PR, cluster, migrates=False)
    restarted = [name for kind, name, _ in cluster.patched if kind == "deployments.v1.apps"]
    assert restarted == ["redis", "service", "worker-confirm"]


def test_it_can_be_done_again() -> None:
    cluster = world()
    reset(PR, cluster, migrates=True)
    reset(PR, cluster, migrates=True)
    assert len([o for o in cluster.objects if o.name.startswith("migrate-reset-")]) == 1


def test_a_former_migration_that_may_not_be_deleted_is_told_and_nothing_is_begun_after_it() -> None:
    cluster = world()
    reset(PR, cluster, migrates=True)
    (former,) = [o for o in cluster.objects if o.name.startswith("migrate-reset-")]
    cluster.refuses, cluster.patched = (former.name,), []
    with pytest.raises(PreviewsError, match="is forbidden") as caught:
        reset(PR, cluster, migrates=True)
    assert (caught.value.code, former in cluster.objects) == ("kubernetes-failed", True)
    assert cluster.patched == []


@pytest.mark.parametrize("name", ["database", "service"])
def test_what_may_not_be_changed_is_told(name: str) -> None:
    cluster = world()
    cluster.refuses = (name,)
    with pytest.raises(PreviewsError, match=f"{name} is forbidden"):
        reset(PR, cluster, migrates=True)


def test_without_an_answer_nothing_is_changed() -> None:
    cluster = world()
    cluster.answers = False
    with pytest.raises(PreviewsError, match="no answer"):
        reset(PR, cluster, migrates=True)
    assert cluster.patched == []


def test_a_preview_that_has_no_database() -> None:
    cluster = world()
    with pytest.raises(PreviewsError, match="never completely up"):
        reset(Preview(43), cluster, migrates=True)
    assert cluster.patched == []


def test_migrations_that_fail_leave_the_service_alone() -> None:
    cluster = world()

    def react(live: KubernetesObject) -> None:
        obliging(live)
        if live.resource == "jobs.v1.batch":
            live.raw["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}

    cluster.react = react
    with pytest.raises(PreviewsError, match="failed") as caught:
        reset(PR, cluster, migrates=True)
    assert "kubectl logs" in caught.value.remedy
    assert [kind for kind, _, _ in cluster.patched] == [BRANCH_RESOURCES]


def test_a_clone_that_does_not_come_is_told_by_the_claims_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = world()
    waits = {"type": "Ready", "status": "False", "message": "the server is full"}
    cluster.react = lambda live: live.raw.update(status={"conditions": [waits]})
    monkeypatch.setattr(branch_reset, "stop_after_delay", lambda _: stop_after_attempt(1))
    with pytest.raises(PreviewsError, match="the server is full"):
        reset(PR, cluster, migrates=True)
    assert [kind for kind, _, _ in cluster.patched] == [BRANCH_RESOURCES]


def seeded(wanted: str, ends: str = "Complete") -> MemoryCluster:
    cluster = world()

    def react(live: KubernetesObject) -> None:
        obliging(live)
        if live.name.startswith("seed-"):
            live.raw["status"] = {"conditions": [{"type": ends, "status": "True"}]}

    cluster.react = react
    metadata = {
        "labels": {"app.kubernetes.io/name": "seed"},
        "annotations": {AFTER_RESET_ANNOTATION: wanted},
    }
    cluster.add("jobs.v1.batch", "seed-1", "pr-42", metadata=metadata, spec=MIGRATION)
    return cluster


@pytest.mark.parametrize(("wanted", "runs"), [("true", 1), ("false", 0)])
def test_seed_runs_on_the_fresh_clone_only_if_the_app_wants_it(wanted: str, runs: int) -> None:
    cluster = seeded(wanted)
    reset(PR, cluster, migrates=True)
    assert len([o for o in cluster.objects if o.name.startswith("seed-reset-")]) == runs
    reset(PR, cluster, migrates=True)
    assert len([o for o in cluster.objects if o.name.startswith("seed-reset-")]) == runs


def test_a_seed_that_fails_on_the_fresh_clone_is_told() -> None:
    with pytest.raises(PreviewsError, match="seed") as caught:
        reset(PR, seeded("true", ends="Failed"), migrates=True)
    assert caught.value.code == "reset-seed-failed"
