"""Readiness on objects as the controllers write them, against an API that is a dictionary."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sandbox.providers.base import NotReadyError
from sandbox.providers.kubernetes import readiness
from sandbox.providers.kubernetes.api import Api, Object, Ref

_APPS = "/apis/apps/v1/namespaces/pr-42"
_SLICES = "/apis/discovery.k8s.io/v1/namespaces/pr-42/endpointslices"
_PODS = "/api/v1/namespaces/pr-42/pods"


class _Api:
    def __init__(self, lists: dict[str, list[Object]], objects: dict[str, Object]) -> None:
        self.lists = lists
        self.objects = objects

    async def list_of(self, collection: str, labels: dict[str, str]) -> list[Object]:
        return [
            it
            for it in self.lists.get(collection, [])
            if labels.items() <= it["metadata"].get("labels", {}).items()
        ]

    async def get(self, ref: Ref) -> Object | None:
        return self.objects.get(ref.name)

    async def ref(self, api_version: str, kind: str, namespace: str, name: str) -> Ref:
        return Ref(api_version, kind, f"/api/v1/namespaces/{namespace}/services", name)

    async def log(self, pod: Ref, container: str, lines: int) -> str:
        return f"log of {container}"


def _api(lists: dict[str, list[Object]] | None = None, **objects: Object) -> Api:
    return cast("Api", _Api(lists or {}, objects))


def _deployment(**status: Any) -> Object:
    return {
        "metadata": {"name": "web", "generation": 2, "uid": "d"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"observedGeneration": 2, **status},
    }


_DEPLOYMENT = Ref("apps/v1", "Deployment", f"{_APPS}/deployments", "web")


@pytest.mark.parametrize(
    ("status", "lacking"),
    [
        ({"observedGeneration": 1}, "has not seen"),
        ({"updatedReplicas": 1, "replicas": 3}, "1 of 2 replicas updated"),
        ({"updatedReplicas": 2, "replicas": 3}, "1 old replicas"),
        ({"updatedReplicas": 2, "replicas": 2, "availableReplicas": 1}, "1 of 2 replicas avail"),
        ({"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}, None),
    ],
)
async def test_a_deployment_works_once_its_rollout_is_complete(
    status: dict[str, Any], lacking: str | None
) -> None:
    found = await readiness.deployment(_api(), _DEPLOYMENT, _deployment(**status))
    assert found is None if lacking is None else lacking in str(found)


def _pod(name: str, labels: dict[str, str], **status: Any) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "status": status}


async def test_a_deployment_past_its_deadline_tells_of_its_newest_pods_alone() -> None:
    def replica_set(name: str, revision: str) -> Object:
        return {
            "metadata": {
                "name": name,
                "labels": {"app": "web", "pod-template-hash": name},
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"uid": "d"}],
            },
            "status": {
                "conditions": [
                    {"type": "ReplicaFailure", "status": "True", "message": f"quota of {name}"}
                ]
            },
        }

    crashed = {
        "name": "web",
        "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such table"}},
    }
    waiting = {"name": "web", "state": {"waiting": {"reason": "ContainerCreating"}}}
    lists = {
        f"{_APPS}/replicasets": [replica_set("r9", "9"), replica_set("r10", "10")],
        _PODS: [
            _pod(
                "old", {"app": "web", "pod-template-hash": "r9"}, phase="Failed", reason="Evicted"
            ),
            _pod("new", {"app": "web", "pod-template-hash": "r10"}, containerStatuses=[crashed]),
            _pod("slow", {"app": "web", "pod-template-hash": "r10"}, containerStatuses=[waiting]),
        ],
    }
    live = _deployment(
        conditions=[
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        ]
    )
    with pytest.raises(NotReadyError) as caught:
        await readiness.deployment(_api(lists), _DEPLOYMENT, live)
    text = "\n".join(caught.value.reasons)
    assert "CrashLoopBackOff: back-off 10s" in text
    assert "exit code 1:\nno such table" in text
    assert "quota of r10" in text
    assert "r9" not in text
    assert "Evicted" not in text
    assert "slow" not in text


_JOB = Ref("batch/v1", "Job", "/apis/batch/v1/namespaces/pr-42/jobs", "migrate")


def _job(*conditions: dict[str, str], **status: Any) -> Object:
    return {
        "metadata": {"name": "migrate", "uid": "j"},
        "status": {"conditions": list(conditions), **status},
    }


async def test_a_job_works_once_it_is_complete() -> None:
    complete = _job({"type": "Complete", "status": "True"})
    assert await readiness.job(_api(), _JOB, complete) is None
    assert await readiness.job(_api(), _JOB, _job(active=1)) == "1 Pods active, 0 failed"


@pytest.mark.parametrize(
    ("message", "expected"),
    [("revision 12 failed", "revision 12 failed"), ("", "log of migrate")],
)
async def test_a_failed_job_shows_its_containers_last_lines(message: str, expected: str) -> None:
    ended = {"exitCode": 3, "reason": "Error", "message": message}
    labels = {"batch.kubernetes.io/controller-uid": "j"}
    status = [{"name": "migrate", "state": {"terminated": ended}}]
    lists = {
        _PODS: [
            _pod("migrate-1", labels, containerStatuses=status),
            _pod("other", {}, containerStatuses=[{"name": "x", "state": {"terminated": ended}}]),
        ]
    }
    failed = _job({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"})
    with pytest.raises(NotReadyError) as caught:
        await readiness.job(_api(lists), _JOB, failed)
    assert "BackoffLimitExceeded" in caught.value.reasons[0]
    [reason] = caught.value.reasons[1:]
    assert reason.startswith("Pod migrate-1: container migrate: Error, exit code 3")
    assert expected in reason


async def test_a_pod_that_finds_no_node_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: too little cpu"}
    labels = {"batch.kubernetes.io/controller-uid": "j"}
    lists = {_PODS: [_pod("migrate-1", labels, phase="Pending", conditions=[condition])]}
    reasons = await readiness.explain(_api(lists), _JOB, _job())
    assert "Pod migrate-1: not scheduled: 0/1 nodes: too little cpu" in reasons


def _slice(name: str, ready: bool) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "endpoints": [{"conditions": {"ready": ready}}],
    }


_SERVICE = Ref("v1", "Service", "/api/v1/namespaces/pr-42/services", "web")


@pytest.mark.parametrize(
    ("spec", "ready", "works"),
    [
        ({"selector": {"a": "b"}, "clusterIP": "10.0.0.1"}, True, True),
        ({"selector": {"a": "b"}, "clusterIP": "10.0.0.1"}, False, False),
        ({"selector": {"a": "b"}, "clusterIP": "None"}, False, True),
        ({"type": "ExternalName"}, False, True),
        ({"clusterIP": "10.0.0.1"}, False, True),
        ({"type": "LoadBalancer", "selector": {"a": "b"}}, True, False),
    ],
)
async def test_a_service_works_once_something_answers(
    spec: dict[str, Any], ready: bool, works: bool
) -> None:
    api = _api({_SLICES: [_slice("web", ready)]})
    assert (await readiness.service(api, _SERVICE, {"spec": spec}) is None) is works


async def test_an_ingress_works_once_its_services_answer_and_it_has_an_address() -> None:
    ref = Ref("networking.k8s.io/v1", "Ingress", f"{_APPS}/ingresses", "web")
    backend = {"service": {"name": "web"}}
    live: Object = {"spec": {"rules": [{"http": {"paths": [{"backend": backend}]}}]}}
    web: Object = {"spec": {"selector": {"a": "b"}}}
    assert await readiness.ingress(_api(), ref, live) == "there is no Service web yet"
    silent = _api({_SLICES: [_slice("web", ready=False)]}, web=web)
    assert await readiness.ingress(silent, ref, live) == "Service web has no ready endpoint"
    answering = _api({_SLICES: [_slice("web", ready=True)]}, web=web)
    assert "no address" in str(await readiness.ingress(answering, ref, live))
    addressed = {**live, "status": {"loadBalancer": {"ingress": [{"hostname": "x"}]}}}
    assert await readiness.ingress(answering, ref, addressed) is None


async def test_a_quota_works_once_it_was_counted() -> None:
    ref = Ref("v1", "ResourceQuota", "/api/v1/namespaces/pr-42/resourcequotas", "q")
    live: Object = {"spec": {"hard": {"pods": "5"}}}
    assert await readiness.resource_quota(_api(), ref, live) is not None
    counted = {**live, "status": {"hard": {"pods": "5"}}}
    assert await readiness.resource_quota(_api(), ref, counted) is None
