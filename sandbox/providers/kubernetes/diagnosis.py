"""Why Pods do not work, in the words of the kubelet and of the process itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.providers.kubernetes.api import Api, Object, Ref

_LOG_LINES = 20
# What a Pod reports on its way up, which is no failure.
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})


async def of_pods(api: Api, collection: str, labels: Mapping[str, str]) -> list[str]:
    """One paragraph for everything that is wrong with the Pods that carry the labels."""
    found: list[str] = []
    for pod in await api.list_of(collection, labels):
        found += await _of_pod(api, Ref("v1", "Pod", collection, pod["metadata"]["name"]), pod)
    return found


def of_conditions(live: Object) -> list[str]:
    """What the object's own conditions complain about."""
    return [
        f"{it.get('type')}={it.get('status')}: {it.get('reason', '')}: {it.get('message', '')}"
        for it in live.get("status", {}).get("conditions") or ()
        if _is_complaint(it)
    ]


def _is_complaint(condition: Mapping[str, Any]) -> bool:
    bad = "True" if _is_bad_when_true(str(condition.get("type"))) else "False"
    return condition.get("status") == bad and bool(condition.get("message"))


def _is_bad_when_true(condition_type: str) -> bool:
    return "Fail" in condition_type or condition_type.startswith("Namespace")


async def _of_pod(api: Api, ref: Ref, pod: Object) -> list[str]:
    status = pod.get("status", {})
    name = f"Pod {ref.name}"
    found = [f"{name}: {text}" for text in _of_whole_pod(status)]
    for container in _containers(status):
        text = await _of_container(api, ref, container)
        if text:
            found.append(f"{name}: container {container['name']}: {text}")
    return found


def _of_whole_pod(status: Mapping[str, Any]) -> Iterable[str]:
    if status.get("reason") or status.get("message"):
        yield f"{status.get('reason', '')}: {status.get('message', '')}"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"not scheduled: {condition.get('message', '')}"
    if status.get("phase") == "Pending" and not status.get("containerStatuses"):
        yield "pending, no container was started"


def _containers(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


async def _of_container(api: Api, pod: Ref, container: Mapping[str, Any]) -> str:
    state = container.get("state", {})
    waiting = state.get("waiting")
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    parts = []
    if waiting and waiting.get("reason") not in _ON_ITS_WAY:
        parts.append(f"{waiting.get('reason', '')}: {waiting.get('message', '')}".rstrip(": "))
    if ended and ended.get("exitCode"):
        said = ended.get("message") or await api.log(pod, container["name"], _LOG_LINES)
        parts.append(
            f"{ended.get('reason', 'Error')}, exit code {ended['exitCode']}"
            + (f":\n{said.strip()}" if said else "")
        )
    if state.get("running") and not container.get("ready") and container.get("started") is False:
        parts.append("running, but its startup probe does not succeed yet")
    elif state.get("running") and not container.get("ready"):
        parts.append("running, but not ready")
    return "; ".join(parts)
