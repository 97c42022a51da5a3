"""Runs ``pulumi``: never interactive, never cut off, its output on stderr."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from previews.errors import PreviewsError
from previews.pulumi.processes import end_with_parent

_SHOWN_LINES = 15
_DIAGNOSTICS = "Diagnostics:"


@dataclass(frozen=True)
class Answer:
    """How a command ended.

    Attributes:
        code: Its exit code.
        output: What it printed.
        error: What it complained of; where it spoke aloud, all that it said.
    """

    code: int
    output: str
    error: str


class PulumiCommand:
    """``pulumi`` in the folder of the project."""

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        """Run nothing yet.

        Args:
            folder: The folder of ``Pulumi.yaml``.
            log: File that gets what a person would see as it comes; None for the terminal.
        """
        self._folder = folder
        self._log = log

    def ask(self, what: str, arguments: Sequence[str]) -> Any:
        """The JSON that a command prints; None where it prints nothing.

        Raises:
            PreviewsError: It fails, or prints no JSON.
        """
        answer = self.run(arguments)
        if answer.code != 0:
            raise self.failure(what, arguments, answer)
        if not answer.output.strip():
            return None
        try:
            return json.loads(answer.output)
        except json.JSONDecodeError as error:
            raise PreviewsError(
                "pulumi-answer",
                what,
                why=f"`pulumi {' '.join(arguments[:2])}` printed no JSON: {answer.output[:200]!r}",
                remedy="check the version of Pulumi; nothing is decided on an answer like this.",
            ) from error

    def do(self, what: str, arguments: Sequence[str], *, aloud: bool = False) -> None:
        """Run a command that changes something.

        Args:
            what: What it changes, as it is named in a failure.
            arguments: What follows ``pulumi``.
            aloud: Whether a person is to see its output as it comes.

        Raises:
            PreviewsError: It fails.
        """
        answer = self.run(arguments, aloud=aloud)
        if answer.code != 0:
            raise self.failure(what, arguments, answer)

    def run(self, arguments: Sequence[str], *, aloud: bool = False) -> Answer:
        """Run a command to its end.

        Ctrl-C and a workflow's cancellation reach it once, as the request to end in its own
        time: it then writes its state and releases its lock.

        Raises:
            PreviewsError: There is no ``pulumi``, or it was interrupted.
        """
        try:
            process = subprocess.Popen(
                ["pulumi", *arguments, "--non-interactive", "--color", "never"],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if aloud else subprocess.PIPE,
                text=True,
                # A terminal's Ctrl-C would reach it besides what is passed on below, and a
                # second request makes it drop everything.
                start_new_session=True,
                # So that none works on unattended where this process is killed.
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - it makes one call
            )
        except FileNotFoundError as error:
            raise PreviewsError(
                "pulumi-missing",
                "pulumi",
                why="it is not on the PATH" if self._folder.exists() else f"no {self._folder}",
                remedy="install it (https://www.pulumi.com/docs/install), or on the sandbox:"
                ' eval "$(sandbox env)".',
            ) from error
        with _passed_on(process) as requests:
            if aloud and process.stdout is not None:
                said = self._repeat(process.stdout)
                answer = Answer(process.wait(), "", said)
            else:
                output, error_output = process.communicate()
                answer = Answer(process.returncode, output, error_output)
        if requests and answer.code != 0:
            raise PreviewsError(
                "interrupted",
                f"`pulumi {arguments[0]}`",
                why=f"{requests[0].name} ended it",
                remedy="run the same command again: it goes on where it stopped.",
            )
        return answer

    def _repeat(self, stream: IO[str]) -> str:
        """Show each line as it comes, or keep it in the log; returns all of them."""
        lines = []
        with self._shown() as shown:
            for line in stream:
                shown.write(line)
                shown.flush()
                lines.append(line)
        return "".join(lines)

    @contextmanager
    def _shown(self) -> Iterator[TextIO]:
        if self._log is None:
            yield sys.stderr
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            yield log

    def failure(self, what: str, arguments: Sequence[str], answer: Answer) -> PreviewsError:
        """What went wrong with a command, told by what it said."""
        said = _what_failed(answer.error)
        if "currently locked by" in said or "Another update is currently in progress" in said:
            return PreviewsError(
                "stack-locked",
                what,
                why=f"another run holds it: {said}",
                remedy="wait for that run; when it is over and the lock stays: previews unlock N.",
            )
        return PreviewsError(
            "pulumi-failed",
            what,
            why=f"`pulumi {' '.join(arguments[:2])}` ended with {answer.code}: {said}",
            remedy="mend what it names and run the same command again:"
            " it goes on where it stopped.",
        )


def _what_failed(output: str) -> str:
    """Return what an `up` says of resources that failed, else the last lines of the output."""
    lines = output.strip().splitlines()
    if _DIAGNOSTICS not in lines:
        return "\n".join(lines[-_SHOWN_LINES:])
    after = lines[lines.index(_DIAGNOSTICS) + 1 :]
    section = itertools.takewhile(lambda line: not line or line.startswith(" "), after)
    return "\n".join(section).strip()


@contextmanager
def _passed_on(process: subprocess.Popen[str]) -> Iterator[list[signal.Signals]]:
    """Pass requests to end on to the process, wait for it all the same, and return them."""
    requests: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield requests  # Only the main thread gets them.
        return

    def pass_on(number: int, _frame: object) -> None:
        requests.append(signal.Signals(number))
        process.send_signal(signal.SIGINT)

    # A terminal that is closed sends SIGHUP.
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, pass_on) for number in signals]
    try:
        yield requests
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
