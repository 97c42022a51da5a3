"""An autopsy names the resource, the cause and the lines that matter, and no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from previews.diagnosis.cluster_diagnostics import (
    ClusterDiagnostics,
    UnhealthyContainer,
    collect,
    last_lines,
    newest,
)
from previews.diagnosis.failure_patterns import FAILURE_PATTERNS, UNKNOWN
from previews.diagnosis.failure_report import (
    FailedResource,
    FailureReport,
    UpFailedError,
    make_report,
    report_error,
)
from previews.errors import PreviewsError
from previews.pulumi import events
from previews.pulumi.progress import Step
from tests.previews.memory_cluster import MemoryCluster

LOGS = Path(__file__).parents[1] / "events"


def of(log: str, **more: Any) -> FailureReport:
    return make_report(events.read(LOGS / f"{log}.jsonl"), **more)


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
    found = make_report([], output="error: the stack is currently locked by 1 lock(s)")
    assert found.cause.code == "stack-held"
    assert "locked by" in found.failed[0].message


VIOLATION = {
    "resourceUrn": "urn:pulumi:pr-42::previews::previews:service:ServiceStack$kubernetes:apps/v1:"
    "Deployment::deployment",
    "message": "A pod reads its secrets from Secrets.\ncontainer service: variable API_TOKEN has a"
    " plain value\n",
    "policyName": "no-secret-variable",
    "enforcementLevel": "mandatory",
}


def violation(**other: str) -> events.EngineEvent:
    """The engine's event of a resource that it didn't begin, since a policy refuses it."""
    return events.EngineEvent.model_validate({"policyEvent": {**VIOLATION, **other}})


def test_a_violated_policy_is_named_with_its_resource_and_its_remedy() -> None:
    ended = {"message": "Resource monitor has terminated, shutting down\n", "severity": "error"}
    over = events.EngineEvent.model_validate({"diagnosticEvent": ended})
    found = make_report([violation(), over])
    assert found.cause.code == "policy-violated"
    [failed] = found.failed
    assert (failed.type, failed.name) == (DEPLOYMENT, "deployment")
    error = UpFailedError.of("pr-42", found)
    assert (
        "policy no-secret-variable (Deployment deployment): container service: variable API_TOKEN"
        " has a plain value"
    ) in error.why
    assert "A pod reads its secrets from Secrets." in failed.message
    assert "infra/policies" in error.remedy


def test_an_advisory_policy_is_no_reason() -> None:
    assert make_report([violation(enforcementLevel="advisory")]).failed == ()


JOB_FAILED = """4 errors occurred:
\t* resource "urn:…::prepare" was successfully created, but failed to become live
\t* [Pod pr-44/prepare-75d60fcea6-w4mf6]: containers with unready status: [prepare]
\t* [Pod pr-44/prepare-75d60fcea6-w4mf6]: [Error] scrub: 3 tables
scrub: customers.phone is not classified: add a rule for it.

\t* [BackoffLimitExceeded] Job has reached the specified backoff limit

"""


@pytest.mark.parametrize(
    ("message", "gist"),
    [
        ("Traceback …\nValueError: 3", "ValueError: 3"),
        ("error: it lacks a key\n  What to do: bring staging up first", "error: it lacks a key"),
        ("", ""),
        (JOB_FAILED, "scrub: customers.phone is not classified: add a rule for it."),
    ],
)
def test_the_gist_is_what_is_wrong_and_not_what_to_do(message: str, gist: str) -> None:
    one = FailedResource(step=None, type="", name="", op="", message=message)
    assert one.gist == gist


def test_nothing_known_is_said_to_be_so() -> None:
    assert make_report([], output="the moon is full").cause is UNKNOWN


DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
INSTANCE = "aws:rds/instance:Instance"


def waited(name: str, *more: str) -> str:
    """What Pulumi's Kubernetes provider says of what did not become ready."""
    head = (
        f'the Kubernetes API server reported that "pr-42/{name}" failed to fully initialize'
        f" or become live: '{name}' timed out waiting to be Ready"
    )
    return "\n".join(
        [f"{len(more) + 1} errors occurred:", *(f"\t* {line}" for line in (head, *more))]
    )


def unready(container: str, why: str) -> str:
    pod = f"{container}-7f7bd59f87-mgr22"
    return waited(
        container,
        "Minimum number of Pods to consider the application live was not attained",
        f"[Pod pr-42/{pod}]: containers with unready status: [{container}][{why}",
    )


