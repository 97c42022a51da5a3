"""What a container that ended has to say (``terminationMessagePath``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.containers.runtime import START_ERROR_PREFIX, START_FAILED
from sandbox.node.log_reader import tail_text

# k8s.io/kubernetes/pkg/kubelet/container: MaxContainerTerminationMessage*
_LONGEST_MESSAGE = 4096
_LONGEST_FROM_LOGS = 2048
_LINES_FROM_LOGS = 80


def message(container: Mapping[str, Any], *, exit_code: int, file: Path, log: Path) -> str:
    """The container's termination message."""
    try:
        with file.open("rb") as stream:
            written = stream.read(_LONGEST_MESSAGE).decode(errors="replace")
    except OSError:
        written = ""
    if written or exit_code == 0:
        return written
    if container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        return tail_text(log, _LINES_FROM_LOGS, _LONGEST_FROM_LOGS)
    return ""


def start_error(exit_code: int, log: Path) -> str | None:
    """Why the container's program could not be started at all; None when it ran."""
    if exit_code != START_FAILED:
        return None
    text = tail_text(log, 1, _LONGEST_MESSAGE).strip()
    if not text.startswith(START_ERROR_PREFIX):
        return None
    return text.removeprefix(START_ERROR_PREFIX)
