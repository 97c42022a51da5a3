"""Runs ``pulumi up`` and follows what the engine says meanwhile."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from previews.pulumi.events import EngineEvent, parse, read
from previews.pulumi.progress import Progress, StepState

if TYPE_CHECKING:
    from previews.pulumi.stacks import Stacks

_LOOK_SECONDS = 0.5
# What makes the CLI know `--event-log`; Pulumi's own Automation API sets it, too.
_EVENT_LOG_KEY = "PULUMI_DEBUG_COMMANDS"


@dataclass(frozen=True)
class Outcome:
    """How an ``up`` ended.

    Attributes:
        code: Pulumi's exit code.
        said: All that it said.
        events: What the engine said.
        states: How far each step came.
        seconds: How long it took.
    """

    code: int
    said: str
    events: tuple[EngineEvent, ...]
    states: tuple[StepState, ...]
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether everything that the program declares is there."""
        return self.code == 0


def run_up(
    stacks: Stacks,
    stack: str,
    *,
    config: Mapping[str, str],
    options: Sequence[str] = (),
    watch: Callable[[tuple[StepState, ...]], None] = lambda _: None,
) -> Outcome:
    """Bring a stack to what the program declares.

    Args:
        stacks: The project's stacks.
        stack: The stack, which is there.
        config: Keys of the program's configuration, by their paths, set for this stack.
        options: Further options of ``pulumi up``.
        watch: Told how far it is, from another thread, when that changes.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="previews-up-") as folder:
        log = Path(folder) / "events.jsonl"
        given = [word for key, value in config.items() for word in ("--config", f"{key}={value}")]
        settings = ["--config-path", *given] if given else []
        with _event_log_allowed(), _following(log, watch):
            answer = stacks.attempt_up(stack, ["--event-log", str(log), *settings, *options])
        events = tuple(read(log))
    progress = Progress()
    progress.add(events)
    return Outcome(
        code=answer.code,
        said=answer.error,
        events=events,
        states=progress.states(),
        seconds=time.monotonic() - began,
    )


@contextmanager
def _event_log_allowed() -> Iterator[None]:
    before = os.environ.get(_EVENT_LOG_KEY)
    os.environ[_EVENT_LOG_KEY] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_EVENT_LOG_KEY]
        else:
            os.environ[_EVENT_LOG_KEY] = before


@contextmanager
def _following(log: Path, watch: Callable[[tuple[StepState, ...]], None]) -> Iterator[None]:
    """Tell ``watch`` of every change until the block ends."""
    over = threading.Event()
    follower = threading.Thread(target=_follow, args=(log, watch, over), daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def _follow(
    log: Path, watch: Callable[[tuple[StepState, ...]], None], over: threading.Event
) -> None:
    progress, position = Progress(), 0
    told: tuple[StepState, ...] = ()
    while not over.wait(_LOOK_SECONDS):
        if not log.exists():
            continue
        with log.open("rb") as file:
            file.seek(position)
            read = file.read()
        # The last line may be half written: it is read again when it is whole.
        whole = read[: read.rfind(b"\n") + 1]
        position += len(whole)
        lines = map(parse, whole.decode(errors="replace").splitlines())
        progress.add(event for event in lines if event is not None)
        states = progress.states()
        if states != told:
            told = states
            watch(states)
