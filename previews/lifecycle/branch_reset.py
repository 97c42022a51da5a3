"""Mode `branch`: a fresh clone for a living preview, its service on it, no new deploy.

The database keeps its address, so nothing of the stack changes: the claim is annotated, the
platform's controller puts a fresh clone in the place of the database, the migrations of the
version that runs are applied to it, and the pods are started anew.
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
    from kr8s.objects import APIObject

    from contract.stack_name import StackName
    from previews.clients import Clients

CLAIMS = qualified(BRANCHES)
_CLAIM = "database"
_MIGRATE = "migrate"
_SERVICE = "service"
_NAME_LABEL = "app.kubernetes.io/name"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_CLONE_SECONDS = 900
_MIGRATE_SECONDS = 720
_ROLLOUT_SECONDS = 300


def reset(clients: Clients, stack: StackName) -> None:
    """Put a fresh clone in the place of a preview's database.

    Raises:
        PreviewsError: It has none that can be replaced, or a step fails; the message says which.
    """
    token = secrets.token_hex(4)
    claim = _found(clients, CLAIMS, _CLAIM, stack)
    progress(f"{stack}: a fresh clone is made")
    clients.cluster.patch(claim, {"metadata": {"annotations": {RESET_ANNOTATION: token}}})
    _await(
        lambda: _found(clients, CLAIMS, _CLAIM, stack),
        lambda live: _is_reset(live, token),
        seconds=_CLONE_SECONDS,
        what=f"the fresh clone of {stack}",
    )
    progress(f"{stack}: the migrations of the version that runs are applied")
    _migrate_again(clients, stack, token)
    progress(f"{stack}: the service is started anew")
    _restart(clients, stack)


def _found(clients: Clients, kind: str, name: str, stack: StackName) -> APIObject:
    found = clients.cluster.find(kind, name, namespace=stack.namespace)
    if found is None:
        raise PreviewsError(
            "reset-incomplete-preview",
            stack.value,
            why=f"it has no {kind.partition('.')[0]} {name}, so it was never wholly up",
            remedy="deploy it again; that finishes what is missing.",
        )
    return found


def _is_reset(claim: APIObject, token: str) -> bool:
    status = _raw(claim).get("status", {})
    ready = any(
        c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())
    )
    return ready and status.get("reset") == token


def _migrate_again(clients: Clients, stack: StackName, token: str) -> None:
    """Run the Job of the deployed version once more, under another name."""
    jobs = [
        job
        for job in clients.cluster.each("jobs.v1.batch", namespace=stack.namespace)
        if dict(job.labels).get(_NAME_LABEL) == _MIGRATE
    ]
    again = [job for job in jobs if RESET_ANNOTATION in job.annotations]
    deployed = [job for job in jobs if RESET_ANNOTATION not in job.annotations]
    for former in again:
        clients.cluster.delete(former)
    if not deployed:
        raise PreviewsError(
            "reset-no-migration",
            stack.value,
            why="the Job that migrated the deployed version is gone",
            remedy="push to the pull request, or deploy it again: that migrates the fresh clone.",
        )
    newest = max(deployed, key=lambda job: str(job.metadata["creationTimestamp"]))
    job = _job_again(_raw(newest), token)
    clients.cluster.create(job)
    name = job["metadata"]["name"]
    done = _await(
        lambda: _found(clients, "jobs.v1.batch", name, stack),
        lambda live: bool(_ended(live)),
        seconds=_MIGRATE_SECONDS,
        what=f"migration of the fresh clone of {stack}",
    )
    if "Complete" not in _ended(done):
        raise PreviewsError(
            "reset-migration-failed",
            f"migration of the fresh clone of {stack}",
            why=f"the Job {name} failed",
            remedy=f"read it with `kubectl logs -n {stack.namespace} job/{name}`; push a"
            " version whose migrations fit staging's data, then reset once more.",
        )


def _job_again(job: dict[str, Any], token: str) -> dict[str, Any]:
    """A Job like another one, without what the cluster has added to that."""
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


def _ended(job: APIObject) -> set[str]:
    conditions = _raw(job).get("status", {}).get("conditions") or ()
    return {c["type"] for c in conditions if c["status"] == "True"} & {"Complete", "Failed"}


def _restart(clients: Clients, stack: StackName) -> None:
    deployment = _found(clients, "deployments.v1.apps", _SERVICE, stack)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    template = {"metadata": {"annotations": {_RESTARTED: at}}}
    clients.cluster.patch(deployment, {"spec": {"template": template}})
    _await(
        lambda: _found(clients, "deployments.v1.apps", _SERVICE, stack),
        _is_rolled_out,
        seconds=_ROLLOUT_SECONDS,
        what=f"restart of the service of {stack}",
    )


def _is_rolled_out(deployment: APIObject) -> bool:
    status = _raw(deployment).get("status", {})
    wanted = _raw(deployment)["spec"].get("replicas", 1)
    counts = [status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= deployment.metadata["generation"]
    return bool(seen) and counts == [wanted] * 3


def _await(
    look: Callable[[], APIObject],
    holds: Callable[[APIObject], bool],
    *,
    seconds: float,
    what: str,
) -> APIObject:
    """Look until it holds.

    Raises:
        PreviewsError: It does not within the time; says what the object says of itself.
    """
    until = Retrying(
        retry=retry_if_result(lambda live: not holds(live)),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.5),
    )
    try:
        return until(look)
    except RetryError as error:
        live: APIObject = error.last_attempt.result()
        conditions = _raw(live).get("status", {}).get("conditions") or ()
        said = "; ".join(f"{c['type']}={c['status']}: {c.get('message', '')}" for c in conditions)
        raise PreviewsError(
            "reset-timeout",
            what,
            why=f"not there after {seconds:g} s; it says: {said or 'nothing'}",
            remedy="mend what it names; then reset once more, which goes on from there.",
        ) from error


def _raw(live: APIObject) -> dict[str, Any]:
    """The object as the API server gave it."""
    return dict(live.raw)
