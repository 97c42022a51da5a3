"""An app's own tests run without anything of the machine, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from contract.app.tests import EndToEndTests
from contract.preview import Preview
from contract.stack_name import AppName
from previews.errors import PreviewsError
from previews.lifecycle import app_tests
from previews.lifecycle.app_tests import (
    keep_report,
    placeholder_values,
    require_open,
    require_passed,
    run_tests,
    way_to,
    write_result,
)
from previews.pull_request.tests_result import LINES, WIDTH, AppTestsResult, Outcome, read_result
from previews.pulumi.processes import runs
from tests.waiting import HANGS, eventually

Run = Callable[..., tuple[int, str, str]]
URL = "http://orders-pr-42.preview.test:8080"
VALUES = placeholder_values(Preview(42, AppName("orders")), f"{URL}/", "a" * 40)
ROOT = Path(__file__).resolve().parents[3]


def run(app: Path, command: str, **more: Any) -> AppTestsResult:
    machine = more.pop("machine", os.environ)
    return run_tests(EndToEndTests(command=command, **more), app, VALUES, machine=machine)


def wrote_pid(folder: Path) -> bool:
    return (folder / "pid").exists() and bool((folder / "pid").read_text())


def is_gone(file: Path) -> bool:
    """Return True if the process whose pid a file has has ended."""
    return not runs(int(file.read_text()))


def test_they_get_their_own_variables_and_nothing_else_of_the_machine(tmp_path: Path) -> None:
    machine = {"PATH": os.environ["PATH"], "HOME": "/home/ada", "GITHUB_TOKEN": "ghs_secret"}
    result = run(
        tmp_path,
        "env -u PWD -u OLDPWD -u SHLVL -u _ > variables",
        machine=machine,
        environment={"BASE_URL": "{app_url}/", "SHOWN": "{pull_request} {stack} {{x}} $HOME"},
    )
    assert result.passed
    assert dict(
        line.split("=", 1) for line in (tmp_path / "variables").read_text().splitlines()
    ) == {
        "PATH": os.environ["PATH"],
        "HOME": "/home/ada",
        "CI": "true",
        "BASE_URL": f"{URL}/",
        "SHOWN": "42 pr-42 {x} $HOME",
    }
    assert VALUES["app_host"] == "orders-pr-42.preview.test"
    assert VALUES["mail_url"] == f"{URL}/_mail"


def test_a_host_that_is_not_resolved_here_is_reached_by_a_proxy(tmp_path: Path) -> None:
    balancer = "http://127.0.0.1:8080"
    assert way_to("http://127.0.0.1:80", balancer) == {}
    assert way_to("http://no-such-host.invalid", None) == {}
    further = way_to("http://no-such-host.invalid", balancer)
    result = run_tests(
        EndToEndTests(command="echo $http_proxy $no_proxy"), tmp_path, VALUES, further=further
    )
    assert result.lines == (f"{balancer} 127.0.0.1,::1",)


@pytest.mark.parametrize(
    ("location", "asks"),
    [
        ("https://acme.auth.us-east-1.amazoncognito.com/login", True),
        ("/login", False),
        ("http://pr-42.preview.test/login", False),
        ("", False),
    ],
)
def test_a_preview_behind_a_sign_in_is_named(
    respx_mock: respx.MockRouter, location: str, *, asks: bool
) -> None:
    headers = {"Location": location} if location else {}
    route = respx_mock.get("http://127.0.0.1:8080/health")
    route.respond(302 if location else 200, headers=headers)
    check = partial(require_open, "http://pr-42.preview.test", "/health", "http://127.0.0.1:8080")
    if asks:
        with pytest.raises(PreviewsError, match="amazoncognito"):
            check()
    else:
        check()
    assert route.calls.last.request.headers["Host"] == "pr-42.preview.test"


def test_where_nothing_answers_the_tests_are_to_find_out(respx_mock: respx.MockRouter) -> None:
    respx_mock.get("http://pr-42.preview.test/health").mock(side_effect=httpx.ConnectError)
    require_open("http://pr-42.preview.test/", "/health", None)


def test_the_setup_comes_first_and_its_failure_is_the_result(tmp_path: Path) -> None:
    result = run(tmp_path, "echo never > ran", setup=["echo one > ran", "exit 3", "echo two > ran"])
    assert (result.outcome, result.why) == (Outcome.FAILED, r"`exit 3` ended with exit code 3")
    assert (tmp_path / "ran").read_text() == "one\n"


def test_they_run_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "e2e").mkdir()
    assert run(tmp_path, "touch here", folder="e2e").passed
    assert (tmp_path / "e2e" / "here").exists()
    assert run(tmp_path, "true", folder="none").why == (
        "there is no folder none (tests.folder of preview.yaml)"
    )


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, "no-such-program --all")
    assert result.why == (
        "`no-such-program --all` needs a program that this machine does not have (exit code 127)"
    )


def test_the_last_lines_are_kept_without_secrets(tmp_path: Path) -> None:
    script = f"for i in $(seq {LINES + 5}); do echo line $i; done; echo password=hunter2; exit 1"
    result = run(tmp_path, script)
    assert len(result.lines) == LINES
    assert result.lines[-2:] == (f"line {LINES + 5}", "password=***")


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        (r"\0033[31mred\0033[0m", "red"),
        (r"10%\r100%", "100%"),
        (r"a\tb", "a    b"),
        (r"\0342\0200\0256x", "x"),
        (r"\0377", "\N{REPLACEMENT CHARACTER}"),
        ("x" * (WIDTH + 1), "x" * WIDTH),
    ],
)
def test_a_line_is_what_a_person_reads(tmp_path: Path, printed: str, kept: str) -> None:
    assert run(tmp_path, f"printf %b '{printed}'").lines == (kept,)


def test_output_without_an_end_of_line_takes_no_memory(tmp_path: Path) -> None:
    result = run(tmp_path, "head -c 20000000 /dev/zero | tr '\\0' x")
    assert result.passed
    assert result.lines == ("x" * WIDTH,)


@pytest.fixture
def limit_from_pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time limit begin only once the command has written its file ``pid``."""

    class Process(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            eventually(lambda: wrote_pid(tmp_path), "the command to run")
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(EndToEndTests, "seconds", 0.1, raising=False)


@pytest.mark.usefixtures("limit_from_pid")
def test_after_the_time_limit_all_of_them_end(tmp_path: Path) -> None:
    result = run(tmp_path, "sleep 600 & echo $! > pid; wait")
    assert result.outcome is Outcome.TIMED_OUT
    eventually(lambda: is_gone(tmp_path / "pid"))


def test_what_a_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    assert run(tmp_path, "sleep 600 & echo $! > pid").passed
    eventually(lambda: is_gone(tmp_path / "pid"))


@pytest.mark.usefixtures("limit_from_pid")
def test_what_ignores_its_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_tests, "_GRACE_SECONDS", 0.2)
    result = run(tmp_path, "trap '' TERM; echo $$ > pid; while :; do sleep 600; done")
    assert result.outcome is Outcome.TIMED_OUT
    eventually(lambda: is_gone(tmp_path / "pid"))


