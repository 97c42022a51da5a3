"""One process decides, from the default branch's code and a pull request's files as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from previews.clients import Clients
from previews.errors import PreviewsError
from tests.github import LocalGitHub

Run = Callable[..., tuple[int, str, str]]
SHA = "a" * 40
RUN = "https://github.com/acme/orders/actions/runs/7"


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PREVIEWS_FOLDER", ".")
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_RUN_ID", "7")
        hub.state.pull(42, head_sha=SHA, labels=["preview"])
        hub.state.write(SHA, "preview.yaml", "service: { port: 8000 }\n")
        yield hub


def event(folder: Path, action: str = "labeled", *, label: str = "preview") -> str:
    file = folder / "event.json"
    pull = {"number": 42, "head": {"sha": SHA}}
    file.write_text(json.dumps({"action": action, "label": {"name": label}, "pull_request": pull}))
    return str(file)


def decide(previews: Run, folder: Path, action: str = "labeled", **of: Any) -> dict[str, Any]:
    arguments = ("--event", event(folder, action, **of), "--announce", "--json")
    code, output, complaint = previews("decide", *arguments)
    assert code == 0, complaint
    document: dict[str, Any] = json.loads(output)
    return document


def test_it_reads_the_event_and_the_pull_request_afresh_and_marks_what_waits(
    previews: Run, github: LocalGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_EVENT_PATH", event(tmp_path))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    code, output, _ = previews("decide", "--announce", "--json")
    assert code == 0
    assert json.loads(output) == {
        "action": "up",
        "reason": "labelled",
        "number": 42,
        "sha": SHA,
        "obstacle": None,
        "deployed": "",
        "tests": False,
        "infra": False,
        "infra_approved": False,
        "scope": "staging",
    }
    assert (tmp_path / "outputs").read_text().splitlines() == [
        "action=up",
        "number=42",
        f"sha={SHA}",
        "stack=pr-42",
        "deployed=",
        "tests=false",
        "infra=false",
        "infra_approved=false",
        "scope=staging",
    ]
    [waiting] = github.state.deployments_to("pr-42")
    assert (waiting.sha, waiting.statuses[-1]["state"]) == (SHA, "queued")
    assert waiting.statuses[-1]["log_url"] == RUN


@pytest.mark.parametrize("inputs", [{"pull-request": "42"}, {"pull-request": 42, "app": "x"}])
def test_a_person_s_dispatch_names_the_pull_request(
    previews: Run, github: LocalGitHub, tmp_path: Path, inputs: dict[str, Any]
) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"inputs": inputs, "ref": "refs/heads/main"}))
    code, output, _ = previews("decide", "--event", str(file), "--json")
    assert (code, json.loads(output)["action"]) == (0, "up")
    file.write_text(json.dumps({"inputs": {"pull-request": "-1"}}))
    code, output, _ = previews("decide", "--event", str(file), "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "event-unreadable")


def test_nothing_is_shown_unless_it_is_asked_for(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    assert previews("decide", "--event", event(tmp_path))[0] == 0
    assert github.changes() == []


def test_labels_have_no_case(
    previews: Run, github: LocalGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_LABEL", "Deploy-Preview")
    github.state.pulls[42].labels = ["deploy-PREVIEW"]
    assert decide(previews, tmp_path, label="deploy-PREVIEW")["action"] == "up"


def test_an_empty_variable_is_not_set(
    previews: Run, github: LocalGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workflow passes a variable that the repository has not set as an empty one."""
    for name in ("LABEL", "KEEP_LABEL", "DRAFTS", "BOTS", "TTL_DAYS", "MOST", "DOMAIN", "APP"):
        monkeypatch.setenv(f"PREVIEWS_{name}", "")
    assert decide(previews, tmp_path)["action"] == "up"


@pytest.mark.parametrize(
    ("files", "labels", "expected"),
    [
        (["service/app.py"], [], (False, False)),
        (["service/app.py", "infra/app/image.py"], [], (True, False)),
        (["infra/app/image.py"], ["Preview-Infra"], (True, True)),
        (["contract/app/model.py"], [], (True, False)),
        (["Pulumi.yaml"], [], (True, False)),
        (["service/app.py"], ["preview-infra"], (False, False)),
        ([f"docs/{number}.md" for number in range(3000)], [], (True, False)),
    ],
)
def test_it_finds_a_change_of_the_program(
    previews: Run,
    github: LocalGitHub,
    tmp_path: Path,
    files: list[str],
    labels: list[str],
    expected: tuple[bool, bool],
) -> None:
    github.state.changed[42] = files
    github.state.pulls[42].labels += labels
    found = decide(previews, tmp_path)
    assert (found["infra"], found["infra_approved"]) == expected


