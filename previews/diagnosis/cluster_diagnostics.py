"""Unhealthy containers and warnings of a preview's namespace, for a failure report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from previews.diagnosis.migration_report import MARK
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.kubernetes import Cluster, KubernetesObject

_MAX_LINES = 30
_MAX_LINE_LENGTH = 400
_MAX_EVENTS = 10


class UnhealthyContainer(BaseModel):
    """A container that failed or is not ready.

    Attributes:
        pod: Name of its pod.
        container: Its name; empty for a pod without containers yet.
        reason: Kubernetes' reason, with exit code and restarts.
        log: Its last lines, without secrets.
    """

    model_config = ConfigDict(frozen=True)

    pod: str
    container: str
    reason: str
    log: tuple[str, ...] = ()


class ClusterDiagnostics(BaseModel):
    """Findings in a preview's namespace.

    Attributes:
        containers: Its unhealthy containers.
        events: Its warning events, oldest first.
        missing: Why the cluster could not be read; empty where it could.
    """

    model_config = ConfigDict(frozen=True)

    containers: tuple[UnhealthyContainer, ...] = ()
    events: tuple[str, ...] = ()
    missing: str = ""


def collect(
    connect: Callable[[], Cluster], namespace: str, known_secrets: Sequence[str] = ()
) -> ClusterDiagnostics:
    """Return the findings in a namespace.

    They explain a failure that has happened already, so a cluster that can't be read is
    recorded in them and not raised.

    Args:
        connect: Returns the cluster.
        namespace: The namespace.
        known_secrets: Values to hide, whatever they look like.
    """
    try:
        cluster = connect()
        containers = tuple(
            found
            for pod in cluster.each("pods", namespace=namespace)
            for found in _unhealthy(cluster, pod, known_secrets)
        )
        events = _warnings(cluster, namespace, known_secrets)
    except (PreviewsError, OSError) as error:
        why = error.why if isinstance(error, PreviewsError) else error
        return ClusterDiagnostics(
            missing=redact(f"the cluster could not be read: {why}", known_secrets)
        )
    return ClusterDiagnostics(containers=containers, events=events)


def last_lines(lines: Iterable[str], most: int = _MAX_LINES) -> list[str]:
    """Return the last lines of a log, each cut where it is too long to read."""
    # A migration's report is for machines, and shown as a table of its own.
    kept = [line.rstrip() for line in lines if line.strip() and MARK not in line][-most:]
    return [
        line if len(line) <= _MAX_LINE_LENGTH else f"{line[:_MAX_LINE_LENGTH]}…" for line in kept
    ]


def newest(events: Sequence[str], most: int = _MAX_EVENTS) -> tuple[str, ...]:
    """Return the newest of the warnings, each once."""
    return tuple(dict.fromkeys(events))[-most:]


def _unhealthy(
    cluster: Cluster, pod: KubernetesObject, known_secrets: Sequence[str]
) -> Iterator[UnhealthyContainer]:
    status: Mapping[str, Any] = pod.raw.get("status", {})
    found = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    for container in found:
        reason = _reason(container)
        if reason:
            log = _log(cluster, pod, container)
            yield UnhealthyContainer(
                pod=pod.name,
                container=container["name"],
                reason=redact(reason, known_secrets),
                log=tuple(redact("\n".join(last_lines(log)), known_secrets).splitlines()),
            )
    if not found:
        for condition in status.get("conditions", ()):
            if condition.get("status") == "False" and condition.get("message"):
                reason = f"{condition.get('reason', '')}: {condition['message']}"
                yield UnhealthyContainer(pod=pod.name, container="", reason=reason)


def _reason(container: Mapping[str, Any]) -> str:
    """Return why a container is unhealthy; empty where it is healthy or completed."""
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
        parts.append("running and not ready")
    return "; ".join(parts)


def _log(cluster: Cluster, pod: KubernetesObject, container: Mapping[str, Any]) -> list[str]:
    """Return the end of a container's log: of the run that failed, where it was restarted."""
    for previous in (True, False) if container.get("restartCount") else (False,):
        try:
            lines = cluster.log(
                pod, container=container["name"], previous=previous, lines=_MAX_LINES
            )
        except PreviewsError:
            continue
        if any(line.strip() for line in lines):
            return lines
    return []


def _explains_failure(event: Mapping[str, Any]) -> bool:
    """Return whether an event is a warning; an autoscaler without metrics yet is not one."""
    about = event.get("involvedObject", {}).get("kind")
    return event.get("type") == "Warning" and about != "HorizontalPodAutoscaler"


def _warnings(cluster: Cluster, namespace: str, known_secrets: Sequence[str]) -> tuple[str, ...]:
    found = (event.raw for event in cluster.each("events", namespace=namespace))
    events = [event for event in found if _explains_failure(event)]
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
