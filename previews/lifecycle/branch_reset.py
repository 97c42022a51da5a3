"""Mode `branch`: a fresh clone for an existing preview, without a deployment.

The database keeps its address, so nothing in the stack changes: the DatabaseBranch is annotated,
the platform's controller replaces the database by a fresh clone, the migrations of the version
that runs are applied to it, and the pods are restarted.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.kubernetes import BRANCHES, RESET_ANNOTATION, qualified
from previews.errors import PreviewsError
from previews.output import progress

if TYPE_CHECKING:
    from contract.preview import Preview
    from previews.kubernetes import Cluster, KubernetesObject

BRANCH_RESOURCES = qualified(BRANCHES)
_BRANCH = "database"
_MIGRATE = "migrate"
_SERVICE = "service"
_NAME_LABEL = "app.kubernetes.io/name"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_CLONE_SECONDS = 900
_MIGRATE_SECONDS = 720
_ROLLOUT_SECONDS = 300


def reset(preview: Preview, cluster: Cluster) -> None:
    """Replace a preview's database by a fresh clone.

    Raises:
        PreviewsError: It has no database that can be replaced, or a step fails.
    """
    token = secrets.token_hex(4)
    branch = _require(cluster, BRANCH_RESOURCES, _BRANCH, preview)
    progress(f"{preview}: creating a fresh clone")
    cluster.patch(branch, {"metadata": {"annotations": {RESET_ANNOTATION: token}}})
    _await(
        lambda: _require(cluster, BRANCH_RESOURCES, _BRANCH, preview),
        lambda live: _is_reset(live, token),
        seconds=_CLONE_SECONDS,
        what=f"the fresh clone of {preview}",
    )
    progress(f"{preview}: applying the migrations of the version that runs")
    _migrate_again(cluster, preview, token)
    progress(f"{preview}: restarting the service")
    _restart(cluster, preview)


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


def _migrate_again(cluster: Cluster, preview: Preview, token: str) -> None:
    """Run the Job of the deployed version again, under another name."""
    jobs = [
        job
        for job in cluster.each("jobs.v1.batch", namespace=preview.stack.namespace)
        if dict(job.labels).get(_NAME_LABEL) == _MIGRATE
    ]
    again = [job for job in jobs if RESET_ANNOTATION in job.annotations]
    deployed = [job for job in jobs if RESET_ANNOTATION not in job.annotations]
    for earlier in again:
        cluster.delete(earlier)
    if not deployed:
        raise PreviewsError(
            "reset-no-migration",
            preview.name,
            why="the Job that migrated the deployed version does not exist any more",
            remedy="push to the pull request, or deploy it again: that migrates the fresh clone.",
        )
    newest = max(deployed, key=lambda job: str(job.metadata["creationTimestamp"]))
    job = _job_again(_raw(newest), token)
    cluster.create(job)
    name = job["metadata"]["name"]
    done = _await(
        lambda: _require(cluster, "jobs.v1.batch", name, preview),
        lambda live: bool(_ended(live)),
        seconds=_MIGRATE_SECONDS,
        what=f"migration of the fresh clone of {preview}",
    )
    if "Complete" not in _ended(done):
        raise PreviewsError(
            "reset-migration-failed",
            f"migration of the fresh clone of {preview}",
            why=f"the Job {name} failed",
            remedy=f"read its log with `kubectl logs -n {preview.stack.namespace} job/{name}`;"
            " push a version whose migrations work on staging's data, then reset again.",
        )


def _job_again(job: dict[str, Any], token: str) -> dict[str, Any]:
    """Copy a Job without the fields that the cluster has added."""
    template = copy.deepcopy(dict(job["spec"]["template"]))
    template["metadata"] = {"labels": {_NAME_LABEL: _MIGRATE}}
    kept = ("backoffLimit", "activeDeadlineSeconds", "podFailurePolicy")
    spec = {key: job["spec"][key] for key in kept if key in job["spec"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{_MIGRATE}-reset-{token}",
            "namespace": job["metadata"]["namespace"],
            "labels": {_NAME_LABEL: _MIGRATE},
            "annotations": {RESET_ANNOTATION: token},
        },
        "spec": {**spec, "template": template},
    }


def _ended(job: KubernetesObject) -> set[str]:
    conditions = _raw(job).get("status", {}).get("conditions") or ()
    return {c["type"] for c in conditions if c["status"] == "True"} & {"Complete", "Failed"}


def _restart(cluster: Cluster, preview: Preview) -> None:
    deployment = _require(cluster, "deployments.v1.apps", _SERVICE, preview)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    template = {"metadata": {"annotations": {_RESTARTED: at}}}
    cluster.patch(deployment, {"spec": {"template": template}})
    _await(
        lambda: _require(cluster, "deployments.v1.apps", _SERVICE, preview),
        _is_rolled_out,
        seconds=_ROLLOUT_SECONDS,
        what=f"restart of the service of {preview}",
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