def job_failed(name: str, *more: str) -> str:
    return "\n".join(
        [
            f"{2 + len(more)} errors occurred:",
            (
                f"\t* resource pr-42/{name}-407d1a92b2 was successfully created, but the Kubernetes"
                " API server reported that it failed to fully initialize or become live:"
                f" Resource '{name}-407d1a92b2' was created but failed to initialize"
            ),
            (
                "\t* Job has reached the specified backoff limit -- [BackoffLimitExceeded] Job has"
                " reached the specified backoff limit"
            ),
            *more,
        ]
    )


def aws(operation: str, status: int, code: str, text: str) -> str:
    """What the AWS provider says of a refused request."""
    return (
        f"1 error occurred:\n\t* operation error {operation}, https response error StatusCode:"
        f" {status}, RequestID: 87fecadb-d8fc-43ac-8147-a6f49179ce6d, api error {code}: {text}"
    )


RESTORE = "RDS: RestoreDBInstanceFromDBSnapshot"

# The type and name of what failed, in the words of who says it, and the cause.
FAILED: list[tuple[str, str, str, str]] = [
    (
        JOB,
        "migrate",
        job_failed("migrate", "migrate: expected one head, found 2: a, b."),
        "migration-heads",
    ),
    (
        JOB,
        "migrate",
        job_failed("migrate", "migrate: the database is at 9, which this image does not have"),
        "migration-unknown",
    ),
    (JOB, "migrate", job_failed("migrate"), "migrate-failed"),
    (JOB, "prepare", job_failed("prepare"), "prepare-failed"),
    (
        DEPLOYMENT,
        "service",
        unready("service", 'ImagePullBackOff] Back-off pulling image "registry/app@sha256:0"'),
        "image-pull",
    ),
    (
        DEPLOYMENT,
        "service",
        unready("service", "ErrImagePull] manifest for registry/app:x not found"),
        "image-pull",
    ),
    (
        DEPLOYMENT,
        "service",
        unready(
            "service",
            "CrashLoopBackOff] back-off 5m0s restarting failed container=service"
            " pod=service-7f7bd59f87-mgr22_pr-42",
        ),
        "crashed",
    ),
    (
        DEPLOYMENT,
        "service",
        waited(
            "service",
            "[Pod pr-42/service-1]: 0/3 nodes are available: 1 node(s) had untolerated taint"
            " {node.kubernetes.io/not-ready: }, 3 Insufficient cpu. preemption: 0/3 nodes are"
            " available: 3 No preemption victims found for incoming pod.",
        ),
        "no-node",
    ),
    (DEPLOYMENT, "service", waited("service"), "not-ready"),
    (
        INSTANCE,
        "instance",
        aws(RESTORE, 400, "InstanceQuotaExceeded", "DB Instance quota exceeded"),
        "database-quota",
    ),
    (
        INSTANCE,
        "instance",
        aws(
            RESTORE,
            404,
            "DBSnapshotNotFound",
            "Could not find snapshot with name rds:staging-2026-11-25-03-45",
        ),
        "snapshot-missing",
    ),
    (
        "aws:iam/role:Role",
        "secrets",
        aws(
            "IAM: CreateRole",
            403,
            "AccessDenied",
            "User: arn:aws:sts::123456789012:assumed-role/previews/ci is not authorized to perform:"
            " iam:CreateRole on resource: arn:aws:iam::123456789012:role/admin because no"
            " identity-based policy allows the iam:CreateRole action",
        ),
        "permission",
    ),
    (
        INSTANCE,
        "instance",
        aws(
            "STS: GetCallerIdentity",
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
        "credentials-expired",
    ),
    (
        "kubernetes:external-secrets.io/v1:ExternalSecret",
        "database-app",
        waited("database-app"),
        "secret-not-synced",
    ),
    (
        "docker-build:index:Image",
        "image",
        (
            'failed to solve: process "/bin/sh -c pip install ." did not complete successfully:'
            " exit code: 1"
        ),
        "image-build",
    ),
]


def engine(type_: str, name: str, message: str) -> list[events.EngineEvent]:
    """What the engine writes of a resource that failed."""
    urn = f"urn:pulumi:pr-42::previews::{type_}::{name}"
    about = {"metadata": {"op": "create", "urn": urn, "type": type_}}
    said = {"urn": urn, "message": f"{message}\n", "severity": "error"}
    sent = ({"diagnosticEvent": said}, {"resOpFailedEvent": about})
    return [events.EngineEvent.model_validate(event) for event in sent]


@pytest.mark.parametrize(("type_", "name", "message", "code"), FAILED)
def test_a_cause_is_known_by_what_is_really_said(
    type_: str, name: str, message: str, code: str
) -> None:
    found = make_report(engine(type_, name, message))
    assert found.cause.code == code
    [failed] = found.failed
    assert (failed.type, failed.name, failed.op) == (type_, name, "create")


SAID: list[tuple[str, str]] = [
    (
        (
            "error: the stack is currently locked by 1 lock(s). Either wait for the other"
            " process(es) to end or delete the lock file with `pulumi cancel`."
        ),
        "stack-held",
    ),
    (
        "step t1 (Wide) would hold ShareLock on t for 3.0 s, and writes wait meanwhile; the",
        "migration-lock",
    ),
    ("error: it lacks a key\n  What to do: bring staging up first", "program-refused"),
    ("smoke test of http://pr-42.p.io: /version answers 500", "smoke"),
]


@pytest.mark.parametrize(("output", "code"), SAID)
def test_a_cause_is_known_where_no_resource_failed(output: str, code: str) -> None:
    assert make_report([], output=output).cause.code == code


QUOTA = (
    'ReplicaSet service-6597bc46dc: FailedCreate: Error creating: pods "service-6597bc46dc-2wm8j"'
    " is forbidden: exceeded quota: preview, requested: limits.cpu=1,limits.memory=2Gi, used:"
    " limits.cpu=6,limits.memory=12Gi, limited: limits.cpu=6,limits.memory=12Gi"
)


DENIED = (
    "Pod service-1: NetworkPolicyDenied: tcp 203.0.113.9:443 is denied by default-deny: no rule"
    " allows this Pod to connect; if the app needs it, name its host and port under `egress`"
    " in preview.yaml"
)


def test_a_connection_that_was_denied_explains_a_crash_and_nothing_that_says_more() -> None:
    evidence = ClusterDiagnostics(events=(DENIED,))
    crash = unready("service", "CrashLoopBackOff] back-off 5m0s restarting failed container")
    found = make_report(engine(DEPLOYMENT, "service", crash), evidence)
    assert found.cause.code == "egress-denied"
    assert found.diagnostics.events == (DENIED,)
    heads = job_failed("migrate", "migrate: expected one head, found 2: a, b.")
    assert make_report(engine(JOB, "migrate", heads), evidence).cause.code == "migration-heads"


@pytest.mark.parametrize(
    "line",
    [
        "OSError: [Errno 30] Read-only file system: 'var'",
        "PermissionError: [Errno 13] Permission denied: '/app/logs'",
    ],
)
def test_a_crash_of_an_app_that_writes_to_its_image_names_scratch(line: str) -> None:
    crashed = UnhealthyContainer(
        pod="service-1", container="service", reason="CrashLoopBackOff", log=(line, "Exiting.")
    )
    crash = unready("service", "CrashLoopBackOff] back-off 5m0s restarting failed container")
    found = make_report(
        engine(DEPLOYMENT, "service", crash), ClusterDiagnostics(containers=(crashed,))
    )
    assert found.cause.code == "read-only"
    assert "`service.scratch`" in found.cause.remedy


def test_a_cluster_without_policies_of_names_is_said() -> None:
    message = (
        'no matches for kind "ApplicationNetworkPolicy" in version "networking.k8s.aws/v1alpha1"'
    )
    failed = "kubernetes:networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy"
    assert make_report(engine(failed, "allow-app-egress", message)).cause.code == "egress-by-name"


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (ClusterDiagnostics(), "not-ready"),
        (
            ClusterDiagnostics(events=("Pod a: Unhealthy: Readiness probe failed: HTTP 503",)),
            "not-ready",
        ),
        (ClusterDiagnostics(events=("Pod a: BackOff: b", QUOTA)), "namespace-quota"),
        (ClusterDiagnostics(events=(DENIED,)), "egress-denied"),
        (
            ClusterDiagnostics(
                containers=(
                    UnhealthyContainer(pod="p", container="c", reason="OOMKilled, exit code 137"),
                )
            ),
            "out-of-memory",
        ),
    ],
)
def test_that_time_ran_out_tells_less_than_anything_found_in_the_namespace(
    evidence: ClusterDiagnostics, code: str
) -> None:
    found = make_report(engine(DEPLOYMENT, "service", waited("service")), evidence)
    assert found.cause.code == code


