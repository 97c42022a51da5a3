"""Looks into a preview's namespace for what an autopsy needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import httpx
import kr8s
from kr8s.objects import Pod

from previews.diagnosis.failure_report import ContainerTrouble, Evidence, last_lines, newest
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError

_LOG_LINES = 30
UNANSWERED = (
    PreviewsError,
    kr8s.ServerError,
    kr8s.NotFoundError,
    kr8s.APITimeoutError,
    kr8s.ConnectionClosedError,
    httpx.HTTPError,
    OSError,
    ValueError,
)
"""What is raised where the cluster can't be asked, or has no more of what was asked for."""


def collect(
    connect: Callable[[], Any], namespace: str, known_secrets: Sequence[str] = ()
) -> Evidence:
    """What is wrong in a namespace.

    An autopsy is made when something has failed already, so a cluster that can't be asked is
    told of and no failure of its own.
    """
    try:
        api = connect()
        pods = [pod for pod in api.get("pods", namespace=namespace) if isinstance(pod, Pod)]
        containers = tuple(
            trouble for pod in pods for trouble in _troubles(pod, pod.raw, known_secrets)
        )
        events = _warnings(api, namespace, known_secrets)
    except UNANSWERED as error:
        return Evidence(missing=redact(f"the cluster could not be asked: {error}", known_secrets))
    return Evidence(containers=containers, events=events)


def _troubles(
    pod: Pod, raw: Mapping[str, Any], known_secrets: Sequence[str]
) -> Iterator[ContainerTrouble]:
    status: Mapping[str, Any] = raw.get("status", {})
    found = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    name = str(raw["metadata"]["name"])
    for container in found:
        reason = _reason(container)
        if reason:
            log = _log(pod, container)
            yield ContainerTrouble(
                pod=name,
                container=container["name"],
                reason=redact(reason, known_secrets),
                log=tuple(redact("\n".join(last_lines(log)), known_secrets).splitlines()),
            )
    if not found:
        for condition in status.get("conditions", ()):
            if condition.get("status") == "False" and condition.get("message"):
                reason = f"{condition.get('reason', '')}: {condition['message']}"
                yield ContainerTrouble(pod=name, container="", reason=reason)


def _reason(container: Mapping[str, Any]) -> str:
    """Why a container is not well; empty where it is, or where it ended as it should."""
    state: Mapping[str, Any] = container.get("state", {})
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated") or {}
    parts = []
    waiting = state.get("waiting") or {}
    if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
        parts.append(f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": "))
    if ended.get("exitCode"):
        parts.append(f"{ended.get('reason', 'ended')}, exit code {ended['exitCode']}")
    if parts and container.get("restartCount"):
        parts.append(f"restarted {container['restartCount']} times")
    if not parts and "running" in state and not container.get("ready", True):
        parts.append("it runs and is not ready")
    return "; ".join(parts)


def _log(pod: Pod, container: Mapping[str, Any]) -> list[str]:
    """The end of a container's log: of the run that failed, where it was started again."""
    restarted = bool(container.get("restartCount"))
    for previous in (True, False) if restarted else (False,):
        try:
            lines = list(
                pod.logs(container=container["name"], previous=previous, tail_lines=_LOG_LINES)
            )
        except (kr8s.ServerError, httpx.HTTPError):
            continue
        if any(line.strip() for line in lines):
            return lines
    return []


def _tells(event: Mapping[str, Any]) -> bool:
    """Whether an event says anything of a failure: an autoscaler without figures yet does not."""
    about = event.get("involvedObject", {}).get("kind")
    return event.get("type") == "Warning" and about != "HorizontalPodAutoscaler"


def _warnings(api: Any, namespace: str, known_secrets: Sequence[str]) -> tuple[str, ...]:
    found = cast("Iterator[Any]", api.get("events", namespace=namespace))
    events = [event.raw for event in found if _tells(event.raw)]
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return newest(
        [
            redact(
                f"{event['involvedObject'].get('kind')} {event['involvedObject'].get('name')}:"
                f" {event.get('reason')}: {event.get('message', '').strip()}",
                known_secrets,
            )
            for event in events
        ]
    )
