"""Commands in comments: what is one, who may give it, and what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from previews.errors import PreviewsError
from previews.pull_request.comment_commands import (
    COMMANDS,
    CommandResult,
    CommentEvent,
    footer,
    parse,
    run_comment_command,
    usage,
)
from tests.github import LocalGitHub
from tests.github.state import Comment, now
from tests.previews.bringing import RecordedStacks, clients


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("/preview", "up"),
        ("  /preview  \r\nplease", "up"),
        ("/preview reset-db", "reset-db"),
        ("/preview keep", "keep"),
        ("/preview destroy", "destroy"),
        ("/preview destroy now", None),
        ("/preview\nreset-db", "up"),
        ("please destroy", None),
        ("please", None),
        ("/preview up", None),
        ("/preview DESTROY", None),
        ("/preview $(id)", None),
        ("/previews", None),
        ("try /preview destroy", None),
        ("", None),
        ("\n", None),
    ],
)
def test_a_command_is_the_whole_first_line(body: str, name: str | None) -> None:
    found = parse(body)
    assert (found and found.name) == name


def event(body: str = "/preview", author: str = "ada", **more: Any) -> CommentEvent:
    document: dict[str, Any] = {
        "action": more.pop("action", "created"),
        "issue": {"number": 42, "pull_request": more.pop("pull_request", {"url": "x"})},
        "repository": {"default_branch": "main"},
        "comment": {
            "id": 7,
            "body": body,
            "user": {"login": author, "type": more.pop("kind", "User")},
        },
    }
    return CommentEvent.model_validate(document)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (event(), True),
        (event("/preview nonsense"), True),
        (event("  /preview\n\nthanks, it is great"), True),
        (event(""), False),
        (event("please /preview"), False),
        (event("/previewed it"), False),
        (event("looks good"), False),
        (event(action="edited"), False),
        (event(action="deleted"), False),
        (event(kind="Bot"), False),
        (event(pull_request=None), False),
    ],
)
def test_what_is_meant_as_a_command(given: CommentEvent, meant: bool) -> None:
    assert given.is_command is meant


@pytest.fixture
def github() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        server.state.pull(42)
        server.state.comments[7] = Comment(7, 42, "ada", "/preview", now(), now())
        yield server


def give(github: LocalGitHub, given: CommentEvent) -> CommandResult:
    made = clients(github, RecordedStacks())
    return run_comment_command(given, github=made.github, settings=made.settings)


def test_up_labels_and_starts_the_default_branch_s_workflow(github: LocalGitHub) -> None:
    give(github, event("/preview"))
    assert github.state.pulls[42].labels == ["preview"]
    assert github.state.started == [("preview.yml", "main", {"pull-request": "42"})]
    assert github.state.comments[7].reactions == ["rocket"]


def test_reset_db_says_so_to_the_workflow(github: LocalGitHub) -> None:
    give(github, event("/preview reset-db"))
    inputs = {"pull-request": "42", "reset-database": "true"}
    assert github.state.started == [("preview.yml", "main", inputs)]


def test_keep_labels_and_starts_nothing(github: LocalGitHub) -> None:
    give(github, event("/preview keep"))
    assert github.state.pulls[42].labels == ["preview-keep"]
    assert github.state.started == []


@pytest.mark.parametrize("labels", [["preview"], []])
def test_destroy_takes_the_label_off_and_starts_the_removal(
    github: LocalGitHub, labels: list[str]
) -> None:
    github.state.pulls[42].labels = labels
    github.state.close(42)
    give(github, event("/preview destroy"))
    assert github.state.pulls[42].labels == []
    assert github.state.started == [("preview-destroy.yml", "main", {"pull-request": "42"})]


@pytest.mark.parametrize("level", ["read", "none", "triage"])
def test_who_may_not_push_may_not_command(github: LocalGitHub, level: str) -> None:
    github.state.permissions["mallory"] = level if level != "triage" else "read"
    with pytest.raises(PreviewsError, match="may not push") as error:
        give(github, event("/preview destroy", author="mallory"))
    assert error.value.code == "command-denied"
    assert github.state.started == []
    assert github.state.comments[7].reactions == ["-1"]


@pytest.mark.parametrize("level", ["admin", "maintain", "write"])
def test_who_may_push_may_command(github: LocalGitHub, level: str) -> None:
    github.state.permissions["grace"] = "write" if level == "maintain" else level
    give(github, event(author="grace"))
    assert len(github.state.started) == 1


def test_a_command_that_there_is_not_is_answered(github: LocalGitHub) -> None:
    with pytest.raises(PreviewsError, match="no such command: '/preview moon'"):
        give(github, event("/preview moon"))
    assert github.state.comments[7].reactions == ["confused"]
    assert github.state.started == []


def test_a_closed_pull_request_comes_not_up(github: LocalGitHub) -> None:
    github.state.close(42)
    with pytest.raises(PreviewsError, match="closed pull request has no preview"):
        give(github, event("/preview"))
    assert github.state.started == []
    assert github.state.pulls[42].labels == []


NO_PREVIEW = [
    ({"head_repository": "mallory/orders"}, "command-fork", "It comes from a fork"),
    ({"head_repository": None}, "command-fork", "It comes from a fork"),
    ({"draft": True}, "command-draft", "it is a draft"),
    ({"author": "dependabot[bot]"}, "command-bot", "dependency bot"),
]


@pytest.mark.parametrize("body", ["/preview", "/preview reset-db"])
@pytest.mark.parametrize(("pull", "code", "why"), NO_PREVIEW)
def test_where_there_is_no_preview_the_answer_has_the_reason(
    github: LocalGitHub, pull: dict[str, Any], code: str, why: str, body: str
) -> None:
    github.state.pull(42, **pull)
    with pytest.raises(PreviewsError) as raised:
        give(github, event(body))
    assert raised.value.code == code
    assert (github.state.started, github.state.pulls[42].labels) == ([], [])
    command, answer = github.state.comments_of(42)
    assert command.reactions == ["confused"]
    assert answer.body.startswith("@ada Nothing was done: ")
    assert why.casefold() in answer.body.casefold()
    assert raised.value.remedy in answer.body


@pytest.mark.parametrize(("pull", "code", "why"), NO_PREVIEW)
def test_what_is_left_of_an_earlier_preview_is_removed_all_the_same(
    github: LocalGitHub, pull: dict[str, Any], code: str, why: str
) -> None:
    del code, why
    github.state.pull(42, **pull)
    give(github, event("/preview destroy"))
    assert [file for file, _, _ in github.state.started] == ["preview-destroy.yml"]


def test_a_draft_is_deployed_where_drafts_are(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_DRAFTS", "true")
    github.state.pull(42, draft=True)
    give(github, event("/preview"))
    assert github.state.comments[7].reactions == ["rocket"]


def test_who_may_not_push_gets_no_comment_of_ours(github: LocalGitHub) -> None:
    """Anybody could fill a pull request with answers."""
    with pytest.raises(PreviewsError):
        give(github, event("/preview nonsense", author="mallory"))
    assert len(github.state.comments_of(42)) == 1


def test_a_sentence_is_no_command_and_asks_github_nothing(github: LocalGitHub) -> None:
    assert give(github, event("nice preview")).command is None
    assert github.requests == []


def test_the_command_line_reads_the_event(
    github: LocalGitHub,
    previews: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in github.environment.items():
        monkeypatch.setenv(name, value)
    given = tmp_path / "event.json"
    document = event("/preview keep").model_dump(mode="json")
    body = {
        "action": "created",
        "issue": {"number": 42, "pull_request": {}},
        "comment": {"id": 7, "body": document["body"], "user": {"login": "ada", "type": "User"}},
        "repository": {"default_branch": "main"},
    }
    given.write_text(json.dumps(body))
    code, output, _ = previews("obey", "--event", str(given), "--json")
    assert code == 0
    assert json.loads(output)["command"] == "keep"


@pytest.mark.parametrize("text", ["", "{}", '{"action": 1}'])
def test_what_is_no_such_event_is_told(previews: Any, tmp_path: Path, text: str) -> None:
    given = tmp_path / "event.json"
    given.write_text(text)
    code, _, complaints = previews("obey", "--event", str(given))
    assert code == 1
    assert "expected the JSON of an issue_comment event" in complaints


@pytest.fixture
def orders(github: LocalGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalGitHub:
    """A job of a workflow that another app's workflow calls."""
    (tmp_path / "preview.yaml").write_text("app: orders\n")
    called_by = "acme/shop/.github/workflows/preview-orders.yml@refs/heads/main"
    for name, value in {
        **github.environment,
        "PREVIEWS_APP": str(tmp_path),
        "GITHUB_WORKFLOW_REF": called_by,
    }.items():
        monkeypatch.setenv(name, value)
    return github


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ("/preview", "up"),
        ("/preview reset-db", "reset-database"),
        ("/preview destroy", "destroy"),
    ],
)
def test_a_command_for_another_app_starts_the_workflow_that_calls(
    orders: LocalGitHub, previews: Any, tmp_path: Path, body: str, action: str
) -> None:
    given = tmp_path / "event.json"
    document = {
        "action": "created",
        "issue": {"number": 42, "pull_request": {"url": "x"}},
        "repository": {"default_branch": "main"},
        "comment": {"id": 7, "body": body, "user": {"login": "ada", "type": "User"}},
    }
    given.write_text(json.dumps(document))
    assert previews("obey", "--event", str(given))[0] == 0
    inputs = {"pull-request": "42", "action": action}
    assert orders.state.started == [("preview-orders.yml", "main", inputs)]