def test_each_resource_that_failed_is_told_with_its_own_words() -> None:
    events = [
        *engine(JOB, "prepare", "one"),
        *engine(JOB, "migrate", "two\nthree"),
        *engine(JOB, "migrate", "four"),
        *engine("pulumi:pulumi:Stack", "previews-pr-42", "update failed"),
    ]
    found = make_report(events)
    assert [(one.name, one.message) for one in found.failed] == [
        ("prepare", "one"),
        ("migrate", "two\nthree\nfour"),
        ("previews-pr-42", ""),
    ]


def test_what_a_program_says_is_told_though_nothing_was_announced() -> None:
    urn = "urn:pulumi:pr-42::previews::my:App$kubernetes:apps/v1:Deployment::service"
    said = {"urn": urn, "message": "boom, password=abcdef123", "severity": "error"}
    warned = {"urn": urn, "message": "careful", "severity": "warning"}
    sent = [events.EngineEvent.model_validate({"diagnosticEvent": one}) for one in (said, warned)]
    [failed] = make_report(sent).failed
    assert (failed.step, failed.op) == (None, "")
    assert (failed.type, failed.name) == (DEPLOYMENT, "service")
    assert failed.message == "boom, password=***"


def test_an_error_of_our_own_tells_its_remedy() -> None:
    error = PreviewsError("no-room", "a | b", why="token=abcdef123", remedy="wait | look.")
    found = report_error(error)
    assert (found.cause.code, found.cause.why) == ("no-room", "it stopped at a \\| b")
    assert found.cause.remedy == "wait \\| look."
    assert [one.message for one in found.failed] == ["token=***"]


