"""How Pulumi is run: shown or logged, interrupted, and ended with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from previews.pulumi.command import CommandResult, PulumiCommand

# It ends when it is asked to, as Pulumi does: with another code than 0.
_PULUMI = """#!{python} -S
import os, signal, sys
requests = {{signal.SIGINT, signal.SIGTERM}}
signal.pthread_sigmask(signal.SIG_BLOCK, requests)
print("said aloud", flush=True)
if "wait" in sys.argv:
    ended = signal.Signals(signal.sigwait(requests)).name
    open("ended", "w").write(ended)
    if "finish" in sys.argv:
        print("finishing what was begun", flush=True)
        while not os.path.exists("finished"):
            again = signal.sigtimedwait(requests, 0.05)
            if again:
                print("aborted by", signal.Signals(again.si_signo).name, flush=True)
                sys.exit(1)
    print("ended by", ended, flush=True)
    sys.exit(1)
"""
_CALLER = """
import sys
from pathlib import Path
from previews.errors import PreviewsError
from previews.pulumi.command import PulumiCommand
try:
    PulumiCommand(Path.cwd()).run(sys.argv[1:], stream=True)
except PreviewsError as error:
    print(error.code, error.why, file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(_PULUMI.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_what_it_says_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = PulumiCommand(tmp_path).run(["up"], stream=True)
    assert (answer.code, answer.error) == (0, "said aloud\n")
    assert capsys.readouterr().err == "said aloud\n"


def test_what_it_says_is_kept_in_a_log_behind_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "pulumi.log"
    for _ in range(2):
        assert PulumiCommand(tmp_path, log=log).run(["up"], stream=True).error == "said aloud\n"
    assert log.read_text() == "said aloud\n" * 2
    assert capsys.readouterr().err == ""


def caller(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """A process that has started Pulumi and waits for it."""
    started = subprocess.Popen(
        [sys.executable, "-c", _CALLER, "wait", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    assert started.stderr.readline() == "said aloud\n"
    return started


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_is_passed_on_waited_for_and_told(
    tmp_path: Path, sent: signal.Signals
) -> None:
    process = caller(tmp_path)
    process.send_signal(sent)
    _, said = process.communicate()
    assert said.splitlines() == ["ended by SIGINT", f"interrupted {sent.name} stopped it"]


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_pulumi_is_not_asked_again_while_it_finishes_what_it_has_begun(
    tmp_path: Path, second: signal.Signals
) -> None:
    process = caller(tmp_path, "finish")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline() == "finishing what was begun\n"
    process.send_signal(second)
    # The request has come to this process when the next one has, for they come in order.
    (tmp_path / "finished").touch()
    _, said = process.communicate()
    assert said.splitlines() == ["ended by SIGINT", "interrupted SIGINT stopped it"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_is_asked_to_end_when_its_caller_is_killed(tmp_path: Path) -> None:
    process = caller(tmp_path)
    [child] = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    assert psutil.wait_procs([child], timeout=20)[1] == []
    assert (tmp_path / "ended").read_text() == "SIGTERM"


_OUTPUT = """Updating (data-2):
 +  kubernetes:batch/v1:Job prepare creating failed

Diagnostics:
  kubernetes:batch/v1:Job (prepare):
    error: 2 errors occurred:
        * [Pod data-2/prepare]: [Error] customers.fax is not classified

        * [BackoffLimitExceeded] Job has reached the specified backoff limit

Outputs:
    snapshot: "rds:staging"

Resources:
    + 13 created
"""


def test_a_failure_names_the_resources_that_failed_and_all_that_they_report(tmp_path: Path) -> None:
    answer = CommandResult(code=1, output="", error=_OUTPUT)
    why = PulumiCommand(tmp_path).failure("data-2", ["up", "--yes"], answer).why
    assert "customers.fax is not classified" in why
    assert "BackoffLimitExceeded" in why
    assert "snapshot" not in why


def test_a_failure_without_diagnostics_ends_with_the_last_lines(tmp_path: Path) -> None:
    said = "\n".join(f"line {number}" for number in range(100))
    why = PulumiCommand(tmp_path).failure("x", ["stack", "ls"], CommandResult(1, "", said)).why
    assert why.endswith("line 99")
    assert "line 85" in why
    assert "line 84" not in why


@pytest.mark.parametrize(
    "said",
    [
        'error: could not query: Get "https://api.pulumi.com/x": dial tcp: lookup: no such host',
        "error: Post https://api.pulumi.com: net/http: TLS handshake timeout",
        "error: x509: certificate signed by unknown authority",
        "error: read tcp 10.0.0.1:443: i/o timeout",
    ],
)
def test_a_server_that_pulumi_does_not_reach_reads_as_one(tmp_path: Path, said: str) -> None:
    answer = CommandResult(code=255, output="", error=said)
    error = PulumiCommand(tmp_path).failure("list of stacks", ["stack", "ls"], answer)
    assert error.code == "pulumi-unreachable"
    assert "name resolution" in error.remedy
    assert said in error.why
