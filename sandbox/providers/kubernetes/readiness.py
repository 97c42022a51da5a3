"""When an object of each kind counts as working, as the real provider sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from sandbox.providers.base import NotReadyError
from sandbox.providers.kubernetes import diagnosis
from sandbox.providers.kubernetes.api import Api, Object, Ref

Readiness = Callable[[Api, Ref, Object], Awaitable[str | None]]
"""None when it works, else what is still missing.

Raises NotReadyError for what will never work.
"""

_POD_TEMPLATE_HASH: Final = "pod-template-hash"
_REVISION: Final = "deployment.kubernetes.io/revision"


async def deployment(api: Api, ref: Ref, live: Object) -> str | None:
    """Complete as the controller defines it: all replicas new, available, and no others."""
    status = live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
        return "the controller has not seen this version yet"
    progressing = _condition(live, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        raise NotReadyError(
            f"{ref}: {progressing.get('message')}", *await explain_deployment(api, ref, live)
        )
    wanted = live["spec"].get("replicas", 1)
    counts = {key: status.get(key, 0) for key in ("updatedReplicas", "replicas")}
    available = status.get("availableReplicas", 0)
    if counts["updatedReplicas"] < wanted:
        return f"{counts['updatedReplicas']} of {wanted} replicas updated"
    if counts["replicas"] > counts["updatedReplicas"]:
        return f"{counts['replicas'] - counts['updatedReplicas']} old replicas still there"
    return None if available >= wanted else f"{available} of {wanted} replicas available"


async def explain_deployment(api: Api, ref: Ref, live: Object) -> list[str]:
    """What is wrong with a Deployment, its newest ReplicaSet and that one's Pods."""
    labels = live["spec"]["selector"].get("matchLabels") or {}
    replica_sets = [
        it
        for it in await api.list_of(ref.collection.replace("deployments", "replicasets"), labels)
        if _is_owned(it, live)
    ]
    reasons = [it for it in diagnosis.of_conditions(live) if not it.startswith("Progressing=")]
    if replica_sets:
        newest = max(replica_sets, key=_revision)
        reasons += diagnosis.of_conditions(newest)
        template_hash = newest["metadata"]["labels"][_POD_TEMPLATE_HASH]
        labels = {**labels, _POD_TEMPLATE_HASH: template_hash}
    return reasons + await diagnosis.of_pods(api, _pods(ref), labels)


async def job(api: Api, ref: Ref, live: Object) -> str | None:
    """Complete; a failed Job stays failed, whatever it is waited for."""
    if _condition(live, "Complete").get("status") == "True":
        return None
    failed = _condition(live, "Failed")
    if failed.get("status") == "True":
        raise NotReadyError(
            f"{ref}: {failed.get('reason')}: {failed.get('message')}",
            *await explain_job(api, ref, live),
        )
    status = live.get("status", {})
    return f"{status.get('active', 0)} Pods active, {status.get('failed', 0)} failed"


async def explain_job(api: Api, ref: Ref, live: Object) -> list[str]:
    """What is wrong with a Job's Pods."""
    labels = {"batch.kubernetes.io/controller-uid": live["metadata"]["uid"]}
    return await diagnosis.of_pods(api, _pods(ref), labels)


async def service(api: Api, ref: Ref, live: Object) -> str | None:
    """Has a ready endpoint; a load balancer, an address besides."""
    spec = live["spec"]
    if spec.get("type") == "LoadBalancer" and not _balancers(live):
        return "no address of a load balancer yet"
    headless = spec.get("clusterIP") == "None"
    if spec.get("type") == "ExternalName" or headless or not spec.get("selector"):
        return None
    return await _endpoints(api, ref, ref.name)


async def ingress(api: Api, ref: Ref, live: Object) -> str | None:
    """Its Services have ready endpoints and a controller gave it an address."""
    for name in sorted(_backends(live["spec"])):
        target = await api.get(await api.ref("v1", "Service", _namespace(ref), name))
        if target is None:
            return f"there is no Service {name} yet"
        if target["spec"].get("type") != "ExternalName":
            lacking = await _endpoints(api, ref, name)
            if lacking:
                return lacking
    return None if _balancers(live) else "no address of a load balancer yet"


async def resource_quota(api: Api, ref: Ref, live: Object) -> str | None:
    """Counted once: before that, admission refuses every Pod."""
    del api, ref
    wanted = live["spec"].get("hard") or {}
    counted = live.get("status", {}).get("hard") or {}
    return None if wanted == counted else "the controller has not counted what is used yet"


BY_KIND: Final[Mapping[tuple[str, str], Readiness]] = {
    ("", "ResourceQuota"): resource_quota,
    ("", "Service"): service,
    ("apps", "Deployment"): deployment,
    ("batch", "Job"): job,
    ("networking.k8s.io", "Ingress"): ingress,
}
# The real provider waits for these, the stand-in does not know how.
UNKNOWN: Final = frozenset(
    {
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("", "Pod"),
        ("", "ReplicationController"),
        ("apps", "DaemonSet"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
    }
)


async def explain(api: Api, ref: Ref, live: Object) -> list[str]:
    """Why an object that was waited for in vain does not work."""
    match group_kind(ref.api_version, ref.kind):
        case ("apps", "Deployment"):
            return await explain_deployment(api, ref, live)
        case ("batch", "Job"):
            return await explain_job(api, ref, live)
        case _:
            return diagnosis.of_conditions(live)


def group_kind(api_version: str, kind: str) -> tuple[str, str]:
    """A kind without its version, by which the tables are kept."""
    return api_version.rpartition("/")[0], kind


async def _endpoints(api: Api, ref: Ref, name: str) -> str | None:
    collection = f"/apis/discovery.k8s.io/v1/namespaces/{_namespace(ref)}/endpointslices"
    slices = await api.list_of(collection, {"kubernetes.io/service-name": name})
    ready = any(
        endpoint.get("conditions", {}).get("ready")
        for it in slices
        for endpoint in it.get("endpoints") or ()
    )
    return None if ready else f"Service {name} has no ready endpoint"


def _namespace(ref: Ref) -> str:
    return ref.collection.partition("/namespaces/")[2].partition("/")[0]


def _backends(spec: Mapping[str, Any]) -> set[str]:
    backends = [
        path["backend"]
        for rule in spec.get("rules") or ()
        for path in rule.get("http", {}).get("paths") or ()
    ]
    if "defaultBackend" in spec:
        backends.append(spec["defaultBackend"])
    return {it["service"]["name"] for it in backends if "service" in it}


def _balancers(live: Object) -> list[Any]:
    found: list[Any] = live.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return found


def _condition(live: Object, type_: str) -> Mapping[str, Any]:
    conditions: list[dict[str, Any]] = live.get("status", {}).get("conditions") or []
    return next((it for it in conditions if it.get("type") == type_), {})


def _is_owned(item: Object, owner: Object) -> bool:
    owners = item["metadata"].get("ownerReferences") or ()
    return any(it["uid"] == owner["metadata"]["uid"] for it in owners)


def _revision(replica_set: Object) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(_REVISION, 0))


def _pods(ref: Ref) -> str:
    return f"/api/v1/namespaces/{_namespace(ref)}/pods"
