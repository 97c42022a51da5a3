"""Mode `branch`: a fresh clone for an existing preview, without a deployment.

The database keeps its address, so nothing in the stack changes: the DatabaseBranch is annotated,
the platform's controller replaces the database by a fresh clone, the migrations of the version
that runs are applied to it, and the pods are restarted. Last comes the hook ``seed``, if the app
wants it after a reset.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.app.needs import MAIL, REDIS
from contract.kubernetes import (
    AFTER_RESET_ANNOTATION,
    BRANCHES,
    MIGRATE,
    NAME_LABEL,
    RESET_ANNOTATION,
    SEED,
    SERVICE,
    qualified,
)
from previews.errors import PreviewsError
from previews.output import progress

if TYPE_CHECKING:
    from contract.preview import Preview
    from previews.kubernetes import Cluster, KubernetesObject

BRANCH_RESOURCES = qualified(BRANCHES)
_BRANCH = "database"
_DEPLOYMENTS = "deployments.v1.apps"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_CLONE_SECONDS = 900
# A pod's scheduling and the image's pull come on top of a Job's own time.
_START_SECONDS = 120
_MIGRATE_SECONDS = 600
_ROLLOUT_SECONDS = 300


def reset(preview: Preview, cluster: Cluster, *, migrates: bool) -> None:
    """Replace a preview's database by a fresh clone.

    Args:
        preview: The preview.
        cluster: The cluster.
        migrates: True if the app has migrations, which the fresh clone needs too.

    Raises:
        PreviewsError: It has no database that can be replaced, or a step fails.
    """
    token = secrets.token_hex(4)
    branch = _require(cluster, BRANCH_RESOURCES, _BRANCH, preview)
    # Looked for first: without it the clone that is there would be lost for one that is of no use.
    migration = _require_migration(cluster, preview) if migrates else None
    progress(f"{preview}: creating a fresh clone")
    cluster.patch(branch, {"metadata": {"annotations": {RESET_ANNOTATION: token}}})
    _await(
        lambda: _require(cluster, BRANCH_RESOURCES, _BRANCH, preview),
        lambda live: _is_reset(live, token),
        seconds=_CLONE_SECONDS,
        what=f"the fresh clone of {preview}",
    )
    if migration is not None:
        progress(f"{preview}: applying the migrations of the version that runs")
        _migrate_again(cluster, preview, migration, token)
    progress(f"{preview}: restarting the pods")
    _restart_all(cluster, preview)
    _seed_again(cluster, preview, token)


def _require(cluster: Cluster, kind: str, name: str, preview: Preview) -> KubernetesObject:
    found = cluster.find(kind, name, namespace=preview.stack.namespace)
    if found is None:
        raise PreviewsError(
            "reset-incomplete-preview",
            preview.name,
            why=f"it has no {kind.partition('.')[0]} {name}, so it was never completely up",
            remedy="deploy it again; that creates what is missing.",
        )
    return found


def _is_reset(branch: KubernetesObject, token: str) -> bool:
    status = _raw(branch).get("status", {})
    ready = any(
        c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())
    )
    return ready and status.get("reset") == token


def _require_migration(cluster: Cluster, preview: Preview) -> KubernetesObject:
    """Return the Job that migrated the deployed version."""
    deployed = _deployed_job(cluster, preview, MIGRATE)
    if deployed is None:
        raise PreviewsError(
            "reset-no-migration",
            preview.name,
            why="the Job that migrated the deployed version does not exist any more, so a fresh"
            " clone could not be migrated",
            remedy="push to the pull request, or deploy it again, then reset again.",
        )
    return deployed


def _migrate_again(
    cluster: Cluster, preview: Preview, deployed: KubernetesObject, token: str
) -> None:
    """Run the migration of the deployed version again."""
    name = _run_again(cluster, preview, deployed, token)
    if name:
        raise PreviewsError(
            "reset-migration-failed",
            f"migration of the fresh clone of {preview}",
            why=f"the Job {name} failed",
            remedy=f"read its log with `kubectl logs -n {preview.stack.namespace} job/{name}`;"
            " push a version whose migrations work on staging's data, then reset again.",
        )


def _seed_again(cluster: Cluster, preview: Preview, token: str) -> None:
    """Run the hook ``seed`` again, with the version that ran it, if it is wanted after a reset."""
    deployed = _deployed_job(cluster, preview, SEED)
    if deployed is None or deployed.annotations.get(AFTER_RESET_ANNOTATION) != "true":
        return
    progress(f"{preview}: running the hook {SEED}")
    name = _run_again(cluster, preview, deployed, token)
    if name:
        raise PreviewsError(
            "reset-seed-failed",
            f"hook {SEED} on the fresh clone of {preview}",
            why=f"the Job {name} failed",
            remedy=f"read its log with `kubectl logs -n {preview.stack.namespace} job/{name}`;"
            " mend the command of `hooks.seed`, push, then reset again.",
        )


def _deployed_job(cluster: Cluster, preview: Preview, name: str) -> KubernetesObject | None:
    """Delete a Job's repetitions of earlier resets; return the deployed one, None if it is gone."""
    jobs = [
        job
        for job in cluster.each("jobs.v1.batch", namespace=preview.stack.namespace)
        if job.labels.get(NAME_LABEL) == name
    ]
    for earlier in jobs:
        if RESET_ANNOTATION in earlier.annotations:
            cluster.delete(earlier)
    deployed = [job for job in jobs if RESET_ANNOTATION not in job.annotations]
    return max(deployed, key=lambda job: str(job.metadata["creationTimestamp"]), default=None)