def obey(previews: Any, tmp_path: Path, *options: str) -> tuple[int, str, str]:
    """Run the command line on a comment `/preview`."""
    given = tmp_path / "event.json"
    document = {
        "action": "created",
        "issue": {"number": 42, "pull_request": {"url": "x"}},
        "repository": {"default_branch": "trunk"},
        "comment": {"id": 7, "body": "/preview", "user": {"login": "ada", "type": "User"}},
    }
    given.write_text(json.dumps(document))
    found: tuple[int, str, str] = previews("obey", "--event", str(given), *options)
    return found


@pytest.mark.parametrize("ref", ["", "acme/shop/preview.yml@refs/heads/main"])
def test_outside_of_a_run_another_app_s_workflow_is_not_guessed(
    orders: LocalGitHub, previews: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ref: str
) -> None:
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", ref)
    code, output, complaint = obey(previews, tmp_path, "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "workflow-ref")
    assert "gh workflow run" in complaint
    assert orders.state.started == []


def test_a_name_of_another_app_s_environment_is_refused(
    orders: LocalGitHub, previews: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for environment in ("orders-preview", "orders-staging", ""):
        monkeypatch.setenv("PREVIEWS_ENVIRONMENT", environment)
        assert obey(previews, tmp_path)[0] == 0
    assert [branch for _, branch, _ in orders.state.started] == ["trunk"] * 3
    orders.state.started.clear()
    monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "billing-preview")
    code, output, complaint = obey(previews, tmp_path, "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "app-environment")
    assert "orders-preview and orders-staging" in complaint
    assert orders.state.started == []


DOCUMENTED_IN = Path(__file__).resolve().parents[3] / "docs" / "lifecycle.md"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_text_everywhere_and_a_row_in_the_docs(command: Any) -> None:
    assert parse(command.text) is command
    assert f"`{command.text}`" in usage()
    assert (f"`{command.text}` {command.help}" in footer()) is bool(command.word)
    row = f"| `{command.text}` | {command.help}"
    assert row in DOCUMENTED_IN.read_text(), f"docs/lifecycle.md, Commands in comments: no {row!r}"


def test_the_runbook_lists_the_commands() -> None:
    runbook = DOCUMENTED_IN.with_name("runbook.md").read_text()
    assert f"comment {usage()}" in runbook, "docs/runbook.md, command-unknown"


def test_no_two_commands_have_one_name_or_word() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    assert len({command.word for command in COMMANDS}) == len(COMMANDS)
