"""A push without a checkout: decided by one process, deployed by another, and little is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from previews.clients import Clients
from previews.commands import _preflight
from previews.commands import up as up_command
from previews.lifecycle import deploy
from previews.lifecycle.image_archives import push_images
from previews.lifecycle.preflight import PreflightCheck, PreflightReport
from previews.lifecycle.smoke import SmokeCheck, SmokeReport
from tests.contract.platform import PLATFORM
from tests.github import LocalGitHub
from tests.previews.bringing import RecordedStacks, unreachable_cluster
from tests.previews.lifecycle.archives import Layout

Run = Callable[..., tuple[int, str, str]]
SHA, OLD = "a" * 40, "b" * 40
RUN = "https://github.com/acme/orders/actions/runs/7"
APP = """
app: orders
openapi: { path: /openapi.json, file: docs/openapi.json }
tests: { command: pytest e2e }
web: { ui: { path: /ui, image: { context: ../ui } } }
"""


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PREVIEWS_FOLDER", "services/orders")
        monkeypatch.setenv("PREVIEWS_ENVIRONMENT", "orders-preview")
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_RUN_ID", "7")
        hub.state.pull(42, head_sha=SHA, labels=["Preview"])
        hub.state.write(SHA, "services/orders/preview.yaml", APP)
        hub.state.write(SHA, "services/orders/docs/openapi.json", "{}")
        hub.state.commit_times[SHA] = datetime(2030, 1, 24, 12, tzinfo=UTC)
        yield hub


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RecordedStacks:
    """The app's stacks, on a platform, with skopeo on the PATH and a smoke test that passes."""
    made = RecordedStacks()
    monkeypatch.setattr(Clients, "stacks", made)
    monkeypatch.setattr(Clients, "platform", PLATFORM)
    monkeypatch.setattr(Clients, "cluster", unreachable_cluster())
    monkeypatch.setattr(Clients, "bypass", None)
    # No account has this platform's load balancer; test_inbound.py looks at one.
    monkeypatch.setattr(Clients, "check_inbound", lambda _: None)
    report = SmokeReport(url="u", checks=(SmokeCheck(what="health"),))
    monkeypatch.setattr(deploy, "smoke", lambda *_, **__: report)
    checked(monkeypatch)
    program = tmp_path / "bin" / "skopeo"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return made


def checked(monkeypatch: pytest.MonkeyPatch, *failed: PreflightCheck) -> None:
    """The checks before the deployment, of which some fail."""
    place = 2 if any(check.room for check in failed) else None
    report = PreflightReport(stack="orders-pr-42", is_new=True, checks=[*failed], place=place)
    monkeypatch.setattr(_preflight, "preflight", lambda *_, **__: report)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name in ("app", "web-ui"):
        Layout(name.encode()).write(folder / f"{name}.tar")
    return folder


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """Reads the outputs of the steps so far."""
    file = tmp_path / "outputs"
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    return lambda: dict(line.split("=", 1) for line in file.read_text().splitlines())


def decide(previews: Run, tmp_path: Path, action: str = "synchronize") -> None:
    event = tmp_path / "event.json"
    pull = {"number": 42, "head": {"sha": SHA}}
    label = {"name": "preview"}
    event.write_text(json.dumps({"action": action, "label": label, "pull_request": pull}))
    arguments = ("--event", str(event), "--announce", "--bake", str(tmp_path / "bake.json"))
    code, _, complaint = previews("decide", *arguments)
    assert code == 0, complaint


