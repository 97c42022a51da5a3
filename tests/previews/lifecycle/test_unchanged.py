"""A push that changes nothing of a preview leaves it as it is; in doubt it is deployed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.github import Fault, LocalGitHub

Run = Callable[..., tuple[int, str, str]]
OLD, NEW = "a" * 40, "b" * 40
APP = """
app: orders
image:
  context: ..
  dockerfile: ../Dockerfile
  paths: [app, "../shared/**/*.py"]
"""


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.pull(42, head_sha=NEW, labels=["preview"])
        hub.state.write(NEW, "backend/preview.yaml", APP)
        yield hub


@pytest.fixture
def event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The event of a push to a pull request of the app ``orders``, in a folder of a repository."""
    monkeypatch.setenv("PREVIEWS_FOLDER", "backend")
    monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "orders-preview")
    return written(tmp_path, "synchronize")


def written(folder: Path, action: str, sha: str = NEW) -> Path:
    file = folder / "event.json"
    pull = {"number": 42, "head": {"sha": sha}}
    document = {"action": action, "label": {"name": "preview"}, "pull_request": pull}
    file.write_text(json.dumps(document))
    return file


def deployed(github: LocalGitHub, *states: str, sha: str = OLD) -> None:
    """A deployment of the preview, as the lifecycle makes it."""
    from previews.github import GitHub
    from previews.settings import Settings

    deployments = GitHub(Settings.read()).deployments
    made = deployments.create(sha, "orders-pr-42")
    for state in states:
        url = "https://orders-pr-42.preview.test" if state == "success" else ""
        deployments.set_state(made.id, state, url=url)  # type: ignore[arg-type]


def decided(previews: Run, event: Path, *options: str) -> dict[str, str]:
    code, output, complaint = previews("decide", "--event", str(event), "--json", *options)
    assert code == 0, complaint
    document: dict[str, str] = json.loads(output)
    return document


@pytest.mark.parametrize(
    ("files", "action"),
    [
        (["docs/index.md", "frontend/app/main.ts"], "keep"),
        (["backend/tests/test_orders.py", "shared/notes.md"], "keep"),
        ([], "keep"),
        (["docs/index.md", "backend/app/main.py"], "up"),
        (["shared/money/tax.py"], "up"),
        (["shared/tax.py"], "up"),
        # What counts whatever `image.paths` has.
        (["backend/preview.yaml"], "up"),
        (["backend/scrub.yaml"], "up"),
        (["Dockerfile"], "up"),
        (["Dockerfile.dockerignore"], "up"),
        ([".dockerignore"], "up"),
        # Of another folder whose name only begins the same.
        (["backend/application/main.py"], "keep"),
    ],
)
def test_a_push_is_deployed_if_it_changes_one_of_the_paths(
    previews: Run, github: LocalGitHub, event: Path, files: list[str], action: str
) -> None:
    deployed(github, "in_progress", "success")
    github.state.differ(OLD, NEW, *files, status="ahead" if files else "identical")
    found = decided(previews, event)
    assert found["action"] == action
    if action == "keep":
        assert found["deployed"] == OLD
        assert found["reason"] == (
            "nothing of `image.paths` changed since aaaaaaaaaaaa, which it runs"
        )
    else:
        assert found["reason"] == f"labelled; {files[-1]} changed"


