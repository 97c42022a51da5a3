"""The ``pulumi`` command line: never interactive, never killed, its output on stderr.

It is ours, and not Pulumi's Automation API, for the reasons in
docs/decisions/0035-pulumi-is-run-by-its-command-line.md.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from previews.errors import PreviewsError, StoppedError
from previews.interruption import handled, ignore_requests
from previews.pulumi.processes import end_with_parent

_SHOWN_LINES = 15
_DIAGNOSTICS = "Diagnostics:"
# A self-managed backend's message, and Pulumi Cloud's.
_UNREACHABLE = re.compile(
    r"dial tcp|no such host|i/o timeout|TLS handshake|x509: |connection re(?:fused|set)"
    r"|network is unreachable"
)
_LOCKED = ("currently locked by", "Another update is currently in progress")


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    Attributes:
        code: Its exit code.
        output: Its standard output; empty for a streamed command.
        error: Its standard error; both streams for a streamed command.
    """

    code: int
    output: str
    error: str


class PulumiCommand:
    """``pulumi`` in the folder of the project."""

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        """Start no process before a method is called.

        Args:
            folder: The folder of ``Pulumi.yaml``.
            log: File for the output of streamed commands; None for the terminal.
        """
        self._folder = folder
        self._log = log

    def read_json(self, what: str, arguments: Sequence[str]) -> Any:
        """Return the JSON that a command prints; None where it prints nothing.

        Raises:
            PreviewsError: It fails, or prints no JSON.
        """
        result = self.run(arguments)
        if result.code != 0:
            raise self.failure(what, arguments, result)
        if not result.output.strip():
            return None
        try:
            return json.loads(result.output)
        except json.JSONDecodeError as error:
            raise PreviewsError(
                "pulumi-answer",
                what,
                why=f"`pulumi {' '.join(arguments[:2])}` printed no JSON: {result.output[:200]!r}",
                remedy="check the version of Pulumi; nothing is decided on an unreadable output.",
            ) from error

    def check(
        self,
        what: str,
        arguments: Sequence[str],
        *,
        stream: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command that has to succeed.

        Args:
            what: The thing that it changes, as a failure names it.
            arguments: The arguments after ``pulumi``.
            stream: Show its output line by line, or write it to the log.
            environment: As in `run`.

        Raises:
            PreviewsError: It fails.
        """
        result = self.run(arguments, stream=stream, environment=environment)
        if result.code != 0:
            raise self.failure(what, arguments, result)

    def run(
        self,
        arguments: Sequence[str],
        *,
        stream: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Run a command to its end.

        Ctrl-C and a workflow's cancellation reach it once, as a request to stop: Pulumi then
        finishes its running operations, writes its state and releases its lock.

        Args:
            arguments: The arguments after ``pulumi``.
            stream: As in `check`.
            environment: Further variables, which the program gets, too.

        Raises:
            PreviewsError: There is no ``pulumi``, or it was interrupted.
        """
        try:
            process = subprocess.Popen(
                ["pulumi", *arguments, "--non-interactive", "--color", "never"],
                cwd=self._folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if stream else subprocess.PIPE,
                text=True,
                # A terminal's Ctrl-C would reach it in addition to the signal forwarded below,
                # and a second one makes it abort without writing its state.
                start_new_session=True,
                # No command runs on unattended after this process is killed.
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
        with _first_request_forwarded(process) as received:
            if stream and process.stdout is not None:
                lines = self._copy(process.stdout)
                result = CommandResult(process.wait(), "", lines)
            else:
                output, error_output = process.communicate()
                result = CommandResult(process.returncode, output, error_output)
        if received and result.code != 0:
            ignore_requests()
            raise StoppedError(
                "interrupted",
                f"`pulumi {arguments[0]}`",
                why=f"{received[0].name} stopped it",
                remedy="run the same command again: it continues where it stopped.",
            )
        return result

    def _copy(self, stream: IO[str]) -> str:
        """Copy each line to the terminal or the log at once; return all of them."""
        lines = []
        with self._target() as target:
            for line in stream:
                target.write(line)
                target.flush()
                lines.append(line)
        return "".join(lines)

    @contextmanager
    def _target(self) -> Iterator[TextIO]:
        if self._log is None:
            yield sys.stderr
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            yield log

    def failure(self, what: str, arguments: Sequence[str], result: CommandResult) -> PreviewsError:
        """Return the failure of a command, explained by its output."""
        message = _error_message(result.error)
        if any(text in message for text in _LOCKED):
            return PreviewsError(
                "stack-locked",
                what,
                why=f"another run holds its lock: {message}",
                remedy="wait for that run; if the lock remains after it: previews unlock N.",
            )
        if _UNREACHABLE.search(message):
            return PreviewsError(
                "pulumi-unreachable",
                what,
                why=f"`pulumi {' '.join(arguments[:2])}` can't reach a server: {message}",
                remedy="check this machine's network, name resolution, proxy and VPN, and"
                " https://status.pulumi.com where Pulumi Cloud has the state; then run the same"
                " command again: it continues where it stopped.",
            )
        return PreviewsError(
            "pulumi-failed",
            what,
            why=f"`pulumi {' '.join(arguments[:2])}` exited with {result.code}: {message}",
            remedy="fix the error and run the same command again: it continues where it stopped.",
        )


def _error_message(output: str) -> str:
    """Return the diagnostics of the resources that failed, else the last lines."""
    lines = output.strip().splitlines()
    if _DIAGNOSTICS not in lines:
        return "\n".join(lines[-_SHOWN_LINES:])
    after = lines[lines.index(_DIAGNOSTICS) + 1 :]
    section = itertools.takewhile(lambda line: not line or line.startswith(" "), after)
    return "\n".join(section).strip()


@contextmanager
def _first_request_forwarded(process: subprocess.Popen[str]) -> Iterator[list[signal.Signals]]:
    """Forward the first request to stop as SIGINT, and yield the list of those received.

    A second SIGINT would make Pulumi abort: it would neither wait for what it has begun nor write
    its state.
    """
    received: list[signal.Signals] = []

    def forward(request: signal.Signals) -> None:
        received.append(request)
        if len(received) == 1:
            process.send_signal(signal.SIGINT)

    with handled(forward):
        yield received