def digests_of(images: Path) -> dict[str, str]:
    """Return the digests as the job that built them prints them."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in images.glob("*.tar")
    }


def up(previews: Run, images: Path, digests: dict[str, str] | None = None) -> tuple[int, str, str]:
    built = json.dumps(digests_of(images) if digests is None else digests)
    options = ("--commit", SHA, "--images", str(images), "--digests", built)
    return previews("up", "42", *options, "--json")


def statuses(github: LocalGitHub) -> list[list[str]]:
    found = github.state.deployments_to("orders-pr-42")
    return [[status["state"] for status in one.statuses] for one in found]


def settings(stacks: RecordedStacks) -> dict[str, str]:
    [arguments] = stacks.ups
    pairs = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--config"]
    return dict(pair.split("=", 1) for pair in pairs)


def test_a_push_is_decided_built_and_deployed_with_few_requests(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    outputs: Callable[[], dict[str, str]],
) -> None:
    """Two processes make them; what a deployment's progress adds is one in ten seconds."""
    decide(previews, tmp_path)
    assert len(github.requests) <= 5, github.requests
    assert statuses(github) == [["queued"]]
    targets = json.loads((tmp_path / "bake.json").read_text())["target"]
    assert targets["web-ui"]["context"] == "services/ui"

    code, output, complaint = up(previews, images)
    assert code == 0, complaint
    assert len(github.requests) <= 21, github.requests
    assert json.loads(output)["stack"] == "orders-pr-42"
    assert statuses(github) == [["queued", "in_progress", "success"]]
    repository = PLATFORM.images.repository_url
    own, web = (f"{repository}@{Layout(name).digest}" for name in (b"app", b"web-ui"))
    assert outputs()["image"] == own
    assert json.loads(outputs()["images"]) == [own, web]
    assert (outputs()["tests"], outputs()["skipped"]) == ("true", "false")
    assert outputs()["url"].startswith("http")

    given = settings(stacks)
    assert given.pop("previews:source").endswith("/services/orders")
    assert given == {
        "previews:image": own,
        "previews:webImages.ui": web,
        "previews:commit": SHA,
        "previews:repository": "acme/orders",
        "previews:expires": "2030-01-31T12:00:00Z",
        "previews:migration.longLocksMeant": "false",
    }


def test_the_program_finds_the_files_of_the_commit_and_no_others(
    previews: Run, github: LocalGitHub, stacks: RecordedStacks, images: Path
) -> None:
    found: list[str] = []

    def look() -> None:
        folder = Path(settings(stacks)["previews:source"])
        files = (path for path in folder.parents[1].rglob("*") if path.is_file())
        found.extend(str(path.relative_to(folder.parents[1])) for path in files)

    stacks.during = look
    assert up(previews, images)[0] == 0
    assert sorted(found) == ["services/orders/docs/openapi.json", "services/orders/preview.yaml"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda state: state.push(42, OLD), "bbbbbbbbbbbb is the newest commit"),
        (lambda state: state.unlabel(42, "Preview"), "no label 'preview'"),
        (lambda state: state.close(42), "closed"),
        (lambda state: setattr(state.pulls[42], "draft", True), "it is a draft"),
    ],
)
def test_what_is_not_to_be_deployed_any_more_is_skipped(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    outputs: Callable[[], dict[str, str]],
    change: Callable[[Any], None],
    why: str,
) -> None:
    decide(previews, tmp_path)
    change(github.state)
    code, output, _ = up(previews, images)
    assert code == 0
    assert why in json.loads(output)["skipped"]
    assert outputs()["skipped"] == "true"
    assert stacks.ups == []
    assert statuses(github) == [["queued", "inactive"]]
    assert github.state.comments_of(42) == []


