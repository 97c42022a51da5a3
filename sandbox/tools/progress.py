"""Progress of the tools' builds and downloads: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

_SECONDS_BETWEEN_LINES = 15.0
_PACKAGES_BEFORE_AN_ESTIMATE = 200


class Report(Protocol):
    """Receiver of one tool's progress. Safe to call from any thread."""

    def step(self, what: str) -> None:
        """Show the step that begins."""

    def expect(self, packages: Collection[str]) -> None:
        """Set the packages to compile."""

    def compiled(self, package: str) -> None:
        """Count a package as compiled, for each tool that needs it."""

    def downloaded(self, size: int, total: int) -> None:
        """Show the bytes received, and the total (0 if unknown)."""

    def message(self, text: str) -> None:
        """Print a line."""

    def done(self, result: str) -> None:
        """Show the result, such as "built", and the time it took."""


@contextmanager
def display(console: Console) -> Iterator[Callable[[str], Report]]:
    """Yield a function that returns a tool's report: a bar on a terminal, lines elsewhere."""
    work = Workload()
    if not console.is_terminal:
        yield lambda title: _Line(console, work, title)
        return
    columns = (TextColumn("[bold]{task.fields[title]}"), TextColumn("{task.description}"))
    with Progress(*columns, BarColumn(12), MofNCompleteColumn(), console=console) as progress:
        for_all = progress.add_task("", title="all tools", total=None)
        yield lambda title: _Bar(progress, work, for_all, title)


class Workload:
    """Packages of all tools; one that several tools share is compiled and counted once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected: set[str] = set()
        self._compiled: set[str] = set()
        self._began = 0.0

    def expect(self, packages: Collection[str]) -> None:
        """Add packages to compile."""
        with self._lock:
            self._expected.update(packages)

    def compiled(self, package: str) -> None:
        """Count a package that was expected."""
        with self._lock:
            if package in self._expected:
                self._began = self._began or time.monotonic()
                self._compiled.add(package)

    def count(self, packages: Collection[str] | None = None) -> tuple[int, int]:
        """Return the numbers of compiled and of all packages, among ``packages`` or overall."""
        with self._lock:
            wanted = self._expected if packages is None else packages
            return len(self._compiled.intersection(wanted)), len(wanted)

    def time_left(self) -> str:
        """Return the estimated time until all are compiled; empty while it is unknown."""
        done, total = self.count()
        if done < _PACKAGES_BEFORE_AN_ESTIMATE:
            return ""
        minutes = (total - done) * (time.monotonic() - self._began) / done / 60
        return f"about {round(minutes)} min left" if minutes >= 1 else "less than a minute left"


class _Bar:
    def __init__(self, progress: Progress, work: Workload, for_all: TaskID, title: str) -> None:
        self._progress = progress
        self._work = work
        self._all = for_all
        self._task = progress.add_task("", title=title, total=None)
        self._title = title
        self._began = time.monotonic()
        self._packages: Collection[str] = ()

    def step(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    def expect(self, packages: Collection[str]) -> None:
        self._packages = packages
        self._work.expect(packages)
        self._show()

    def compiled(self, package: str) -> None:
        self._work.compiled(package)
        self._show()

    def downloaded(self, size: int, total: int) -> None:
        self.step(_downloaded(size, total))

    def message(self, text: str) -> None:
        self._progress.console.print(f"{self._title}: {text}", highlight=False)

    def done(self, result: str) -> None:
        result = f"{result} after {_elapsed(self._began)}"
        self._progress.update(self._task, description=result, total=1, completed=1)

    def _show(self) -> None:
        for task, packages in ((self._task, self._packages), (self._all, None)):
            done, total = self._work.count(packages)
            self._progress.update(task, completed=done, total=total)
        self._progress.update(self._all, description=self._work.time_left())


class _Line:
    """Prints a line when something begins or ends, and every 15 s between."""

    def __init__(self, console: Console, work: Workload, title: str) -> None:
        self._console = console
        self._work = work
        self._title = title
        self._began = self._last = time.monotonic()
        self._packages: Collection[str] = ()

    def step(self, what: str) -> None:
        self._last = time.monotonic()
        self.message(what)

    def expect(self, packages: Collection[str]) -> None:
        self._packages = packages
        self._work.expect(packages)

    def compiled(self, package: str) -> None:
        self._work.compiled(package)
        if not self._due():
            return
        done, total = self._work.count(self._packages)
        left = self._work.time_left()
        for_all = f"; for all tools, {left}" if left else ""
        self.message(f"compiled {done} of {total} packages after {_elapsed(self._began)}{for_all}")

    def downloaded(self, size: int, total: int) -> None:
        if self._due():
            self.message(f"{_downloaded(size, total)} after {_elapsed(self._began)}")

    def message(self, text: str) -> None:
        self._console.print(f"{self._title}: {text}", highlight=False, soft_wrap=True)

    def done(self, result: str) -> None:
        self.message(f"{result} after {_elapsed(self._began)}")

    def _due(self) -> bool:
        due = time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES
        if due:
            self._last = time.monotonic()
        return due


def _elapsed(began: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    return f"{minutes}:{seconds:02d} min"


def _downloaded(size: int, total: int) -> str:
    whole = f" of {total / 2**20:.0f}" if total else ""
    return f"downloaded {size / 2**20:.0f}{whole} MiB"