def test_the_label_of_the_program_asks_for_its_approval(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    github.state.changed[42] = ["infra/app/image.py"]
    github.state.label(42, "preview-infra")
    found = decide(previews, tmp_path, label="preview-infra")
    assert (found["action"], found["infra_approved"]) == ("up", True)


def test_the_label_of_the_program_does_nothing_where_none_is_changed(
    previews: Run, github: LocalGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    github.state.label(42, "preview-infra")
    found = decide(previews, tmp_path, label="preview-infra")
    assert (found["action"], found["infra_approved"]) == ("skip", False)
    assert "changes nothing of the program" in found["reason"]
    assert github.state.deployments_to("pr-42") == []

    monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "orders-preview")
    found = decide(previews, tmp_path, label="preview-infra")
    assert found["reason"] == "label 'preview-infra' does not request a preview"


@pytest.mark.parametrize(
    ("changed", "since", "action"),
    [
        (["docs/index.md"], ["docs/index.md"], "keep"),
        # The preview may run the pull request's own program, whose label was taken off.
        (["docs/index.md", "infra/app/image.py"], ["docs/index.md"], "up"),
        # It may run the one that this push takes back.
        (["docs/index.md"], ["docs/index.md", "infra/app/image.py"], "up"),
        (["docs/index.md"], ["docs/index.md", "Pulumi.yaml"], "up"),
    ],
)
def test_a_preview_with_another_program_does_not_stay(
    previews: Run,
    github: LocalGitHub,
    tmp_path: Path,
    changed: list[str],
    since: list[str],
    action: str,
) -> None:
    before = "b" * 40
    github.state.write(SHA, "preview.yaml", "image: { paths: [backend] }\n")
    deployments = Clients().github.deployments
    made = deployments.create(before, "pr-42")
    deployments.set_state(made.id, "success", url="https://pr-42.preview.test")
    github.state.differ(before, SHA, *since)
    github.state.changed[42] = changed
    assert decide(previews, tmp_path, "synchronize")["action"] == action


def test_an_app_s_pull_request_changes_no_program(
    previews: Run, github: LocalGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "orders-preview")
    github.state.write(SHA, "preview.yaml", "app: orders\ntests: { command: pytest }\n")
    github.state.changed[42] = ["infra/main.tf"]
    found = decide(previews, tmp_path)
    assert (found["infra"], found["tests"], found["scope"]) == (False, True, "orders-staging")
    assert not [path for _, path in github.requests if path.endswith("/files")]


def test_a_draft_is_told_once_why_it_gets_none_and_how_to_get_one(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    github.state.pulls[42].draft = True
    assert decide(previews, tmp_path)["action"] == "skip"
    assert decide(previews, tmp_path, "synchronize")["action"] == "skip"
    [told] = github.state.comments_of(42)
    assert "It is a draft, " in told.body
    assert "mark it as ready for review" in told.body
    assert told.edits == 0
    assert github.state.deployments_to("pr-42") == []


def test_a_bot_is_told_nothing(previews: Run, github: LocalGitHub, tmp_path: Path) -> None:
    github.state.pulls[42].author = "dependabot[bot]"
    found = decide(previews, tmp_path)
    assert (found["action"], found["obstacle"]) == ("skip", "bot")
    assert github.state.comments_of(42) == []


def test_a_draft_s_preview_keeps_its_comment(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    from contract.stack_name import PLATFORM_APP
    from previews.pull_request.comment import marker
    from tests.github.state import Comment, now

    shown = f"{marker(PLATFORM_APP)}\n\n### ✅ [pr-42](https://pr-42.test) is up\n"
    github.state.comments[1] = Comment(1, 42, "github-actions[bot]", shown, now(), now())
    github.state.pulls[42].draft = True
    decide(previews, tmp_path)
    assert [one.body for one in github.state.comments_of(42)] == [shown]
    gone = shown.replace("✅", "🧹")
    github.state.comments[1].body = gone
    decide(previews, tmp_path)
    assert "It is a draft, " in github.state.comments[1].body


@pytest.mark.parametrize(
    ("action", "label", "told"),
    [
        ("labeled", "preview", True),
        ("labeled", "bug", False),
        ("synchronize", "preview", False),
        ("opened", "preview", False),
    ],
)
def test_a_fork_is_told_when_a_person_labels_it(
    previews: Run, github: LocalGitHub, tmp_path: Path, action: str, label: str, *, told: bool
) -> None:
    github.state.pulls[42].head_repository = "eve/orders"
    assert decide(previews, tmp_path, action, label=label)["action"] == "skip"
    bodies = [one.body for one in github.state.comments_of(42)]
    assert ["fork" in body for body in bodies] == ([True] if told else [])
    assert not [path for _, path in github.requests if "/contents/" in path]


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        ("service: { port: 80 }", "file", "app-description"),
        ("app: orders", "file", "app-environment"),
        ("x" * 1024 * 1024 + "x", "file", "file-size"),
        ("/etc/passwd", "symlink", "file-kind"),
        ("", "submodule", "file-kind"),
        ("", "dir", "file-kind"),
        (None, "", "file-missing"),
    ],
)
def test_a_description_that_can_t_be_deployed_is_shown_in_the_pull_request(
    previews: Run,
    github: LocalGitHub,
    tmp_path: Path,
    content: str | None,
    kind: str,
    code: str,
) -> None:
    github.state.files.clear()
    if content is not None:
        github.state.write(SHA, "preview.yaml", content, type=kind)
    arguments = ("--event", event(tmp_path), "--announce", "--json")
    exit_code, output, _ = previews("decide", *arguments)
    assert (exit_code, json.loads(output)["error"]["code"]) == (1, code)
    [comment] = github.state.comments_of(42)
    assert code in comment.body
    assert RUN in comment.body
    assert [s["state"] for s in github.state.commit_statuses[SHA]] == ["failure"]


def test_the_name_of_an_app_is_the_environment_s(
    previews: Run, github: LocalGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "production")
    code, output, _ = previews("decide", "--event", event(tmp_path), "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "environment-name")
    monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "preview-infra")
    assert decide(previews, tmp_path)["action"] == "up"


def test_the_platform_s_description_does_not_pass_for_an_app_s(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the app is checked out, and the folder of its files is the platform's."""
    monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "orders-preview")
    with pytest.raises(PreviewsError) as caught:
        _ = Clients().app
    assert caught.value.code == "app-environment"


@pytest.mark.parametrize("folder", ["..", "a/../../b", "/etc", "a\nb"])
def test_a_folder_out_of_the_repository_is_none(
    previews: Run, github: LocalGitHub, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("PREVIEWS_FOLDER", folder)
    code, output, _ = previews("decide", "42", "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "settings")
    assert github.requests == []
