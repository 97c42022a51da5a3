"""An autopsy names the resource, the cause and the lines that matter, and no secret."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kr8s.objects import Pod

from previews import engine_events
from previews.autopsy import (
    Autopsy,
    ContainerTrouble,
    Evidence,
    FailedResource,
    last_lines,
    newest,
    perform,
)
from previews.causes import CAUSES, UNKNOWN
from previews.evidence import collect
from previews.steps import Step

LOGS = Path(__file__).parent / "events"


def of(log: str, **more: Any) -> Autopsy:
    return perform(engine_events.read(LOGS / f"{log}.jsonl"), **more)


def test_a_migration_s_own_error_is_what_is_told() -> None:
    found = of("migration")
    assert found.cause.code == "migration-failed"
    [failed] = found.failed
    assert (failed.step, failed.name) == (Step.MIGRATE, "migrate")
    assert 'relation "nowhere" does not exist' in failed.message


def test_a_crash_shows_the_last_lines_without_the_secret_in_them() -> None:
    found = of("crash")
    assert found.cause.code == "crashed"
    [failed] = found.failed
    assert failed.step is Step.ROLLOUT
    assert failed.message.endswith("the service was broken on purpose, password=***")
    assert "hunter2" not in found.model_dump_json()


def test_a_known_secret_is_nowhere() -> None:
    assert "nowhere" not in of("migration", known_secrets=["nowhere"]).model_dump_json()


def test_without_a_failed_resource_what_was_said_is_told() -> None:
    found = perform([], said="error: the stack is currently locked by 1 lock(s)")
    assert found.cause.code == "stack-held"
    assert "locked by" in found.failed[0].message


@pytest.mark.parametrize(
    ("message", "gist"),
    [
        ("Traceback …\nValueError: 3", "ValueError: 3"),
        ("error: it lacks a key\n  What to do: bring staging up first", "error: it lacks a key"),
        ("", ""),
    ],
)
def test_the_gist_is_what_is_wrong_and_not_what_to_do(message: str, gist: str) -> None:
    one = FailedResource(step=None, type="", name="", op="", message=message)
    assert one.gist == gist


def test_nothing_known_is_said_to_be_so() -> None:
    assert perform([], said="the moon is full").cause is UNKNOWN


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("migrate: expected one head, found 2: a, b.", "migration-heads"),
        (
            "migrate: the database is at revision 9, which this image does not have",
            "migration-unknown",
        ),
        (
            "step t1 (Wide) would hold ShareLock on t for 3.0 s, and writes wait meanwhile; the",
            "migration-lock",
        ),
        ("container service: OOMKilled, exit code 137", "out-of-memory"),
        ("Failed to pull: ImagePullBackOff", "image-pull"),
        ("pods is forbidden: exceeded quota: quota", "namespace-quota"),
        ("0/3 nodes are available: 3 Insufficient cpu.", "no-node"),
        ("InstanceQuotaExceeded: DB Instance quota exceeded", "database-quota"),
        ("DBSnapshotNotFound: rds:staging-x", "snapshot-missing"),
        ("AccessDenied: User x is not authorized to perform rds:Y", "permission"),
        ("ExpiredToken: The security token included is expired", "credentials-expired"),
        ("ExternalSecret pr-42/database-app: not Ready", "secret-not-synced"),
        ("Pod prepare-1234: container prepare: Error, exit code 1", "prepare-failed"),
        ("container service: Error, exit code 1", "crashed"),
        ("ERROR: failed to solve: process did not complete", "image-build"),
        ("Readiness probe failed: HTTP 503", "not-ready"),
    ],
)
def test_a_cause_is_known_by_what_is_said(said: str, code: str) -> None:
    assert perform([], said=said).cause.code == code


def test_every_known_cause_has_a_name_of_its_own() -> None:
    codes = [cause.code for _, cause in CAUSES]
    assert len(set(codes)) == len(codes)


def test_what_failed_tells_more_than_what_else_is_wrong() -> None:
    evidence = Evidence(
        containers=(ContainerTrouble(pod="p", container="c", reason="OOMKilled", log=("x",)),)
    )
    assert of("migration", evidence=evidence).cause.code == "migration-failed"
    assert perform([], evidence, said="deployment failed").cause.code == "out-of-memory"


def test_long_logs_are_cut_from_the_front_and_long_lines_at_the_end() -> None:
    assert last_lines([str(n) for n in range(100)], 3) == ["97", "98", "99"]
    assert last_lines(["a", "migrate: report {}", "b"]) == ["a", "b"]
    [line] = last_lines(["x" * 1000])
    assert len(line) == 401
    assert newest(["a", "a", "b"], 5) == ("a", "b")


# What is found in the namespace


def pod(status: dict[str, Any], logs: dict[bool, list[str]]) -> Any:
    found = Pod.__new__(Pod)
    raw = {"metadata": {"name": "service-1", "namespace": "pr-42"}, "status": status}
    found._raw = raw
    found.logs = lambda *, container, previous, tail_lines: iter(logs.get(previous, []))  # type: ignore[method-assign]
    return found


def api(pods: list[Any], events: list[dict[str, Any]] | None = None) -> Any:
    listed = {"pods": pods, "events": [SimpleNamespace(raw=event) for event in events or []]}
    return SimpleNamespace(get=lambda kind, namespace: iter(listed[kind]))


def test_a_restarted_container_shows_the_log_of_the_run_that_failed() -> None:
    status = {
        "containerStatuses": [
            {
                "name": "service",
                "restartCount": 3,
                "ready": False,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
            }
        ]
    }
    logs = {True: ["boom, token=abcdef123"], False: ["starting"]}
    [trouble] = collect(lambda: api([pod(status, logs)]), "pr-42").containers
    assert trouble.reason == "CrashLoopBackOff: back-off; Error, exit code 1; restarted 3 times"
    assert trouble.log == ("boom, token=***",)


def test_a_container_that_is_well_is_not_spoken_of() -> None:
    well = {"name": "service", "restartCount": 0, "ready": True, "state": {"running": {}}}
    ended = {"name": "migrate", "ready": False, "state": {"terminated": {"exitCode": 0}}}
    status = {"containerStatuses": [well], "initContainerStatuses": [ended]}
    assert collect(lambda: api([pod(status, {})]), "pr-42") == Evidence()


def test_a_pod_that_no_node_takes_says_why() -> None:
    status = {"conditions": [{"status": "False", "reason": "Unschedulable", "message": "no cpu"}]}
    [trouble] = collect(lambda: api([pod(status, {})]), "pr-42").containers
    assert trouble.reason == "Unschedulable: no cpu"


def test_warnings_are_told_and_an_autoscaler_s_are_not() -> None:
    def event(kind: str, reason: str, when: str, type_: str = "Warning") -> dict[str, Any]:
        about = {"kind": kind, "name": "x"}
        return {
            "type": type_,
            "reason": reason,
            "message": "m",
            "lastTimestamp": when,
            "involvedObject": about,
        }

    events = [
        event("Pod", "BackOff", "2026-01-02"),
        event("Pod", "Unhealthy", "2026-01-01"),
        event("HorizontalPodAutoscaler", "FailedGetResourceMetric", "2026-01-03"),
        event("Pod", "Pulled", "2026-01-03", "Normal"),
    ]
    found = collect(lambda: api([], events), "pr-42").events
    assert found == ("Pod x: Unhealthy: m", "Pod x: BackOff: m")


def test_a_cluster_that_can_not_be_asked_is_told_of() -> None:
    def unreachable() -> Any:
        msg = "no route, password=abcdef123"
        raise OSError(msg)

    found = collect(unreachable, "pr-42")
    assert found.missing == "the cluster could not be asked: no route, password=***"