def test_without_paths_the_folder_and_the_context_count(
    previews: Run, github: LocalGitHub, event: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(github, "success")
    github.state.write(NEW, "backend/preview.yaml", "app: orders\n")
    github.state.differ(OLD, NEW, "frontend/main.ts")
    assert decided(previews, event)["action"] == "keep"
    github.state.differ(OLD, NEW, "backend/README.md")
    assert decided(previews, event)["action"] == "up"

    frontend = "web: { frontend: { path: /ui, image: { context: ../frontend } } }\n"
    github.state.write(NEW, "backend/preview.yaml", f"app: orders\n{frontend}")
    github.state.differ(OLD, NEW, "frontend/main.ts")
    assert decided(previews, event)["action"] == "up"

    github.state.write(NEW, "preview.yaml", "app: orders\n")
    monkeypatch.setenv("PREVIEWS_FOLDER", ".")
    github.state.differ(OLD, NEW, "docs/index.md")
    assert decided(previews, event)["action"] == "up", "the whole repository is its context"


def test_a_rename_changes_both_names(previews: Run, github: LocalGitHub, event: Path) -> None:
    deployed(github, "success")
    github.state.differ(OLD, NEW, **{"docs/main.py": "backend/app/main.py"})
    assert decided(previews, event)["reason"] == "labelled; backend/app/main.py changed"


@pytest.mark.parametrize("action", ["labeled", "reopened", "opened"])
def test_whatever_is_no_push_is_deployed(
    previews: Run, github: LocalGitHub, event: Path, action: str
) -> None:
    deployed(github, "success")
    github.state.differ(OLD, NEW, "docs/index.md")
    assert decided(previews, written(event.parent, action))["action"] == "up"


@pytest.mark.usefixtures("event")
def test_a_person_s_request_is_deployed(previews: Run, github: LocalGitHub) -> None:
    deployed(github, "success")
    github.state.differ(OLD, NEW, "docs/index.md")
    code, output, _ = previews("decide", "42", "--json")
    assert (code, json.loads(output)["action"]) == (0, "up")


@pytest.mark.parametrize(
    "states", [(), ("in_progress",), ("in_progress", "failure"), ("inactive",)]
)
def test_unless_the_last_deployment_is_a_success_it_is_deployed(
    previews: Run, github: LocalGitHub, event: Path, states: tuple[str, ...]
) -> None:
    deployed(github, "success", sha=NEW)
    deployed(github, *states)
    github.state.differ(OLD, NEW, "docs/index.md")
    assert decided(previews, event)["action"] == "up"


@pytest.mark.parametrize("status", ["diverged", "behind"])
def test_after_a_force_push_it_is_deployed(
    previews: Run, github: LocalGitHub, event: Path, status: str
) -> None:
    """GitHub's files are those since the common ancestor: what was dropped is not among them."""
    deployed(github, "success")
    github.state.differ(OLD, NEW, "docs/index.md", status=status)
    assert decided(previews, event)["action"] == "up"


def test_where_github_may_leave_files_out_it_is_deployed(
    previews: Run, github: LocalGitHub, event: Path
) -> None:
    deployed(github, "success")
    github.state.differ(OLD, NEW, *(f"docs/{number}.md" for number in range(299)))
    assert decided(previews, event)["action"] == "keep"
    github.state.differ(OLD, NEW, *(f"docs/{number}.md" for number in range(301)))
    assert decided(previews, event)["action"] == "up"


def test_without_an_answer_or_the_old_commit_it_is_deployed(
    previews: Run, github: LocalGitHub, event: Path
) -> None:
    assert decided(previews, event)["action"] == "up", "it was never deployed"
    deployed(github, "success")
    assert decided(previews, event)["action"] == "up", "GitHub has no such commit"
    github.fail(Fault.UNAUTHORIZED, path="/deployments")
    code, output, complaint = previews("decide", "--event", str(event), "--json")
    assert (code, json.loads(output)["action"]) == (0, "up")
    assert "what changed is not known" in complaint


def test_the_new_commit_s_status_has_the_commit_that_runs(
    previews: Run, github: LocalGitHub, event: Path
) -> None:
    deployed(github, "success")
    github.state.differ(OLD, NEW, "docs/index.md")
    assert decided(previews, event, "--announce")["action"] == "keep"
    [status] = github.state.commit_statuses[NEW]
    assert (status["state"], status["context"]) == ("success", "preview/orders")
    assert status["description"] == "runs aaaaaaaaaaaa; nothing of it changed since"
    assert status["target_url"] == "https://orders-pr-42.preview.test"
    assert github.state.comments_of(42) == []
    assert len(github.state.deployments_to("orders-pr-42")) == 1


def test_a_push_that_takes_an_earlier_one_back_is_deployed_while_that_one_is_being_built(
    previews: Run, github: LocalGitHub, event: Path, tmp_path: Path
) -> None:
    """Its preview runs OLD, which is the same as NEW, but is about to run what lies between."""
    deployed(github, "success")
    between = "c" * 40
    github.state.push(42, between)
    github.state.write(between, "backend/preview.yaml", APP)
    github.state.differ(OLD, between, "backend/app/main.py")
    pushed = written(tmp_path, "synchronize", between)
    assert decided(previews, pushed, "--announce")["action"] == "up"
    newest = github.state.deployments_to("orders-pr-42")[0]
    assert (newest.sha, newest.statuses[-1]["state"]) == (between, "queued")

    github.state.push(42, NEW)
    github.state.differ(OLD, NEW, status="identical")
    assert decided(previews, written(tmp_path, "synchronize"), "--announce")["action"] == "up"


def test_a_draft_that_is_ready_keeps_the_preview_of_the_same_commit_alone(
    previews: Run, github: LocalGitHub, event: Path
) -> None:
    ready = written(event.parent, "ready_for_review")
    deployed(github, "success", sha=NEW)
    assert decided(previews, ready)["action"] == "keep"
    deployed(github, "success", sha=OLD)
    github.state.differ(OLD, NEW, "docs/index.md")
    assert decided(previews, ready)["action"] == "up"


TESTS = "tests: { command: pytest e2e }\n"


@pytest.mark.parametrize(
    ("states", "action"),
    [((), "up"), (("pending",), "up"), (("pending", "success"), "keep"), (("failure",), "keep")],
)
def test_a_commit_whose_tests_have_no_result_yet_gives_none_to_the_next(
    previews: Run, github: LocalGitHub, event: Path, states: tuple[str, ...], action: str
) -> None:
    github.state.write(NEW, "backend/preview.yaml", APP + TESTS)
    deployed(github, "success")
    github.state.differ(OLD, NEW, "docs/index.md")
    tested(github, *states)
    assert decided(previews, event)["action"] == action


def test_the_new_commit_gets_the_result_of_the_tests_too(
    previews: Run, github: LocalGitHub, event: Path
) -> None:
    github.state.write(NEW, "backend/preview.yaml", APP + TESTS)
    deployed(github, "success")
    tested(github, "pending", "failure")
    github.state.differ(OLD, NEW, "docs/index.md")
    assert decided(previews, event, "--announce")["action"] == "keep"
    _, status = github.state.commit_statuses[NEW]
    assert (status["state"], status["context"]) == ("failure", "orders-preview/tests")
    assert (status["description"], status["target_url"]) == ("it failed", "https://run.test/")


def tested(github: LocalGitHub, *states: str) -> None:
    """The statuses of the tests of the old commit, oldest first."""
    from previews.github import GitHub
    from previews.settings import Settings

    for state in states:
        GitHub(Settings.read()).deployments.set_commit_status(
            OLD,
            state,  # type: ignore[arg-type]
            context="orders-preview/tests",
            description=f"it {state[:4]}ed",
            url="https://run.test/",
        )
