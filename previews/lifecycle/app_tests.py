"""Run of an app's own tests against its preview: a pull request's code, without any credential."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import httpx

from contract.app.needs import MAIL_PATH
from previews.errors import PreviewsError
from previews.files import write_at_once
from previews.output import progress
from previews.pull_request.tests_result import LINES, AppTestsResult, Outcome
from previews.pulumi.processes import end_with_parent

if TYPE_CHECKING:
    from contract.app.tests import EndToEndTests
    from contract.preview import Preview

_INHERITED = ("PATH", "HOME")
_NOT_FOUND = 127  # As a shell reports a program that is missing.
_READ = 64 * 1024
# The runner of a workflow that is cancelled kills after 7.5 seconds.
_GRACE_SECONDS = 5.0
_PIPE_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
_SHOWN = 500
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _CancelledError(Exception):
    """A person or the machine ends the run."""


def run_tests(
    tests: EndToEndTests,
    folder: Path,
    values: Mapping[str, str],
    *,
    machine: Mapping[str, str] = os.environ,
    further: Mapping[str, str] | None = None,
) -> AppTestsResult:
    """Run the setup commands and the tests, one after the other, up to the first that fails.

    Their output is copied to this process's own. Each is a process group of its own, of which
    nothing is left at the end, also when this process gets SIGINT or SIGTERM.

    Args:
        tests: Description of the tests.
        folder: Folder of the app.
        values: Values of the placeholders.
        machine: Environment of the machine, of which they get PATH and HOME.
        further: Variables for them besides, which their own description replaces.
    """
    where = folder / tests.folder
    missing = f"there is no folder {tests.folder} (tests.folder of preview.yaml)"
    environment = {
        **{name: machine[name] for name in _INHERITED if name in machine},
        **(further or {}),
        "CI": "true",
        **tests.variables(values),
    }
    began = time.monotonic()
    tail, signals = _Tail(), _Signals()
    outcome, why = Outcome.PASSED, ""
    try:
        with signals:
            for command in (*tests.setup, tests.command):
                left = tests.seconds - (time.monotonic() - began)
                if not where.is_dir():
                    outcome, why = Outcome.FAILED, missing
                    break
                progress(f"tests: {command}")
                code = _run(command, where, environment, tail, signals, left)
                if code:
                    outcome, why = Outcome.FAILED, _reason(command, code)
                    break
    except subprocess.TimeoutExpired:
        outcome, why = Outcome.TIMED_OUT, f"they took longer than {tests.timeout_minutes} minutes"
    except _CancelledError:
        outcome, why = Outcome.CANCELLED, "the run was ended from outside"
    return AppTestsResult(
        outcome=outcome, seconds=time.monotonic() - began, why=why[:2000], lines=tail.lines()
    )


def placeholder_values(preview: Preview, url: str, commit: str) -> dict[str, str]:
    """Return the values of the placeholders in the environment of the tests."""
    app_url = url.rstrip("/")
    return {
        "app_url": app_url,
        "app_host": urlsplit(url).hostname or "",
        "commit": commit,
        "pull_request": str(preview.number),
        "stack": preview.stack.value,
        "mail_url": f"{app_url}{MAIL_PATH}",
    }


def require_open(url: str, path: str, connect_to: str | None) -> None:
    """Check that the preview does not ask the tests to sign in, which they can't.

    The token that lets the smoke test past is never a pull request's.

    Args:
        url: URL of the preview.
        path: A path that it answers.
        connect_to: As in `smoke`.

    Raises:
        PreviewsError: It asks for it.
    """
    host = httpx.URL(url)
    try:
        answer = httpx.get(
            f"{connect_to or url.rstrip('/')}{path}",
            headers={"Host": host.netloc.decode()},
            timeout=_ANSWER_SECONDS,
        )
    except httpx.HTTPError:
        return  # The tests show what is wrong, and may wait for it.
    target = httpx.URL(answer.headers.get("Location", ""))
    if answer.is_redirect and target.host not in {"", host.host}:
        raise PreviewsError(
            "tests-sign-in",
            url,
            why=f"it sends whoever has not signed in to {target.host}, and the tests have no login",
            remedy="let previews be open to the machines of the workflows (`access.signIn: none`),"
            " or remove `tests` from preview.yaml.",
        )


def way_to(url: str, connect_to: str | None) -> dict[str, str]:
    """Return variables by which HTTP clients reach a host that this machine does not resolve.

    Browsers resolve any name below ``localhost``; the machine's resolver may not.

    Args:
        url: URL of the preview.
        connect_to: As in `smoke`.
    """
    if connect_to is None:
        return {}
    host = urlsplit(url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        progress(f"{host} is not resolved here: the tests reach it by http_proxy")
        return {
            "http_proxy": connect_to,
            "HTTP_PROXY": connect_to,
            "no_proxy": "127.0.0.1,::1",
            "NODE_USE_ENV_PROXY": "1",
        }
    return {}


def keep_report(tests: EndToEndTests, folder: Path, target: Path) -> None:
    """Copy the folder with the tests' report, if there is one; links are copied as links.

    What can't be copied, such as a pipe, is printed and left out: the tests ended as they did.
    """
    try:
        if tests.report is not None and (folder / tests.report).is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(folder / tests.report, target, symlinks=True)
    except (OSError, RecursionError) as error:
        progress(f"the report of the tests is not complete: {str(error)[:_SHOWN]}")


def write_result(file: Path, result: AppTestsResult) -> None:
    """Write a result so that a reader finds all of it or nothing."""
    write_at_once(file, result.model_dump_json())


def require_passed(result: AppTestsResult, preview: Preview) -> None:
    """Check that the tests passed.

    Raises:
        PreviewsError: They did not.
    """
    if not result.passed:
        raise PreviewsError(
            "tests-failed",
            f"tests of {preview}",
            why=result.text(),
            remedy="read the last lines of their output, correct the app or its tests, and push;"
            " the preview itself is up.",
        )


def _run(
    command: str,
    folder: Path,
    environment: Mapping[str, str],
    tail: _Tail,
    signals: _Signals,
    seconds: float,
) -> int:
    """Run one command, and return its exit code.

    Raises:
        subprocess.TimeoutExpired: It takes too long.
        _CancelledError: A signal came.
    """
    # Interrupted between the start of the process and its assignment, nobody would end it.
    with signals.deferred():
        guard = _guard()
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_guarded_by(guard),  # noqa: PLW1509 - no other thread runs
        )
        reader = Thread(target=tail.read, args=(process.stdout,), daemon=True)
        reader.start()
    try:
        signals.check()
        return process.wait(timeout=max(seconds, 0))
    finally:
        with signals.deferred():
            _end_group(process)
            guard.kill()
            guard.communicate()
            # A process that has left the group can hold the pipe, and is not waited for.
            reader.join(_PIPE_SECONDS)
        signals.check()


def _guard() -> subprocess.Popen[bytes]:
    """Start what kills a process group when this process is killed, which closes its pipe."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r group && { read -r _; kill -s KILL -- "-$group"; }'],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _guarded_by(guard: subprocess.Popen[bytes]) -> Callable[[], None]:
    """Return a ``preexec_fn`` by which the child names its group to the guard before it runs.

    Named by this process, the group would run on where that is killed between the two.
    """
    ends_with_parent, pipe = end_with_parent(), cast("IO[bytes]", guard.stdin).fileno()

    def preexec() -> None:
        ends_with_parent()
        os.write(pipe, f"{os.getpid()}\n".encode())

    return preexec


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End all that is left of a process group: first with SIGTERM, then with SIGKILL."""
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(command: str, code: int) -> str:
    if code == _NOT_FOUND:
        return f"`{command}` needs a program that this machine does not have (exit code {code})"
    if code < 0:
        return f"`{command}` was ended by {_signal_name(-code)}"
    return f"`{command}` ended with exit code {code}"


def _signal_name(number: int) -> str:
    """Return a signal's name, or its number: most real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Tail:
    """The last lines of an output, of limited size whatever comes."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque(maxlen=LINES)
        self._open = b""

    def read(self, stream: IO[bytes]) -> None:
        """Copy a stream to stderr, and keep its end."""
        with stream, suppress(OSError, ValueError):
            while chunk := os.read(stream.fileno(), _READ):
                sys.stderr.buffer.write(chunk)
                sys.stderr.buffer.flush()
                *whole, self._open = (self._open + chunk).split(b"\n")
                self._kept.extend(line[-_READ:] for line in whole)
                self._open = self._open[-_READ:]

    def lines(self) -> tuple[str, ...]:
        """Return the lines, without empty ones at the end."""
        lines = [line.decode(errors="replace") for line in (*self._kept, self._open)]
        while lines and not lines[-1].strip():
            lines.pop()
        return tuple(lines[-LINES:])


class _Signals:
    """SIGINT and SIGTERM as an error, which can be deferred."""

    def __init__(self) -> None:
        self._came = False
        self._deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> None:
        self._before = {one: signal.signal(one, self._come) for one in _SIGNALS}

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _come(self, *_: object) -> None:
        again, self._came = self._came, True
        if not self._deferred and not again:
            raise _CancelledError

    def check(self) -> None:
        """Raise the error if a signal came meanwhile."""
        if self._came:
            raise _CancelledError

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let no signal interrupt what has to be done as a whole."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