@pytest.fixture
def when_pushed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Lets something happen while the images are being pushed, which takes minutes."""

    def meanwhile(happens: Callable[[], None]) -> None:
        def push(*arguments: Any, **more: Any) -> Any:
            happens()
            return push_images(*arguments, **more)

        monkeypatch.setattr(up_command, "push_images", push)

    return meanwhile


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda state: state.close(42), "closed"),
        (lambda state: state.push(42, OLD), "bbbbbbbbbbbb is the newest commit"),
        (lambda state: state.unlabel(42, "preview-infra"), "no label 'preview-infra'"),
    ],
)
def test_what_changes_while_the_images_are_pushed_ends_the_deployment(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when_pushed: Callable[[Callable[[], None]], None],
    change: Callable[[Any], None],
    why: str,
) -> None:
    """A closing removes the preview meanwhile, and the deployment would create it again."""
    github.state.label(42, "preview-infra")
    github.state.run(7).approvals.append(("preview-infra", "bob", "approved"))
    decide(previews, tmp_path)
    monkeypatch.setenv("PREVIEWS_PROGRAM", str(tmp_path))
    when_pushed(lambda: change(github.state))
    code, output, _ = up(previews, images)
    assert (code, stacks.ups, stacks.known) == (0, [], {})
    assert why in json.loads(output)["skipped"]
    assert statuses(github) == [["queued", "in_progress", "inactive"]]
    assert github.state.commit_statuses[SHA][-1]["state"] == "error"
    assert why.replace("'", "") in github.state.comments_of(42)[0].body.replace("'", "")


def test_a_close_while_the_stack_is_prepared_ends_the_deployment(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adopt = Clients.adopt

    def closed_after(clients: Clients, stack: str) -> Any:
        adopted = adopt(clients, stack)
        github.state.close(42)
        return adopted

    monkeypatch.setattr(Clients, "adopt", closed_after)
    decide(previews, tmp_path)
    code, output, _ = up(previews, images)
    assert (code, stacks.ups, json.loads(output)["skipped"]) == (0, [], "closed")


def test_a_comment_that_another_run_has_replaced_stays(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    when_pushed: Callable[[Callable[[], None]], None],
) -> None:
    def remove() -> None:
        github.state.close(42)
        [shown] = github.state.comments_of(42)
        shown.body = shown.body.splitlines()[0] + "\nremoved"

    decide(previews, tmp_path)
    when_pushed(remove)
    assert up(previews, images)[0] == 0
    assert github.state.comments_of(42)[0].body.endswith("removed")


def test_of_two_decisions_about_a_commit_one_deployment_is_left(
    previews: Run, github: LocalGitHub, stacks: RecordedStacks, images: Path, tmp_path: Path
) -> None:
    """GitHub sends `opened` and `labeled` for a pull request that is opened with its label."""
    decide(previews, tmp_path, "opened")
    decide(previews, tmp_path, "labeled")
    assert up(previews, images)[0] == 0
    assert statuses(github) == [["queued", "in_progress", "success"], ["queued", "inactive"]]


def test_a_wrong_archive_is_shown_and_nothing_is_deployed(
    previews: Run, github: LocalGitHub, stacks: RecordedStacks, images: Path, tmp_path: Path
) -> None:
    decide(previews, tmp_path)
    (images / "web-ui.tar").write_text("no archive")
    code, output, _ = up(previews, images)
    assert (code, json.loads(output)["error"]["code"]) == (1, "image-archive")
    assert stacks.ups == []
    [comment] = github.state.comments_of(42)
    assert "image-archive" in comment.body
    assert statuses(github) == [["queued", "in_progress", "failure"]]


def test_a_description_that_names_another_app_is_refused(
    previews: Run, github: LocalGitHub, stacks: RecordedStacks, images: Path
) -> None:
    github.state.write(SHA, "services/orders/preview.yaml", "app: payments\n")
    code, output, _ = up(previews, images)
    assert (code, json.loads(output)["error"]["code"]) == (1, "app-environment")
    [comment] = github.state.comments_of(42)
    assert "app-environment" in comment.body
    assert stacks.ups == []


def test_a_lack_of_room_has_its_place_in_the_queue_and_a_fault_its_report(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide(previews, tmp_path)
    full = PreflightCheck(name="previews", passed=False, detail="20 of 20", remedy="w.", room=True)
    checked(monkeypatch, full)
    assert up(previews, images)[0] == 3
    [comment] = github.state.comments_of(42)
    assert "waiting in the queue" in comment.body
    assert "number 2" in comment.body
    assert statuses(github) == [["queued", "inactive"]]
    assert github.state.commit_statuses[SHA][-1]["state"] == "pending"

    decide(previews, tmp_path)
    checked(monkeypatch, PreflightCheck(name="cluster", passed=False, detail="gone", remedy="w."))
    assert up(previews, images)[0] == 1
    assert "gone" in github.state.comments_of(42)[0].body
    assert statuses(github)[0] == ["queued", "failure"]
    assert github.state.commit_statuses[SHA][-1]["state"] == "failure"
    assert stacks.ups == []


def test_images_that_are_not_those_of_the_build_are_refused(
    previews: Run, github: LocalGitHub, stacks: RecordedStacks, images: Path
) -> None:
    """A job that runs the pull request's program may replace an artifact of its run."""
    digests = digests_of(images)
    Layout(b"another").write(images / "web-ui.tar")
    code, output, _ = up(previews, images, digests)
    error = json.loads(output)["error"]
    assert (code, error["code"]) == (1, "image-digests")
    assert "web-ui.tar" in error["why"]
    assert "image-digests" in github.state.comments_of(42)[0].body
    assert stacks.ups == []


