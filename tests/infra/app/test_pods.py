"""Jobs and Deployment: what runs, as whom, with which secrets."""

from __future__ import annotations

from typing import Any

import pytest

from infra.stacks import main
from tests.infra.world import COMMIT, PREVIEW_CONFIG, SERVICE_CONFIG, Cloud, Deployment, deploy

JOB, DEPLOYMENT = "kubernetes:batch/v1:Job", "kubernetes:apps/v1:Deployment"
WORKLOADS = [(JOB, "prepare"), (JOB, "migrate"), (DEPLOYMENT, "deployment")]
SERVER = {
    "DATABASE_HOST": "pr-42.abc.eu-west-1.rds.amazonaws.com",
    "DATABASE_PORT": "5432",
    "DATABASE_NAME": "service",
    "DATABASE_SSLMODE": "verify-full",
}


def pod(stack: Deployment, type_: str, name: str) -> dict[str, Any]:
    return stack.one(type_, name).inputs["spec"]["template"]["spec"]


def container(stack: Deployment, type_: str, name: str) -> dict[str, Any]:
    (only,) = pod(stack, type_, name)["containers"]
    return only


def environment(stack: Deployment, type_: str, name: str) -> dict[str, str]:
    """A container's environment in one line each."""
    found: dict[str, str] = {}
    for variable in container(stack, type_, name)["env"]:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            found[variable["name"]] = f"secret {reference['name']}/{reference['key']}"
        elif "fieldRef" in source:
            found[variable["name"]] = f"field {source['fieldRef']['fieldPath']}"
        else:
            found[variable["name"]] = variable["value"]
    return found


def login(prefix: str, secret: str) -> dict[str, str]:
    return {
        f"{prefix}_USER": f"secret {secret}/username",
        f"{prefix}_PASSWORD": f"secret {secret}/password",
    }


APP = {
    "PGSSLROOTCERT": "/etc/previews/authorities/rds.pem",
    "HOST": "$(PREVIEW_POD_IP)",
    "PORT": "8000",
    "PREVIEW_POD_IP": "field status.podIP",
    "TRUSTED_PROXIES": "10.0.0.0/16,100.64.0.0/16",
    **SERVER,
    "DATABASE_USER": "$(PREVIEW_DATABASE_USER)",
    "DATABASE_PASSWORD": "$(PREVIEW_DATABASE_PASSWORD)",
    "DATABASE_POOL_SIZE": "10",
    "APP_COMMIT": COMMIT,
    "APP_ENVIRONMENT": "preview",
    "APP_PULL_REQUEST": "42",
    "APP_SNAPSHOT": "rds:staging-2029-12-30-03-05",
}


def test_the_prepare_job_alone_gets_the_master_login(preview: Deployment) -> None:
    assert environment(preview, JOB, "prepare") == {
        **SERVER,
        **login("DATABASE_MASTER", "database-master"),
        **login("DATABASE_MIGRATOR", "database-migrator"),
        **login("DATABASE_APP", "database-app"),
        "PREPARE_CONTENT": "copy",
        "SCRUB_RULES": "/etc/previews/scrub.yaml",
    }
    for type_, name in WORKLOADS[1:]:
        assert "database-master" not in str(pod(preview, type_, name))


def test_the_prepare_jobs_run_the_image_of_the_data_room(
    staging: Deployment, preview: Deployment
) -> None:
    image = staging.outputs["platform"]["images"]["database"]
    for stack in (staging, preview):
        job = container(stack, JOB, "prepare")
        assert job["image"] == image != stack.outputs["image"]
        assert job["command"] == ["python", "-m", "database.prepare"]
    # A copy of staging's data is scrubbed; staging's own is not.
    assert environment(preview, JOB, "prepare")["PREPARE_CONTENT"] == "copy"
    assert environment(staging, JOB, "prepare")["PREPARE_CONTENT"] == "original"


def test_the_migrate_job_owns_the_schema(preview: Deployment, staging: Deployment) -> None:
    assert environment(preview, JOB, "migrate") == {
        **APP,
        **login("PREVIEW_DATABASE", "database-migrator"),
        "MIGRATION_MAX_LOCK_SECONDS": "2",
        "MIGRATION_LONG_LOCKS_MEANT": "false",
    }
    # Staging is in use: trying a migration out there would lock as well.
    assert not any(name.startswith("MIGRATION") for name in environment(staging, JOB, "migrate"))
    migrate = container(preview, JOB, "migrate")
    assert migrate["image"] == preview.outputs["image"]
    assert migrate["command"] == ["python", "-m", "service.migrate"]


def test_the_service_does_not(preview: Deployment) -> None:
    assert environment(preview, DEPLOYMENT, "deployment") == {
        **APP,
        **login("PREVIEW_DATABASE", "database-app"),
    }
    assert APP["APP_COMMIT"] == preview.outputs["commit"]
    assert container(preview, DEPLOYMENT, "deployment")["image"] == preview.outputs["image"]


def test_staging_is_no_preview_of_anything(staging: Deployment) -> None:
    about = environment(staging, DEPLOYMENT, "deployment")
    assert about["APP_ENVIRONMENT"] == "staging"
    assert (about["APP_PULL_REQUEST"], about["APP_SNAPSHOT"]) == ("", "")


