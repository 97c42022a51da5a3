"""The logs of hooks, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from contract.kubernetes import NAME_LABEL
from previews.diagnosis.cluster_diagnostics import last_lines
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.kubernetes import Cluster

_LINES = 20


class HookRun(BaseModel):
    """One run of a hook.

    Attributes:
        hook: Its name: ``seed``, ``after-deploy`` or ``before-destroy``.
        wrong: Why it has not succeeded; empty where it has.
        log: The last lines of its log, without secrets.
    """

    model_config = ConfigDict(frozen=True)

    hook: str
    wrong: str = ""
    log: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """Its result in one line."""
        return f"failed: {self.wrong}" if self.wrong else "succeeded"


def read_logs(
    connect: Callable[[], Cluster], namespace: str, names: Iterable[str]
) -> tuple[HookRun, ...]:
    """Return the ends of the logs of hooks that have succeeded.

    They are for people to look at, so one that can't be read is left out.
    """
    wanted = tuple(names)
    if not wanted:
        return ()
    try:
        cluster = connect()
        return tuple(HookRun(hook=name, log=log_of(cluster, namespace, name)) for name in wanted)
    except (PreviewsError, OSError):
        return ()


def log_of(cluster: Cluster, namespace: str, name: str, job: str = "") -> tuple[str, ...]:
    """Return the end of the log of a hook's newest pod; empty where it can't be read."""
    pods = [
        pod
        for pod in cluster.each("pods", namespace=namespace)
        if pod.labels.get(NAME_LABEL) == name and pod.name.startswith(job)
    ]
    if not pods:
        return ()
    newest = max(pods, key=lambda pod: str(pod.metadata.get("creationTimestamp", "")))
    try:
        lines = cluster.log(newest, lines=_LINES)
    except PreviewsError:
        return ()
    return tuple(redact("\n".join(last_lines(lines))).splitlines())
