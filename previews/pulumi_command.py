"""Runs ``pulumi``: never interactive, never cut off, its output on stderr."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from previews.errors import PreviewsError

_SHOWN_LINES = 15


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

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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
            PreviewsError: There is no ``pulumi``.
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
            )
        except FileNotFoundError as error:
            raise PreviewsError(
                "pulumi-missing",
                "pulumi",
                why="it is not on the PATH" if self._folder.exists() else f"no {self._folder}",
                remedy="install it (https://www.pulumi.com/docs/install), or on the sandbox:"
                ' eval "$(sandbox env)".',
            ) from error
        with _passed_on(process):
            if aloud and process.stdout is not None:
                said = _repeat(process.stdout)
                return Answer(process.wait(), "", said)
            output, error_output = process.communicate()
            return Answer(process.returncode, output, error_output)

    def failure(self, what: str, arguments: Sequence[str], answer: Answer) -> PreviewsError:
        """What went wrong with a command, told by what it said."""
        said = "\n".join(answer.error.strip().splitlines()[-_SHOWN_LINES:])
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


def _repeat(stream: IO[str]) -> str:
    """Show each line as it comes; returns all of them."""
    lines = []
    for line in stream:
        sys.stderr.write(line)
        sys.stderr.flush()
        lines.append(line)
    return "".join(lines)


@contextmanager
def _passed_on(process: subprocess.Popen[str]) -> Iterator[None]:
    """Pass a request to end on to the process, and wait for it all the same."""

    def pass_on(_number: int, _frame: object) -> None:
        process.send_signal(signal.SIGINT)

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, pass_on) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
