"""Long work shown while it lasts: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_SECONDS_BETWEEN_LINES = 15.0


class Report(Protocol):
    """Where the making of one tool tells how far it is. Safe to call from any thread."""

    def step(self, what: str, total: int | None = None) -> None:
        """A step begins; ``total`` is how many units of work it has, where that is known."""

    def advance(self) -> None:
        """One unit of work is done."""

    def say(self, message: str) -> None:
        """Something worth a line of its own."""

    def done(self, result: str) -> None:
        """The tool is there."""


class Display(Protocol):
    """Gives each tool a report of its own, for as long as it is entered."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def report(self, title: str) -> Report:
        """A report for the tool ``title``."""


def display(console: Console) -> Display:
    """Bars where the console is a terminal, lines where it is a file or a pipe."""
    return Bars(console) if console.is_terminal else Lines(console)


class Bars:
    """One bar a tool: what, how far, how long, how long still."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.fields[title]}"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def report(self, title: str) -> Report:
        """A bar of its own."""
        task = self._progress.add_task("", title=title, total=None)
        return _Bar(self._progress, task, title)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID, title: str) -> None:
        self._progress = progress
        self._task = task
        self._title = title

    def step(self, what: str, total: int | None = None) -> None:
        self._progress.update(self._task, description=what, total=total, completed=0)

    def advance(self) -> None:
        self._progress.advance(self._task)

    def say(self, message: str) -> None:
        self._progress.console.print(f"{self._title}: {message}", highlight=False)

    def done(self, result: str) -> None:
        self._progress.update(self._task, description=result, total=1, completed=1)


class Lines:
    """A line when something begins or ends, and every 15 s between."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def report(self, title: str) -> Report:
        """Lines that begin with the title."""
        return _Line(self._console, title)


class _Line:
    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._what = ""
        self._total: int | None = None
        self._count = 0
        self._last = 0.0

    def step(self, what: str, total: int | None = None) -> None:
        self._what, self._total, self._count = what, total, 0
        self._last = time.monotonic()
        self.say(what if total is None else f"{what} ({total})")

    def advance(self) -> None:
        with self._lock:
            self._count += 1
            if time.monotonic() - self._last < _SECONDS_BETWEEN_LINES:
                return
            self._last = time.monotonic()
        of = "" if self._total is None else f" of {self._total}"
        self.say(f"{self._what}: {self._count}{of} after {self._elapsed()}")

    def say(self, message: str) -> None:
        self._console.print(f"{self._title}: {message}", highlight=False, soft_wrap=True)

    def done(self, result: str) -> None:
        self.say(f"{result} after {self._elapsed()}")

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02d} min"