def _run_again(cluster: Cluster, preview: Preview, deployed: KubernetesObject, token: str) -> str:
    """Run a deployed Job again under another name; returns that name if it failed."""
    job = _job_again(_raw(deployed), token)
    cluster.create(job)
    name = job["metadata"]["name"]
    limit = job["spec"].get("activeDeadlineSeconds", _MIGRATE_SECONDS)
    done = _await(
        lambda: _require(cluster, "jobs.v1.batch", name, preview),
        lambda live: bool(_ended(live)),
        seconds=limit + _START_SECONDS,
        what=f"Job {name} of {preview}",
    )
    return "" if "Complete" in _ended(done) else str(name)


def _job_again(job: dict[str, Any], token: str) -> dict[str, Any]:
    """Copy a Job without the fields that the cluster has added."""
    name = job["metadata"]["labels"][NAME_LABEL]
    template = copy.deepcopy(dict(job["spec"]["template"]))
    former = template["metadata"].get("annotations") or {}
    template["metadata"] = {"labels": {NAME_LABEL: name}, "annotations": former}
    kept = ("backoffLimit", "activeDeadlineSeconds", "podFailurePolicy")
    spec = {key: job["spec"][key] for key in kept if key in job["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name}-reset-{token}",
            "namespace": job["metadata"]["namespace"],
            "labels": {NAME_LABEL: name},
            "annotations": {RESET_ANNOTATION: token},
        },
        "spec": {**spec, "template": template},
    }


def _ended(job: KubernetesObject) -> set[str]:
    conditions = _raw(job).get("status", {}).get("conditions") or ()
    return {c["type"] for c in conditions if c["status"] == "True"} & {"Complete", "Failed"}


def _restart_all(cluster: Cluster, preview: Preview) -> None:
    """Restart what holds something of the former rows: Redis first, since the others fill it."""
    names = {one.name for one in cluster.each(_DEPLOYMENTS, namespace=preview.stack.namespace)}
    for name in sorted({SERVICE, *names} - {MAIL}, key=lambda name: (name != REDIS, name)):
        _restart(cluster, name, preview)


def _restart(cluster: Cluster, name: str, preview: Preview) -> None:
    deployment = _require(cluster, _DEPLOYMENTS, name, preview)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    template = {"metadata": {"annotations": {_RESTARTED: at}}}
    cluster.patch(deployment, {"spec": {"template": template}})
    _await(
        lambda: _require(cluster, _DEPLOYMENTS, name, preview),
        _is_rolled_out,
        seconds=_ROLLOUT_SECONDS,
        what=f"restart of {name} of {preview}",
    )


def _is_rolled_out(deployment: KubernetesObject) -> bool:
    status = _raw(deployment).get("status", {})
    wanted = _raw(deployment)["spec"].get("replicas", 1)
    counts = [status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= deployment.metadata["generation"]
    return bool(seen) and counts == [wanted] * 3


def _await(
    look: Callable[[], KubernetesObject],
    holds: Callable[[KubernetesObject], bool],
    *,
    seconds: float,
    what: str,
) -> KubernetesObject:
    """Read an object until the condition holds.

    Raises:
        PreviewsError: It does not hold in time; the message has the object's conditions.
    """
    until = Retrying(
        retry=retry_if_result(lambda live: not holds(live)),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.5),
    )
    try:
        return until(look)
    except RetryError as error:
        live: KubernetesObject = error.last_attempt.result()
        conditions = _raw(live).get("status", {}).get("conditions") or ()
        state = "; ".join(f"{c['type']}={c['status']}: {c.get('message', '')}" for c in conditions)
        raise PreviewsError(
            "reset-timeout",
            what,
            why=f"not ready after {seconds:g} s; its conditions: {state or 'none'}",
            remedy="fix what the conditions name, then reset again; it continues from there.",
        ) from error


def _raw(live: KubernetesObject) -> dict[str, Any]:
    """Return the object as the API server has it."""
    return dict(live.raw)
