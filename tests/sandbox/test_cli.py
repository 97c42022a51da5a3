from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sandbox import cli
from sandbox.tools import cache_key


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[object, str]:
    """Run ``sandbox <arguments>``; return the exit code and all output."""
    monkeypatch.setattr(sys, "argv", ["sandbox", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out + printed.err


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("number", ["0", "-3", "042", "forty-two", "1234567890", "4 2", "٤٢"])
@pytest.mark.parametrize("command", ["preview", "push", "destroy"])
def test_a_pull_request_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    home: Path,
    command: str,
    number: str,
) -> None:
    code, output = run(monkeypatch, capsys, command, "--", number)
    assert code == 1
    assert f"pull request {number!r}: expected its number" in output
    assert "What to do:" in output
    assert not home.exists()


def test_a_process_that_is_none_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "etcd.log").write_text("line\n")
    code, output = run(monkeypatch, capsys, "logs", "ectd")
    assert code == 1
    assert "log of 'ectd'" in output
    assert "choose one of: etcd" in output


def test_run_without_a_command_says_how(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = run(monkeypatch, capsys, "run")
    assert code == 1
    assert "sandbox run -- pulumi up -s pr-42" in output


def test_the_status_of_what_never_ran(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = run(monkeypatch, capsys, "status")
    assert code == 0
    assert "not running" in output


def test_a_full_disk_is_said_in_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setattr(cli.lifecycle, "stop", full)
    code, output = run(monkeypatch, capsys, "down")
    assert code == 1
    assert "disk of /somewhere: it is full" in output
    assert "Traceback" not in output


def test_the_key_of_a_cache_is_printed_alone_and_makes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert run(monkeypatch, capsys, "tools", "--cache-key") == (0, f"{cache_key()}\n")
    assert not home.exists()