def test_every_known_cause_has_a_name_of_its_own() -> None:
    codes = [cause.code for _, cause in FAILURE_PATTERNS]
    assert len(set(codes)) == len(codes)


def test_what_failed_tells_more_than_what_else_is_wrong() -> None:
    evidence = ClusterDiagnostics(
        containers=(UnhealthyContainer(pod="p", container="c", reason="OOMKilled", log=("x",)),)
    )
    assert of("migration", diagnostics=evidence).cause.code == "migration-failed"
    assert make_report([], evidence, output="deployment failed").cause.code == "out-of-memory"


def test_long_logs_are_cut_from_the_front_and_long_lines_at_the_end() -> None:
    assert last_lines([str(n) for n in range(100)], 3) == ["97", "98", "99"]
    assert last_lines([str(n) for n in range(31)])[0] == "1"
    assert last_lines(["a", "migrate: report {}", " ", "b  "]) == ["a", "b"]
    short, long = last_lines(["x" * 400, "x" * 401])
    assert (short, long) == ("x" * 400, "x" * 400 + "…")
    assert newest(["a", "a", "b"], 5) == ("a", "b")
    assert newest(["a", "b", "a", "c"], 2) == ("b", "c")
    assert len(newest([str(n) for n in range(11)])) == 10


# What is found in the namespace


def cluster_of(
    status: dict[str, Any] | None = None,
    logs: dict[bool, list[str]] | None = None,
    events: list[dict[str, Any]] | None = None,
) -> MemoryCluster:
    cluster = MemoryCluster()
    if status is not None:
        cluster.add("pods", "service-1", "pr-42", status=status)
    for previous, lines in (logs or {}).items():
        cluster.logs["service-1", previous] = lines
    for number, event in enumerate(events or []):
        cluster.add("events", f"event-{number}", "pr-42", **event)
    return cluster


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
    [trouble] = collect(lambda: cluster_of(status, logs), "pr-42").containers
    assert trouble.reason == "CrashLoopBackOff: back-off; Error, exit code 1; restarted 3 times"
    assert trouble.log == ("boom, token=***",)


def test_a_container_that_is_well_is_not_spoken_of() -> None:
    well = {"name": "service", "restartCount": 0, "ready": True, "state": {"running": {}}}
    ended = {"name": "migrate", "ready": False, "state": {"terminated": {"exitCode": 0}}}
    status = {"containerStatuses": [well], "initContainerStatuses": [ended]}
    assert collect(lambda: cluster_of(status), "pr-42") == ClusterDiagnostics()


def test_a_pod_that_no_node_takes_says_why() -> None:
    status = {"conditions": [{"status": "False", "reason": "Unschedulable", "message": "no cpu"}]}
    [trouble] = collect(lambda: cluster_of(status), "pr-42").containers
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
    found = collect(lambda: cluster_of(events=events), "pr-42").events
    assert found == ("Pod x: Unhealthy: m", "Pod x: BackOff: m")


def test_a_cluster_that_can_not_be_asked_is_told_of() -> None:
    def unreachable() -> Any:
        msg = "no route, password=abcdef123"
        raise OSError(msg)

    found = collect(unreachable, "pr-42")
    assert found.missing == "the cluster could not be read: no route, password=***"
