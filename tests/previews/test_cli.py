from __future__ import annotations

import importlib
import json
import re
import socket
import ssl
from collections.abc import Callable

import httpx
import pytest
import respx
import typer

from previews.cli import app
from previews.commands import names
from previews.errors import PreviewsError
from tests.previews.conftest import unreachable
from tests.previews.messages import codes

Run = Callable[..., tuple[int, str, str]]
COMMANDS = [name.replace("_", "-") for name in names()]


def test_every_module_of_commands_is_a_command() -> None:
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)  # type: ignore[attr-defined]
    assert "decide" in COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_json_an_example_and_its_exit_codes(command: str, previews: Run) -> None:
    code, output, _ = previews(command, "--help")
    assert code == 0
    assert "--json" in output
    documented = importlib.import_module(f"previews.commands.{command.replace('-', '_')}")
    text = documented.command.__doc__ or ""
    assert re.search(rf"Example: (\S+=\S+ )*previews {command}\b", text), text
    assert "Exits with 0" in text


def test_every_code_is_a_slug_of_its_own() -> None:
    assert "github-unreachable" in codes()
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", code) for code in codes())


@pytest.mark.parametrize("number", ["0", "-3", "042", "forty-two", "1234567890", "4 2", "٤٢"])
def test_a_pull_request_that_is_none_is_named(previews: Run, number: str) -> None:
    code, output, complaint = previews("decide", "--json", "--", number)
    assert code == 2
    assert json.loads(output)["error"]["code"] == "pull-request-number"
    assert f"pull request {number!r}: expected its number" in complaint
    assert "What to do:" in complaint


def test_a_variable_that_makes_no_sense_is_named(
    previews: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_TTL_DAYS", "soon")
    code, output, complaint = previews("decide", "42")
    assert (code, output) == (1, "")
    assert "PREVIEWS_TTL_DAYS" in complaint


@pytest.mark.parametrize("variable", ["GITHUB_TOKEN", "GITHUB_REPOSITORY"])
def test_what_is_not_set_is_named(
    previews: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)
    code, _, complaint = previews("decide", "42")
    assert code == 1
    assert f"{variable}: it is not set" in complaint


def test_decide_without_github_decides_nothing(previews: Run, github: respx.MockRouter) -> None:
    github.get("/pulls/42").mock(side_effect=unreachable)
    code, output, complaint = previews("decide", "42", "--json")
    assert code == 1
    assert json.loads(output)["error"]["code"] == "github-unreachable"
    assert "pull request 42" in complaint


@pytest.mark.parametrize("text", ["", "[]", '{"action": "opened"}', "not json"])
def test_an_event_of_another_kind_is_refused(previews: Run, tmp_path: object, text: str) -> None:
    from pathlib import Path

    file = Path(str(tmp_path)) / "event.json"
    file.write_text(text)
    code, _, complaint = previews("decide", "--event", str(file))
    assert code == 1
    assert "expected the JSON of a pull_request event" in complaint


def test_without_an_event_and_a_number_it_says_how(previews: Run) -> None:
    code, _, complaint = previews("decide")
    assert code == 2
    assert "previews decide 42" in complaint


def test_an_error_as_a_document_has_all_its_parts() -> None:
    error = PreviewsError("some-code", "a thing", why="it broke", remedy="mend it.")
    assert error.as_document() == {
        "code": "some-code",
        "what": "a thing",
        "why": "it broke",
        "remedy": "mend it.",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("list", "--no-such-option"),
        ("destroy",),
        ("destroy", "forty-two"),
        ("unlock", "production"),
        ("unlock", "pr-0"),
        ("sweep", "--most", "0"),
        ("sweep", "--most", "many"),
        ("sweep", "--confirm", "-1"),
        ("sweep", "--only", "x"),
        ("decide", "--event", "/no/such/file"),
        ("obey", "--event", "/no/such/file"),
        ("obey",),
        ("comment", "42", "--failed", "no"),
        ("autopsy", "42", "--event-log", "/no/such/file"),
        ("app", "look"),
        ("adopt", "--platform", "previews"),
        ("adopt", "--platform", f"acme/previews@{'a' * 40}"),
        ("tests", "fly", "42", "--commit", "a"),
        ("ended", "42", "--commit", "a" * 40, "--job", "build=fine"),
        ("up", "42", "--commit", "a" * 40),
        ("up", "42", "--bypass", "let-me-in"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(previews: Run, arguments: tuple[str, ...]) -> None:
    code, _, complaint = previews(*arguments)
    assert code == 2
    assert complaint or not arguments


@pytest.mark.parametrize("command", COMMANDS)
def test_values_are_named_as_people_write_them_and_none_is_a_secret(
    previews: Run, command: str
) -> None:
    """An argument is shown to every user of the machine, and kept in the shell's history."""
    _, output, _ = previews(command, "--help")
    options = [line for line in output.splitlines() if re.search(r"(^|\s)--[a-z]", line)]
    assert options
    for line in options:
        assert not re.search(r"\b(TEXT|PATH|INTEGER|FLOAT|DIRECTORY)\b", line), line
        assert not re.search(r"--\S*(token|secret|password|bypass)", line), line


def _fault(kind: str) -> Exception:
    from botocore.exceptions import EndpointConnectionError
    from urllib3.exceptions import NewConnectionError

    faults = {
        "name": lambda: socket.gaierror(-2, "Name or service not known"),
        "refused": lambda: ConnectionRefusedError(111, "Connection refused"),
        "certificate": lambda: ssl.SSLCertVerificationError("self-signed certificate"),
        "timeout": lambda: httpx.ConnectTimeout("timed out"),
        "aws": lambda: EndpointConnectionError(endpoint_url="https://rds.test"),
        "urllib3": lambda: NewConnectionError(None, "no route"),  # type: ignore[arg-type]
    }
    return faults[kind]()


@pytest.mark.parametrize("kind", ["name", "refused", "certificate", "timeout", "aws", "urllib3"])
def test_a_server_that_is_not_reached_is_one_message_with_a_remedy(
    previews: Run, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def unreached(*_: object, **__: object) -> None:
        raise _fault(kind)

    monkeypatch.setattr("previews.commands.list.statuses", unreached)
    monkeypatch.setattr("previews.clients.Clients.stacks", None)
    code, output, complaint = previews("list", "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "network")
    assert "previews list: a server can't be reached: " in complaint
    assert "name resolution" in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize("error", [ValueError("x"), BrokenPipeError(), OSError("disk full")])
def test_another_error_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from previews import cli

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("previews.cli.app", broken)
    with pytest.raises(type(error)):
        cli.main()