def test_a_changed_program_is_run_when_another_person_has_approved_it(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREVIEWS_PROGRAM", str(tmp_path))
    github.state.label(42, "preview-infra")
    run = github.state.run(7)
    run.approvals.append(("preview-infra", github.state.pulls[42].author, "approved"))
    code, output, _ = up(previews, images)
    assert (code, json.loads(output)["error"]["code"]) == (1, "program-approval")
    assert "program-approval" in github.state.comments_of(42)[0].body
    assert stacks.ups == []

    run.approvals.append(("preview-infra", "bob", "approved"))
    assert up(previews, images)[0] == 0
    assert len(stacks.ups) == 1


def test_a_changed_program_is_not_run_by_hand(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREVIEWS_PROGRAM", str(tmp_path))
    code, output, _ = previews("up", "42", "--json")
    assert (code, json.loads(output)["error"]["code"]) == (2, "program-checkout")
    assert stacks.ups == []


def test_commit_images_and_digests_belong_together(previews: Run, github: LocalGitHub) -> None:
    commit, images, digests = ("--commit", SHA), ("--images", "images"), ("--digests", "{}")
    for options in (commit, images, digests, commit + images, images + digests, commit + digests):
        assert previews("up", "42", *options)[0] == 2
    assert github.requests == []


@pytest.mark.parametrize("digests", ["app.tar", "[]", '{"app.tar": "sha256:0"}', '{"app.tar": 1}'])
def test_digests_that_are_none_are_a_wrong_usage(
    previews: Run, github: LocalGitHub, digests: str
) -> None:
    options = ("--commit", SHA, "--images", "images", "--digests", digests)
    code, _, complaint = previews("up", "42", *options)
    assert (code, github.requests) == (2, [])
    assert "--digests" in complaint


# The end of a run that could not report it.


def ended(previews: Run, *jobs: str, commit: tuple[str, ...] = (SHA,)) -> dict[str, Any]:
    options = [word for job in jobs for word in ("--job", job)]
    about = [word for sha in commit for word in ("--commit", sha)]
    code, output, complaint = previews("ended", "42", *about, *options, "--json")
    assert code == 0, complaint
    document: dict[str, Any] = json.loads(output)
    return document


@pytest.mark.parametrize(
    ("jobs", "why", "states"),
    [
        (
            ("build=failure", "scan=skipped", "deploy=skipped"),
            "job build failed",
            ("failure", "failure"),
        ),
        (
            ("build=success", "scan=failure", "deploy=skipped"),
            "job scan failed",
            ("failure", "failure"),
        ),
        (
            ("build=cancelled", "scan=skipped", "deploy=skipped"),
            "job build was cancelled",
            ("error", "error"),
        ),
    ],
)
def test_a_run_that_ends_before_the_deployment_is_shown(
    previews: Run,
    github: LocalGitHub,
    tmp_path: Path,
    jobs: tuple[str, ...],
    why: str,
    states: tuple[str, str],
) -> None:
    decide(previews, tmp_path)
    assert ended(previews, *jobs)["shown"]
    [comment] = github.state.comments_of(42)
    assert why in comment.body
    assert RUN in comment.body
    [status] = github.state.commit_statuses[SHA]
    [deployment] = github.state.deployments_to("orders-pr-42")
    assert (deployment.statuses[-1]["state"], status["state"]) == states
    assert deployment.statuses[-1]["log_url"] == status["target_url"] == RUN


def test_a_deployment_that_is_cancelled_in_its_midst_is_shown(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    from contract.preview import Preview
    from contract.stack_name import AppName

    decide(previews, tmp_path)
    presenter = Clients().pull_request_presenter(Preview(42, AppName("orders")), run_url=RUN)
    presenter.begin(SHA)
    assert ended(previews, "build=success", "scan=success", "deploy=cancelled")["shown"]
    [comment] = github.state.comments_of(42)
    assert "was cancelled" in comment.body
    assert "time limit" in comment.body
    assert statuses(github) == [["queued", "in_progress", "error"]]


def test_what_a_deployment_reported_itself_stays(
    previews: Run, github: LocalGitHub, stacks: RecordedStacks, images: Path, tmp_path: Path
) -> None:
    decide(previews, tmp_path)
    stacks.play = ["crash"]
    assert up(previews, images)[0] == 1
    [comment] = github.state.comments_of(42)
    reported = comment.body
    assert not ended(previews, "build=success", "scan=success", "deploy=failure")["shown"]
    assert [one.body for one in github.state.comments_of(42)] == [reported]
    assert statuses(github) == [["queued", "in_progress", "failure"]]


def test_what_waits_for_room_or_is_of_another_run_stays(
    previews: Run,
    github: LocalGitHub,
    stacks: RecordedStacks,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide(previews, tmp_path)
    full = PreflightCheck(name="previews", passed=False, detail="20 of 20", remedy="w.", room=True)
    checked(monkeypatch, full)
    up(previews, images)
    assert not ended(previews, "deploy=failure")["shown"]
    assert "waiting in the queue" in github.state.comments_of(42)[0].body

    decide(previews, tmp_path)
    monkeypatch.setenv("GITHUB_RUN_ID", "8")
    assert not ended(previews, "deploy=cancelled")["shown"]


@pytest.mark.parametrize("commit", [(SHA,), ("",), ()])
def test_a_decision_that_was_cancelled_is_shown_for_the_newest_commit(
    previews: Run, github: LocalGitHub, commit: tuple[str, ...]
) -> None:
    """Of a run that a person starts, the event has no commit."""
    shown = ended(previews, "decide=cancelled", "build=skipped", commit=commit)
    assert (shown["shown"], shown["commit"]) == (True, SHA)
    [comment] = github.state.comments_of(42)
    assert "job decide was cancelled" in comment.body
    assert [one["state"] for one in github.state.commit_statuses[SHA]] == ["error"]


def test_a_decision_that_ended_after_its_announcement_leaves_nothing_queued(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    decide(previews, tmp_path)
    assert ended(previews, "decide=failure", "build=skipped")["shown"]
    assert statuses(github) == [["queued", "failure"]]


def test_what_a_decision_reported_itself_stays(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    github.state.write(SHA, "services/orders/preview.yaml", "app: payments\n")
    event = tmp_path / "event.json"
    pull = {"number": 42, "head": {"sha": SHA}}
    event.write_text(json.dumps({"action": "synchronize", "pull_request": pull}))
    assert previews("decide", "--event", str(event), "--announce")[0] == 1
    [comment] = github.state.comments_of(42)
    assert "app-environment" in comment.body
    reported = comment.body
    assert not ended(previews, "decide=failure", "build=skipped")["shown"]
    assert github.state.comments_of(42)[0].body == reported


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.unlabel(42, "Preview"),
        lambda state: setattr(state.pulls[42], "head_repository", "eve/orders"),
        lambda state: state.close(42),
    ],
)
def test_of_a_pull_request_that_gets_no_preview_nothing_is_said(
    previews: Run, github: LocalGitHub, change: Callable[[Any], None]
) -> None:
    change(github.state)
    assert not ended(previews, "decide=failure", "build=skipped")["shown"]
    assert github.changes() == []


def test_a_newer_commit_keeps_its_comment(
    previews: Run, github: LocalGitHub, tmp_path: Path
) -> None:
    decide(previews, tmp_path)
    github.state.push(42, OLD)
    assert ended(previews, "build=failure")["shown"]
    assert github.state.comments_of(42) == []
    assert [one["state"] for one in github.state.commit_statuses[SHA]] == ["failure"]


def test_without_a_failed_job_nothing_is_shown(previews: Run, github: LocalGitHub) -> None:
    assert not ended(previews, "build=skipped", "deploy=success")["shown"]
    assert github.requests == []


@pytest.mark.parametrize("job", ["build", "=failure", "build=broken"])
def test_a_job_that_is_none_is_a_wrong_usage(previews: Run, github: LocalGitHub, job: str) -> None:
    code, _, complaint = previews("ended", "42", "--commit", SHA, "--job", job)
    assert (code, github.requests) == (2, [])
    assert "build=failure" in complaint
