"""One run of a workflow, as tests wait for it, hold it or lose it."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from tests.e2e.processes import each


@dataclass
class Run:
    """A run of a workflow.

    Attributes:
        id: Its id.
        workflow: The workflow's name.
        context: Values for its expressions.
        event: The event's JSON.
        results: Result of each job: success, failure, skipped, cancelled.
        output: Output of the commands.
        process: The command that runs now.
        cancelled: True if it was cancelled, or its runner was lost.
        lost: True if its runner was lost.
        attested: What its jobs attested, as inputs of the action.
    """

    id: int
    workflow: str
    context: dict[str, str]
    event: dict[str, Any]
    results: dict[str, str] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    cancelled: bool = False
    lost: bool = False
    attested: list[Mapping[str, str]] = field(default_factory=list)
    thread: threading.Thread | None = None

    @property
    def conclusion(self) -> str:
        """As GitHub has it."""
        found = set(self.results.values())
        return next((bad for bad in ("cancelled", "failure") if bad in found), "success")

    def processes(self) -> list[psutil.Process]:
        """The command that runs now, with all below it."""
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def wait(self) -> Run:
        """Wait for its end."""
        assert self.thread is not None
        self.thread.join()
        return self

    def passed(self) -> Run:
        """Wait for its end, which has to be a good one."""
        self.wait()
        assert self.conclusion == "success", f"{self.results}\n{''.join(self.output)}"
        return self

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it where it is, so that what happens meanwhile does not depend on its speed."""
        processes = self.processes()
        try:
            each(processes, psutil.Process.suspend)
            yield
        finally:
            each(processes, psutil.Process.resume)

    def lose(self) -> None:
        """Lose its runner: everything in it is killed, and GitHub reports that."""
        self.cancelled = self.lost = True
        each(self.processes(), psutil.Process.kill)
        self.wait()

    def cancel(self) -> None:
        """Cancel it as GitHub's runner does: a signal to the first process of the step alone."""
        assert self.process is not None
        self.cancelled = True
        self.process.send_signal(signal.SIGINT)
        self.wait()