@pytest.mark.parametrize(("type_", "name"), WORKLOADS)
def test_every_pod_is_confined(preview: Deployment, type_: str, name: str) -> None:
    spec = pod(preview, type_, name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["serviceAccountName"] == "service"
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    only = container(preview, type_, name)
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
    assert only["resources"] == {
        "requests": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "128Mi"},
        "limits": {"cpu": "1", "memory": "256Mi", "ephemeral-storage": "128Mi"},
    }
    assert only["volumeMounts"][0] == {"name": "scratch-0", "mountPath": "/tmp"}
    assert all(mount["readOnly"] for mount in only["volumeMounts"][1:])
    assert spec["volumes"][0] == {"name": "scratch-0", "emptyDir": {"sizeLimit": "64Mi"}}
    assert {"configMap"} >= {key for v in spec["volumes"][1:] for key in v.keys() - {"name"}}
    assert only["image"].rpartition("@")[2].startswith("sha256:")


@pytest.mark.parametrize(("type_", "name"), WORKLOADS)
def test_every_pod_says_why_it_failed(preview: Deployment, type_: str, name: str) -> None:
    only = container(preview, type_, name)
    assert only["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize("name", ["prepare", "migrate"])
def test_a_job_is_tried_once_and_anew_by_the_next_up(preview: Deployment, name: str) -> None:
    job = preview.one(JOB, name).inputs
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    annotations = job["metadata"]["annotations"]
    assert annotations["pulumi.com/replaceUnready"] == "true"
    # Pulumi waits longer than the Job may take, or the Job's own reason would not be seen.
    timeout = int(annotations["pulumi.com/timeoutSeconds"])
    assert timeout > job["spec"]["activeDeadlineSeconds"]
    # It must stay to be seen by `pulumi refresh`.
    assert "ttlSecondsAfterFinished" not in job["spec"]


@pytest.mark.parametrize("name", ["prepare", "migrate"])
def test_a_job_leaves_its_name_before_another_takes_its_place(
    preview: Deployment, name: str
) -> None:
    """Or going back, after a failure, to what ran before would find the name taken."""
    assert preview.one(JOB, name).delete_before_replace


@pytest.mark.parametrize(
    "changed",
    [
        {"service": SERVICE_CONFIG | {"memory": "512Mi"}},
        {"image": "sha256:" + "ab" * 32},
    ],
)
def test_the_name_of_a_job_changes_with_what_it_runs(
    staging: Deployment, preview: Deployment, changed: dict[str, Any]
) -> None:
    """A Job can't be changed, so there would be no other way to run it again."""
    other = deploy(
        "pr-42", main, config=PREVIEW_CONFIG | changed, cloud=Cloud(staging=staging.outputs)
    )
    one, another = (
        stack.one(JOB, "migrate").inputs["metadata"]["name"] for stack in (preview, other)
    )
    assert one != another
    assert one.startswith("migrate-")


def test_the_deployment_leaves_the_number_of_pods_to_the_autoscaler(preview: Deployment) -> None:
    spec = preview.one(DEPLOYMENT).inputs["spec"]
    assert "replicas" not in spec
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    autoscaler = preview.one("kubernetes:autoscaling/v2:HorizontalPodAutoscaler").inputs["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (1, 2)
    assert autoscaler["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": preview.one(DEPLOYMENT).inputs["metadata"]["name"],
    }


def test_probes_ask_the_right_questions(preview: Deployment) -> None:
    only = container(preview, DEPLOYMENT, "deployment")
    asked = {
        kind: (only[kind]["httpGet"]["path"], only[kind]["httpGet"]["port"])
        for kind in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert asked == {
        "startupProbe": ("/health/live", "http"),
        "readinessProbe": ("/health/ready", "http"),
        # Never the database: its failure is no reason to kill a pod.
        "livenessProbe": ("/health/live", "http"),
    }
    assert only["ports"] == [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]


def test_a_pod_is_given_time_to_drain(staging: Deployment) -> None:
    spec = pod(staging, DEPLOYMENT, "deployment")
    stop = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= stop + 5


def test_the_wait_of_ten_seconds_for_a_service_is_left_out(preview: Deployment) -> None:
    """The Deployment is ready before it, and the Ingress waits for its endpoints."""
    service = preview.one("kubernetes:core/v1:Service")
    assert service.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def test_the_service_leads_to_the_pods(preview: Deployment) -> None:
    service = preview.one("kubernetes:core/v1:Service").inputs["spec"]
    labels = preview.one(DEPLOYMENT).inputs["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert service["type"] == "ClusterIP"
    assert service["ports"] == [
        {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    ]
    budget = preview.one("kubernetes:policy/v1:PodDisruptionBudget").inputs["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    assert budget["maxUnavailable"] == 1


def test_pulumi_waits_longer_than_kubernetes(preview: Deployment) -> None:
    """So that the Deployment's own reason is what is shown, and no longer than that takes."""
    deployment = preview.one(DEPLOYMENT).inputs
    timeout = int(deployment["metadata"]["annotations"]["pulumi.com/timeoutSeconds"])
    assert 5 <= timeout - deployment["spec"]["progressDeadlineSeconds"] <= 20
    assert timeout < 600


@pytest.mark.parametrize("kind", ["preview", "staging", "data"])
def test_no_node_is_removed_under_a_job_to_save_money(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Karpenter would move its pod, which ends a Job that is tried once."""
    deployment: Deployment = request.getfixturevalue(kind)
    jobs = [r for r in deployment.registrations if r.type == JOB]
    assert jobs
    for job in jobs:
        annotations = job.inputs["spec"]["template"]["metadata"]["annotations"]
        assert annotations["karpenter.sh/do-not-disrupt"] == "true", job.name