_PROGRAM = """
import sys
from pathlib import Path
from contract.app.tests import EndToEndTests
from previews.lifecycle.app_tests import run_tests, write_result

folder, command = Path(sys.argv[1]), sys.argv[2]
tests = EndToEndTests(command=command, environment={})
write_result(folder / "result", run_tests(tests, folder, {}))
"""


def start(folder: Path, command: str) -> subprocess.Popen[bytes]:
    """Start the tests in another process, and wait until they run."""
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(folder), command], cwd=ROOT)
    eventually(lambda: wrote_pid(folder))
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_of_them_and_is_recorded(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, "sleep 600 & echo $! > pid; wait")
    process.send_signal(number)
    assert process.wait(timeout=HANGS) == 0
    assert read_result(tmp_path / "result").outcome is Outcome.CANCELLED
    eventually(lambda: is_gone(tmp_path / "pid"))


_KILLED_AT_ONCE = """
import os, signal, subprocess, time
from pathlib import Path

class Popen(subprocess.Popen):
    def __init__(self, argv, **more):
        super().__init__(argv, **more)
        while more.get("cwd") and not (pid := Path(more["cwd"], "pid")).exists():
            time.sleep(0.01)
        if more.get("cwd"):
            os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Popen
"""


def test_a_run_that_is_killed_when_the_tests_begin_leaves_none_of_them(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _KILLED_AT_ONCE + _PROGRAM, str(tmp_path)]
    done = subprocess.run(
        [*program, "sleep 600 & echo $! > started; mv started pid; wait"], cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    eventually(lambda: is_gone(tmp_path / "pid"))


def test_a_run_that_was_killed_leaves_no_result_and_the_next_one_is_clean(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep 600 & echo $! > pid; wait")
    process.kill()
    process.wait()
    eventually(lambda: is_gone(tmp_path / "pid"))
    assert not (tmp_path / "result").exists()
    assert start(tmp_path, "true").wait(timeout=HANGS) == 0
    assert read_result(tmp_path / "result").passed


@pytest.mark.parametrize(
    ("description", "options", "code", "exits"),
    [
        ("app: orders", ["--url", URL], "tests-undeclared", 1),
        ("app: orders\ntests: {command: 'true'}", [], "tests-url", 2),
        ("app: orders\ntests: {command: 'exit 1'}", ["--url", URL], "tests-failed", 1),
    ],
)
def test_what_did_not_run_is_a_failed_result_with_the_reason(
    previews: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    description: str,
    options: list[str],
    code: str,
    exits: int,
) -> None:
    (tmp_path / "preview.yaml").write_text(description)
    monkeypatch.setenv("PREVIEWS_APP", str(tmp_path))
    file = tmp_path / "result.json"
    arguments = ["--commit", "abc", *options, "--result", str(file)]
    exit_code, _, complaint = previews("tests", "run", "42", *arguments)
    assert exit_code == exits
    assert f"{code} in docs/runbook.md" in complaint
    result = read_result(file)
    assert result.outcome is Outcome.FAILED
    assert result.why


def test_they_need_no_token(previews: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL"):
        monkeypatch.delenv(name)
    (tmp_path / "preview.yaml").write_text("app: orders\ntests: {command: test -n $BASE_URL}")
    monkeypatch.setenv("PREVIEWS_APP", str(tmp_path))
    arguments = ["--commit", "abc", "--url", URL, "--json"]
    code, output, _ = previews("tests", "run", "42", *arguments)
    assert code == 0
    assert json.loads(output)["outcome"] == "passed"


def test_a_report_is_copied_with_its_links_as_links(tmp_path: Path) -> None:
    """A link to another file of the machine must not get that into an artifact."""
    app = tmp_path / "app"
    (app / "report").mkdir(parents=True)
    (app / "report" / "index.html").write_text("report")
    (app / "report" / "link").symlink_to("/etc/passwd")
    tests = EndToEndTests(command="true", report="report")
    for _ in range(2):
        keep_report(tests, app, tmp_path / "kept")
    assert (tmp_path / "kept" / "index.html").read_text() == "report"
    assert (tmp_path / "kept" / "link").is_symlink()
    keep_report(EndToEndTests(command="true", report="none"), app, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_result_is_written_as_a_whole(tmp_path: Path) -> None:
    result = run(tmp_path, "echo done")
    write_result(tmp_path / "new" / "result.json", result)
    assert read_result(tmp_path / "new" / "result.json") == result
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["result.json"]


def test_tests_that_did_not_pass_are_an_error() -> None:
    require_passed(AppTestsResult(outcome=Outcome.PASSED), Preview(42))
    with pytest.raises(PreviewsError, match="tests of pr-42: timed out after 0 s: too slow"):
        require_passed(AppTestsResult(outcome=Outcome.TIMED_OUT, why="too slow"), Preview(42))


def test_what_can_t_be_copied_of_a_report_is_a_remark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("report")
    os.mkfifo(tmp_path / "report" / "pipe")
    keep_report(EndToEndTests(command="true", report="report"), tmp_path, tmp_path / "kept")
    assert (tmp_path / "kept" / "index.html").read_text() == "report"
    assert "the report of the tests is not complete" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tests", "outcome", "why"),
    [
        (
            "{command: 'true', report: report, setup: ['mkdir report; mkfifo report/pipe']}",
            "passed",
            "",
        ),
        ("{command: 'kill -35 $$'}", "failed", "was ended by signal 35"),
        (
            "{command: 'true', folder: e2e, setup: ['rmdir ../e2e']}",
            "failed",
            "there is no folder e2e",
        ),
    ],
)
def test_how_they_ended_is_recorded_whatever_they_did(
    previews: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tests: str,
    outcome: str,
    why: str,
) -> None:
    """Without a result they were shown as lost with their machine, also those that passed."""
    app = tmp_path / "app"
    (app / "e2e").mkdir(parents=True)
    (app / "preview.yaml").write_text(f"app: orders\ntests: {tests}\n")
    monkeypatch.setenv("PREVIEWS_APP", str(app))
    monkeypatch.setattr("previews.commands.tests.require_open", lambda *_: None)
    file = tmp_path / "result.json"
    arguments = ["--commit", "a" * 40, "--url", URL, "--result", str(file)]
    previews("tests", "run", "42", *arguments, "--report", str(tmp_path / "kept"))
    result = read_result(file)
    assert result.outcome.value == outcome, result.text()
    assert why in result.why


def test_an_error_that_nobody_foresaw_is_a_result_too(
    previews: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "preview.yaml").write_text("app: orders\ntests: {command: 'true'}\n")
    monkeypatch.setenv("PREVIEWS_APP", str(tmp_path))

    def crash(*_: object) -> None:
        raise ValueError("nobody foresaw it")

    monkeypatch.setattr("previews.commands.tests.require_open", crash)
    file = tmp_path / "result.json"
    with pytest.raises(ValueError, match="nobody"):
        previews(*("tests", "run", "42", "--commit", "a" * 40, "--url", URL, "--result", str(file)))
    assert read_result(file).why == "tests of orders-pr-42: ValueError: nobody foresaw it"
