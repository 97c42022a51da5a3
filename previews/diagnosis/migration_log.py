"""What the Job ``migrate`` wrote: the steps that it applied, and its report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from pydantic import BaseModel, ConfigDict

from previews.diagnosis.migration_report import MigrationReport, find

_LINES = 200
_APPLIED = re.compile(r"migrate: \d+/\d+ applied (\S+) \((.*)\)$")


class MigrationLog(BaseModel):
    """What a migration says of itself.

    Attributes:
        applied: The steps that it applied, a line each.
        report: What they do to the database; None where it wrote none that has its form.
    """

    model_config = ConfigDict(frozen=True)

    applied: tuple[str, ...] = ()
    report: MigrationReport | None = None


def parse(log: str) -> MigrationLog:
    """What a Job's log says."""
    applied = (_APPLIED.match(line.strip()) for line in log.splitlines())
    return MigrationLog(
        applied=tuple(f"{match[1]}: {match[2]}" for match in applied if match),
        report=find(log),
    )


def read(connect: Callable[[], Any], namespace: str) -> MigrationLog | None:
    """What the last migration in a namespace says; None where nobody can be asked."""
    # With the cluster's client, which takes a second to import.
    from previews.diagnosis.cluster_diagnostics import UNANSWERED

    try:
        found = cast("Iterator[Any]", connect().get("pods", namespace=namespace))
        pods = [pod for pod in found if pod.raw["metadata"]["name"].startswith("migrate-")]
        pods.sort(key=lambda pod: str(pod.raw["metadata"].get("creationTimestamp", "")))
        lines = list(pods[-1].logs(tail_lines=_LINES)) if pods else []
    except UNANSWERED:
        return None
    return parse("\n".join(lines))
