"""The hook ``before-destroy`` of an app, which Pulumi can't run.

The program has left a suspended CronJob for it, whose Job has the image, environment and login of
the version that runs. So a removal needs nothing of the pull request's checkout
(docs/decisions/0040-hooks-are-jobs.md).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from contract.kubernetes import BEFORE_DESTROY, NAME_LABEL, SERVICE
from previews.diagnosis.hook_logs import HookRun, log_of
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError
from previews.output import progress

if TYPE_CHECKING:
    from previews.kubernetes import Cluster, KubernetesObject

_JOBS = "jobs.v1.batch"
# A pod's scheduling and the image's pull come on top of the hook's own time.
_START_SECONDS = 60
_LOOK_SECONDS = 0.5


def before_destroy(connect: Callable[[], Cluster], namespace: str) -> HookRun | None:
    """Run the hook of a preview that is about to be removed; None where it has none.

    Whatever happens is in the result: a removal goes on without the hook.
    """
    try:
        cluster = connect()
        template = cluster.find("cronjobs.v1.batch", BEFORE_DESTROY, namespace=namespace)
        if template is None:
            return None
        service = cluster.find("deployments.v1.apps", SERVICE, namespace=namespace)
        if service is None or not service.raw.get("status", {}).get("availableReplicas"):
            return HookRun(hook=BEFORE_DESTROY, wrong="it was not run, since no service is running")
        progress(f"{namespace}: {BEFORE_DESTROY}")
        return _run(cluster, namespace, template)
    except (PreviewsError, OSError) as error:
        why = error.why if isinstance(error, PreviewsError) else error
        return HookRun(hook=BEFORE_DESTROY, wrong=redact(f"it could not be run: {why}"))


def _run(cluster: Cluster, namespace: str, template: KubernetesObject) -> HookRun:
    for earlier in list(cluster.each(_JOBS, namespace=namespace)):
        # Of a removal that was killed.
        if earlier.labels.get(NAME_LABEL) == BEFORE_DESTROY:
            cluster.delete(earlier)
    job = _job(template.raw, namespace)
    cluster.create(job)
    name, limit = job["metadata"]["name"], int(job["spec"]["activeDeadlineSeconds"])
    began = time.monotonic()
    until_ended = Retrying(
        retry=retry_if_result(lambda ended: not ended),
        stop=stop_after_delay(limit + _START_SECONDS),
        wait=wait_fixed(_LOOK_SECONDS),
    )
    try:
        ended = until_ended(lambda: _ended(cluster.find(_JOBS, name, namespace=namespace)))
        wrong = "" if ended == "Complete" else ended
    except RetryError:
        wrong = f"it has not ended after {time.monotonic() - began:.0f} s"
    return HookRun(
        hook=BEFORE_DESTROY,
        wrong=redact(wrong),
        log=log_of(cluster, namespace, BEFORE_DESTROY, name),
    )


def _job(template: dict[str, Any], namespace: str) -> dict[str, Any]:
    made = template["spec"]["jobTemplate"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{BEFORE_DESTROY}-{secrets.token_hex(4)}",
            "namespace": namespace,
            "labels": {NAME_LABEL: BEFORE_DESTROY},
        },
        "spec": made["spec"],
    }


def _ended(job: KubernetesObject | None) -> str:
    """Return how a Job ended: ``Complete``, or why it failed; empty while it runs."""
    if job is None:
        return "its Job was deleted"
    for condition in job.raw.get("status", {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] == "Complete":
            return "Complete"
        if condition["status"] == "True" and condition["type"] == "Failed":
            return str(condition.get("message") or condition.get("reason") or "its Job failed")
    return ""
