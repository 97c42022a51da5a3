"""Timeline of an ``up``'s work on each resource, from the engine's event log."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from previews.pulumi import events
from previews.pulumi.events import EngineEvent, ResourceOperation

ENVIRONMENT = {"PULUMI_DEBUG_COMMANDS": "true"}
"""Environment that enables the CLI's ``--event-log``."""

_LOOK_SECONDS = 0.01
_NAME_COLUMNS = 36
_BAR_COLUMNS = 34


@dataclass(frozen=True)
class Work:
    """Operation on a resource, in seconds from the start of the command."""

    name: str
    began: float
    ended: float


def record(command: Callable[[Path], object]) -> list[Work]:
    """Run a command that writes the event log to a path.

    Events have whole seconds, so the time at which each is written is used instead.
    """
    over = threading.Event()
    seen: list[tuple[float, EngineEvent]] = []
    with tempfile.TemporaryDirectory(prefix="timeline-") as folder:
        log = Path(folder) / "events.jsonl"
        follower = threading.Thread(target=lambda: seen.extend(_follow(log, over)))
        follower.start()
        try:
            command(log)
        finally:
            over.set()
            follower.join()
    return operations(seen)


def _follow(log: Path, over: threading.Event) -> Iterator[tuple[float, EngineEvent]]:
    began, position, last = time.perf_counter(), 0, False
    while not last:
        last = over.wait(_LOOK_SECONDS)
        if not log.exists():
            continue
        now = time.perf_counter() - began
        written = log.read_bytes()[position:]
        # The last line may be incomplete: it is read again.
        whole = written[: written.rfind(b"\n") + 1]
        position += len(whole)
        for event in map(events.parse, whole.decode().splitlines()):
            if event is not None:
                yield now, event


def operations(seen: Iterable[tuple[float, EngineEvent]]) -> list[Work]:
    """Return the operations on providers' resources, in the order of their start."""
    running: dict[tuple[str, str], float] = {}
    found: list[Work] = []
    for moment, event in seen:
        ended = event.ended or event.failed
        if event.began is not None and _is_shown(event.began.metadata):
            running[_key(event.began.metadata)] = moment
        elif ended is not None and _key(ended.metadata) in running:
            began = running.pop(_key(ended.metadata))
            found.append(Work(_title(ended.metadata), began, moment))
    return sorted(found, key=lambda work: (work.began, work.ended))


def _is_shown(about: ResourceOperation) -> bool:
    # Components have no operations, and a replacement is shown as its steps.
    return (
        about.is_change
        and about.op != "replace"
        and not about.type.startswith(("previews:", "pulumi:"))
    )


def _key(about: ResourceOperation) -> tuple[str, str]:
    return about.urn, about.op


def _title(about: ResourceOperation) -> str:
    return f"{about.type.rpartition(':')[2]} {about.name}"


def draw(works: list[Work]) -> str:
    """Return the timeline as text of at most 80 columns."""
    whole = max((work.ended for work in works), default=0.0) or 1.0
    return "\n".join(_line(work, whole) for work in works)


def _line(work: Work, whole: float) -> str:
    first, last = (int(at / whole * _BAR_COLUMNS) for at in (work.began, work.ended))
    bar = " " * first + "█" * max(1, last - first)
    name = work.name[:_NAME_COLUMNS].ljust(_NAME_COLUMNS)
    return f"{name} {work.ended - work.began:5.1f} s {bar[:_BAR_COLUMNS]}".rstrip()
