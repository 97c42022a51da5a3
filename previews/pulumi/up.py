"""``pulumi up``, with the progress that its engine's events report."""

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
# Makes the CLI accept `--event-log`; Pulumi's own Automation API sets it, too.
_EVENT_LOG_KEY = "PULUMI_DEBUG_COMMANDS"


@dataclass(frozen=True)
class UpResult:
    """The result of an ``up``.

    Attributes:
        code: Pulumi's exit code.
        output: Its whole output.
        events: The engine's events.
        states: The state of each step at the end.
        seconds: Its duration.
    """

    code: int
    output: str
    events: tuple[EngineEvent, ...]
    states: tuple[StepState, ...]
    seconds: float

    @property
    def succeeded(self) -> bool:
        """True if everything that the program declares exists."""
        return self.code == 0


def pulumi_up(
    stacks: Stacks,
    stack: str,
    *,
    config: Mapping[str, str],
    options: Sequence[str] = (),
    watch: Callable[[tuple[StepState, ...]], None] = lambda _: None,
) -> UpResult:
    """Update a stack to what the program declares.

    Args:
        stacks: The project's stacks.
        stack: The stack, which exists.
        config: Values of the program's configuration by path, set for this stack.
        options: Further options of ``pulumi up``.
        watch: Called from another thread with the states of the steps, when they change.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="previews-up-") as folder:
        log = Path(folder) / "events.jsonl"
        values = [word for key, value in config.items() for word in ("--config", f"{key}={value}")]
        settings = ["--config-path", *values] if values else []
        with event_log_allowed(), _following(log, watch):
            result = stacks.attempt_up(stack, ["--event-log", str(log), *settings, *options])
        events = tuple(read(log))
    progress = Progress()
    progress.add(events)
    return UpResult(
        code=result.code,
        output=result.error,
        events=events,
        states=progress.states(),
        seconds=time.monotonic() - began,
    )


@contextmanager
def event_log_allowed() -> Iterator[None]:
    """Let the command line of Pulumi accept ``--event-log`` within the block."""
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
    """Call ``watch`` at every change until the block ends."""
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
    reported: tuple[StepState, ...] = ()
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
        if states != reported:
            reported = states
            watch(states)
