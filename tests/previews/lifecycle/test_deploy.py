"""What a pull request shows while its preview comes up, and after."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.app.model import App
from contract.preview import Preview
from contract.stack_name import PLATFORM_APP, AppName
from previews.clients import Clients
from previews.errors import PreviewsError
from previews.github.connection import Connection
from previews.lifecycle import deploy
from previews.lifecycle.deploy import DeployReport
from previews.lifecycle.destroy import DestroyReport
from previews.lifecycle.image_archives import Images
from previews.lifecycle.smoke import SmokeCheck, SmokeReport
from previews.pull_request.comment import marker
from previews.pull_request.github_presenter import PullRequestPresenter, status_of_tests
from previews.pull_request.presenter import Presenter
from previews.pull_request.tests_result import AppTestsResult, Outcome
from tests.github import Fault, LocalGitHub
from tests.github.state import Comment, now
from tests.previews.bringing import (
    MIGRATIONS,
    RecordedStacks,
    clients,
    logged_cluster,
    unreachable_cluster,
)
from tests.previews.memory_cluster import MemoryCluster

Run = Callable[..., tuple[int, str, str]]
MARKER = marker(PLATFORM_APP)
SHA = "a" * 40


@pytest.fixture
def github() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        server.state.pull(42, head_sha=SHA, labels=["preview"])
        yield server


@pytest.fixture
def passed() -> list[str | None]:
    """What let each smoke test past the sign-in."""
    return []


@pytest.fixture(autouse=True)
def smoked(monkeypatch: pytest.MonkeyPatch, passed: list[str | None]) -> list[SmokeReport]:
    """What the smoke tests will find, the next one first."""
    reports: list[SmokeReport] = []

    def smoke(url: str, _app: App, *, bypass: str | None, **_: Any) -> SmokeReport:
        passed.append(bypass)
        return (
            reports.pop(0) if reports else SmokeReport(url=url, checks=(SmokeCheck(what="health"),))
        )

    monkeypatch.setattr(deploy, "smoke", smoke)
    return reports


def run(
    github: LocalGitHub,
    stacks: RecordedStacks,
    presenter: Presenter | None = None,
    cluster: logged_cluster | None = None,
    *,
    tests_follow: bool = False,
    image: str | None = None,
    **options: Any,
) -> DeployReport:
    made = clients(github, stacks)
    made.__dict__["cluster"] = cluster or unreachable_cluster()
    shown = presenter or PullRequestPresenter(
        made.github, Preview(42), run_url="https://github.test/acme/orders/actions/runs/1"
    )
    pull = made.github.pulls.read(42)
    deployment = made.deployment(Preview(42), pull, shown, tests_follow=tests_follow)
    images = None if image is None else lambda: Images(image)
    return deployment.run(images=images, **options)


def comment(github: LocalGitHub) -> Comment:
    [found] = github.state.comments_of(42)
    return found


def states(github: LocalGitHub) -> list[list[str]]:
    return [[s["state"] for s in d.statuses] for d in github.state.deployments_to("pr-42")]


def test_one_comment_says_all_there_is_to_know(github: LocalGitHub) -> None:
    report = run(github, RecordedStacks(), image="sha256:" + "0" * 64)
    assert report.url == "http://pr-42.preview.test"
    body = comment(github).body
    assert body.startswith(MARKER)
    for said in (
        "[pr-42](http://pr-42.preview.test) is up",
        f"`{SHA[:12]}`",
        "image, database, namespace and secrets, prepare the database, migrate",
        "rds:staging-2026-11-25-03-45",
        "about $0.58 a day",
        "so far",
        "2 Dec 2099, 03:38 UTC",
        "/preview reset-db",
        "https://github.test/acme/orders/actions/runs/1",
    ):
        assert said in body
    assert comment(github).edits >= 1, "it is edited in place"
    assert states(github) == [["in_progress", "success"]]
    statuses = [s["state"] for s in github.state.commit_statuses[SHA]]
    assert statuses == ["pending", "success"]


def test_the_program_gets_the_image_that_was_built(github: LocalGitHub) -> None:
    stacks = RecordedStacks()
    run(github, stacks, image="sha256:" + "0" * 64)
    [arguments] = stacks.ups
    assert arguments[-2:] == ["--config", "previews:image=sha256:" + "0" * 64]


def test_without_an_image_the_one_of_an_earlier_run_is_forgotten(
    github: LocalGitHub, tmp_path: Path
) -> None:
    """It served an old image for ever, after a reset of the data had set it."""
    file = tmp_path / "Pulumi.pr-42.yaml"
    config = {"previews:image": "sha256:0", "previews:commit": "b", "previews:ttlDays": 3}
    said = {"encryptionsalt": "v1:abc", "config": config}
    file.write_text(yaml.safe_dump(said))
    (tmp_path / "preview.yaml").touch()
    made = clients(github, RecordedStacks(), project=tmp_path)
    pull = made.github.pulls.read(42)
    made.deployment(Preview(42), pull, PullRequestPresenter(made.github, Preview(42))).run(
        images=None
    )
    left = {"encryptionsalt": "v1:abc", "config": {"previews:ttlDays": 3}}
    assert yaml.safe_load(file.read_text()) == left


def test_the_program_gets_what_the_labels_say_and_no_longer_when_they_are_gone(
    github: LocalGitHub,
) -> None:
    stacks = RecordedStacks(play=["first", "same"])
    asked = ["preview", "preview-db-snapshot", "preview-long-migration"]
    for labels in (asked, ["preview"]):
        github.state.pulls[42].labels = labels
        run(github, stacks)
    first, second = (
        [value for option, value in itertools.pairwise(up) if option == "--config"]
        for up in stacks.ups
    )
    assert "--config-path" in stacks.ups[0]
    mode = "previews:database.mode=snapshot"
    assert first == [mode, "previews:migration.longLocksMeant=true"]
    assert second == [mode, "previews:migration.longLocksMeant=false"], "the data stays"


def test_labels_that_contradict_each_other_are_told_before_anything_is_made(
    github: LocalGitHub,
) -> None:
    github.state.pulls[42].labels = ["preview", "preview-db-branch", "preview-db-snapshot"]
    stacks = RecordedStacks()
    with pytest.raises(PreviewsError, match="remove one of them"):
        run(github, stacks)
    assert stacks.ups == []
    assert "they request two modes" in comment(github).body
    assert states(github) == [["in_progress", "failure"]]


def test_what_stops_it_before_pulumi_begins_is_told(github: LocalGitHub) -> None:
    class Held(RecordedStacks):
        def create(self, stack: str) -> None:
            raise PreviewsError(
                "stack-locked", f"stack {stack}", why="password=hunter2 holds it", remedy="`wait`."
            )

    with pytest.raises(PreviewsError) as error:
        run(github, Held())
    assert error.value.code == "stack-locked"
    body = comment(github).body
    assert body.splitlines()[2] == "### ❌ The deployment of `pr-42` failed"
    assert (
        "`stack-locked` in [the runbook](https://github.test/acme/orders/blob/HEAD/docs/runbook.md)"
        in body
    )
    assert "password=*** holds it" in body
    assert states(github) == [["in_progress", "failure"]]
    assert github.state.commit_statuses[SHA][-1]["state"] == "failure"


def test_whatever_stops_it_is_told_before_it_goes_on(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pull request said for ever that the preview is being deployed."""

    def broken(*_: object, **__: object) -> SmokeReport:
        raise RuntimeError("the token=hunter2 broke")

    monkeypatch.setattr(deploy, "smoke", broken)
    with pytest.raises(RuntimeError):
        run(github, RecordedStacks())
    body = comment(github).body
    assert body.splitlines()[2] == "### ❌ The deployment of `pr-42` failed"
    assert "RuntimeError" in body
    assert "`unexpected` in [the runbook]" in body
    assert "hunter2" not in body
    assert states(github) == [["in_progress", "failure"]]
    assert github.state.commit_statuses[SHA][-1]["state"] == "failure"


def test_a_deployment_that_is_stopped_was_cancelled(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> SmokeReport:
        raise KeyboardInterrupt

    monkeypatch.setattr(deploy, "smoke", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(github, RecordedStacks())
    title = "### ⚪ The deployment of `pr-42` was cancelled"
    assert comment(github).body.splitlines()[2] == title
    assert states(github) == [["in_progress", "error"]]
    assert github.state.commit_statuses[SHA][-1]["state"] == "error"


def test_a_failure_is_told_once(github: LocalGitHub) -> None:
    with pytest.raises(PreviewsError):
        run(github, RecordedStacks(play=["crash"]))
    assert states(github) == [["in_progress", "failure"]]
    assert "A container is crash-looping" in comment(github).body


def test_the_smoke_test_gets_past_the_sign_in(
    github: LocalGitHub, passed: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(github, RecordedStacks())
    monkeypatch.setattr("previews.clients.Clients.bypass", "let me")
    run(github, RecordedStacks())
    assert passed == [None, "let me"]


def test_pulumi_cloud_s_dashboard_shows_the_address(github: LocalGitHub) -> None:
    stacks = RecordedStacks()
    run(github, stacks)
    tags = stacks.tags("pr-42")
    assert tags["url"] == "http://pr-42.preview.test"
    assert (tags["pull-request"], tags["commit"]) == ("42", SHA)


def test_while_it_works_the_comment_says_which_step_it_is_at(github: LocalGitHub) -> None:
    seen: list[str] = []

    def look() -> None:
        deadline = time.monotonic() + 20
        while "✅ address" not in comment(github).body:
            assert time.monotonic() < deadline, comment(github).body
            time.sleep(0.02)
        seen.append(comment(github).body)

    made = clients(github, RecordedStacks())
    times = iter(range(0, 100_000, 60))
    presenter = PullRequestPresenter(made.github, Preview(42), clock=lambda: float(next(times)))
    run(github, RecordedStacks(during=look), presenter)
    assert "is being deployed" in seen[0]
    assert "✅ migrate (1 s)" in seen[0]


def test_a_second_push_edits_the_same_comment_and_begins_another_deployment(
    github: LocalGitHub,
) -> None:
    stacks = RecordedStacks(play=["first", "same"])
    run(github, stacks)
    run(github, stacks)
    assert "**Changed** | nothing |" in comment(github).body
    assert states(github) == [["in_progress", "success"]] * 2


def test_a_failure_is_told_with_its_cause_and_without_its_secrets(github: LocalGitHub) -> None:
    with pytest.raises(PreviewsError) as error:
        run(github, RecordedStacks(play=["crash"]))
    assert error.value.code == "up-failed"
    body = comment(github).body
    assert body.splitlines()[2] == "### ❌ The deployment of `pr-42` failed"
    assert "A container is crash-looping" in body
    assert "❌ roll the service out" in body
    assert "RuntimeError: the service was broken on purpose, password=***" in body
    assert "hunter2" not in body
    assert "the cluster could not be read" in body
    assert states(github) == [["in_progress", "failure"]]
    assert github.state.commit_statuses[SHA][-1]["state"] == "failure"


def test_after_a_failed_push_it_says_what_is_still_served(github: LocalGitHub) -> None:
    stacks = RecordedStacks(play=["first", "migration"])
    run(github, stacks)
    with pytest.raises(PreviewsError, match="migration"):
        run(github, stacks)
    body = comment(github).body
    assert f"The earlier version `{SHA[:12]}` is still served." in body
    assert 'relation "nowhere" does not exist' in body


def migrated(log: str) -> logged_cluster:
    return logged_cluster((MIGRATIONS / f"{log}.log").read_text())


def test_what_a_migration_does_to_the_database_is_told(github: LocalGitHub) -> None:
    report = run(github, RecordedStacks(), cluster=migrated("applied"))
    assert report.migration is not None
    assert report.migration.applied == ("t0: Step 0", "t1: Step 1")
    body = comment(github).body
    for said in (
        "| **Migrations** | t0: Step 0<br>t1: Step 1 |",
        "**Migration** from `0002` to `t1` passes.",
        "| `t0 Step 0` | 5 ms | `customers`: reads and writes, 1 ms | none |",
        "`customers`: 1,000 rewritten",
        "+ column customers.region character varying(9)",
    ):
        assert said in body


def test_a_migration_that_the_gate_refused_is_told_with_its_locks(github: LocalGitHub) -> None:
    with pytest.raises(PreviewsError):
        run(github, RecordedStacks(play=["migration"]), cluster=migrated("refused"))
    body = comment(github).body
    assert body.splitlines()[2] == "### ❌ The deployment of `pr-42` failed"
    assert "**is refused**: a lock is held longer than 0.2 s" in body
    assert "`customers`: reads and writes, 503 ms **too long**" in body
    assert "+ table more" in body


@pytest.mark.parametrize("log", ["", "migrate: report {", 'migrate: report {"head": "<b>"}'])
def test_a_report_that_is_missing_or_garbled_stops_nothing(github: LocalGitHub, log: str) -> None:
    stacks = RecordedStacks(play=["first", "migration"])
    run(github, stacks, cluster=logged_cluster(log))
    assert "| **Migrations** | no report" in comment(github).body
    with pytest.raises(PreviewsError, match="a migration failed"):
        run(github, stacks, cluster=logged_cluster(log))
    assert "Migration: no report" in comment(github).body


def test_without_steps_there_is_none_to_apply(github: LocalGitHub) -> None:
    run(github, RecordedStacks(), cluster=migrated("nothing"))
    assert "| **Migrations** | none to apply |" in comment(github).body


def test_a_former_migration_is_not_told_of_a_failure_before_this_one(github: LocalGitHub) -> None:
    github.state.pulls[42].labels = ["preview", "preview-db-branch", "preview-db-snapshot"]
    with pytest.raises(PreviewsError):
        run(github, RecordedStacks(), cluster=migrated("applied"))
    assert "Migration" not in comment(github).body


def test_what_answers_wrongly_is_no_success(github: LocalGitHub, smoked: list[SmokeReport]) -> None:
    wrong = SmokeCheck(what="version", wrong="it is b, expected a")
    smoked.append(SmokeReport(url="u", checks=(SmokeCheck(what="health"), wrong)))
    with pytest.raises(PreviewsError, match="fails a check"):
        run(github, RecordedStacks())
    assert "version: it is b, expected a" in comment(github).body
    assert "❌ smoke test" in comment(github).body


def test_a_load_balancer_that_lets_in_more_is_a_failed_deployment(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(_: Clients) -> None:
        raise PreviewsError(
            "inbound-open", "load balancer", why="it lets in 0.0.0.0/0", remedy="close it."
        )

    made = clients(github, RecordedStacks())
    del made.__dict__["check_inbound"]
    monkeypatch.setattr(Clients, "check_inbound", opened)
    shown = PullRequestPresenter(made.github, Preview(42))
    deployment = made.deployment(Preview(42), made.github.pulls.read(42), shown)
    with pytest.raises(PreviewsError, match="it lets in"):
        deployment.run(images=None)
    assert "it lets in 0.0.0.0/0" in comment(github).body
    assert states(github) == [["in_progress", "failure"]]


def test_its_data_begins_anew_when_asked(github: LocalGitHub) -> None:
    stacks = RecordedStacks(play=["first", "same"])
    run(github, stacks)
    assert stacks.targets == []
    run(github, stacks, reset_database=True)
    [target] = stacks.targets
    assert "aws:rds/instance:Instance" in target


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.HUNG_UP, Fault.GARBLED])
def test_a_github_that_fails_stops_no_preview(github: LocalGitHub, fault: Fault) -> None:
    made = clients(github, RecordedStacks())
    made.github.connection = Connection(made.settings, retry=False)
    pull = made.github.pulls.read(42)
    github.fail(fault)
    report = made.deployment(Preview(42), pull, PullRequestPresenter(made.github, Preview(42))).run(
        images=None
    )
    assert report.url == "http://pr-42.preview.test"
    assert github.state.comments_of(42) == []


def test_somebody_s_copy_of_the_comment_is_not_taken_for_it(github: LocalGitHub) -> None:
    theirs = Comment(1, 42, "mallory", f"{MARKER}\nmine", now(), now())
    github.state.comments[1] = theirs
    run(github, RecordedStacks())
    assert theirs.body == f"{MARKER}\nmine"
    assert len(github.state.comments_of(42)) == 2


def test_edits_are_not_made_too_often(github: LocalGitHub) -> None:
    made = clients(github, RecordedStacks())
    seconds = [0.0]
    presenter = PullRequestPresenter(made.github, Preview(42), clock=lambda: seconds[0])
    presenter.show("one")
    presenter.show("two", soon=True)
    assert comment(github).body == "one"
    seconds[0] = 11.0
    presenter.show("two", soon=True)
    assert comment(github).body == "two"
    presenter.show("three")
    assert comment(github).body == "three", "the last word is never left out"
    edits = comment(github).edits
    presenter.show("three")
    assert comment(github).edits == edits


def test_at_the_end_the_comment_says_so_and_the_deployments_are_gone(github: LocalGitHub) -> None:
    run(github, RecordedStacks())
    made = clients(github, RecordedStacks())
    made.presenter(Preview(42)).removed(DestroyReport(stack="pr-42", had_stack=True, seconds=61))
    assert "`pr-42` is gone" in comment(github).body
    assert "1 min 1 s" in comment(github).body
    assert github.state.deployments_to("pr-42") == []


def test_what_is_left_is_named(github: LocalGitHub) -> None:
    run(github, RecordedStacks())
    made = clients(github, RecordedStacks())
    made.presenter(Preview(42)).removed(
        DestroyReport(stack="pr-42", had_stack=True, left=["RDS instance pr-42"])
    )
    assert "RDS instance pr-42" in comment(github).body
    assert len(github.state.deployments_to("pr-42")) == 1


def test_a_preview_that_nobody_saw_gets_no_comment(github: LocalGitHub) -> None:
    clients(github, RecordedStacks()).presenter(Preview(42)).removed(
        DestroyReport(stack="pr-42", had_stack=False)
    )
    assert github.state.comments_of(42) == []


def test_the_logs_are_recorded() -> None:
    assert {path.stem for path in (Path(__file__).parents[1] / "events").glob("*.jsonl")} == {
        *("first", "same", "migration", "crash"),
    }


def test_a_comment_that_cannot_be_posted_fails(
    github: LocalGitHub, previews: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in github.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_TOKEN")
    code, _, message = previews("comment", "42", "--removed")
    assert (code, "github-token" in message) == (1, True)


def test_an_app_without_migrations_is_not_asked_for_their_report(github: LocalGitHub) -> None:
    run(github, RecordedStacks(play=["first"]), cluster=MemoryCluster())
    assert "| **Migrations** | none was run |" in comment(github).body


PASSED = AppTestsResult(outcome=Outcome.PASSED, seconds=5)
TESTS = AppTestsResult(outcome=Outcome.FAILED, seconds=5, why="one failed", lines=("1 of 2",))


def record(github: LocalGitHub, commit: str, result: AppTestsResult) -> None:
    presenter = PullRequestPresenter(clients(github, RecordedStacks()).github, Preview(42))
    presenter.tested(commit, result)


def recorded_states(github: LocalGitHub, commit: str) -> list[tuple[str, str]]:
    return [
        (one["state"], one["description"])
        for one in github.state.commit_statuses[commit]
        if one["context"] == "preview/tests"
    ]


def test_the_app_s_tests_are_pending_and_then_what_they_were(github: LocalGitHub) -> None:
    run(github, RecordedStacks(), tests_follow=True)
    assert "**Tests**: running" in comment(github).body
    assert recorded_states(github, SHA) == [("pending", "running")]
    record(github, SHA, TESTS)
    assert recorded_states(github, SHA)[1:] == [("failure", "failed after 5 s: one failed")]
    body = comment(github).body
    assert "is up" in body
    assert "❌ **Tests**: failed after 5 s: one failed." in body
    assert "1 of 2" in body
    record(github, SHA, PASSED)
    assert "✅ **Tests**: passed after 5 s." in comment(github).body
    assert "one failed" not in comment(github).body


def test_a_later_comment_keeps_the_tests_and_says_of_which_commit_they_are(
    github: LocalGitHub,
) -> None:
    stacks = RecordedStacks(play=["first", "crash", "first"])
    run(github, stacks, tests_follow=True)
    record(github, SHA, PASSED)
    newer = "b" * 40
    github.state.push(42, newer)
    with pytest.raises(PreviewsError):
        run(github, stacks, tests_follow=True)
    stale = f"**Tests** of the earlier commit `{SHA[:12]}`: passed"
    assert "failed" in comment(github).body
    assert stale in comment(github).body
    # The tests of the earlier commit may end after the newer one began.
    record(github, SHA, TESTS)
    assert f"**Tests** of the earlier commit `{SHA[:12]}`: failed" in comment(github).body
    run(github, stacks)
    assert "is up" in comment(github).body
    assert f"**Tests** of the earlier commit `{SHA[:12]}`: failed" in comment(github).body
    presenter = PullRequestPresenter(clients(github, stacks).github, Preview(42))
    presenter.show(f"{MARKER}\n\n### anything\n")
    assert f"**Tests** of the earlier commit `{SHA[:12]}`: failed" in comment(github).body
    presenter = PullRequestPresenter(clients(github, stacks).github, Preview(42))
    presenter.show(f"{MARKER}\n\n### gone\n", keep_tests=False)
    assert "Tests" not in comment(github).body


def test_tests_of_an_earlier_commit_do_not_replace_the_newest_ones(github: LocalGitHub) -> None:
    stacks = RecordedStacks(play=["first", "first"])
    run(github, stacks, tests_follow=True)
    newer = "b" * 40
    github.state.push(42, newer)
    run(github, stacks, tests_follow=True)
    before = comment(github).body
    # As it happens where the newer tests cancel these.
    record(github, SHA, AppTestsResult(outcome=Outcome.CANCELLED))
    assert comment(github).body == before
    assert "**Tests**: running" in before
    assert recorded_states(github, SHA)[-1][0] == "error"


def test_tests_that_end_after_their_preview_was_removed_leave_the_comment(
    github: LocalGitHub,
) -> None:
    run(github, RecordedStacks(), tests_follow=True)
    presenter = PullRequestPresenter(clients(github, RecordedStacks()).github, Preview(42))
    presenter.removed(DestroyReport(stack="pr-42", had_stack=True))
    before = comment(github).body
    record(github, SHA, PASSED)
    assert comment(github).body == before
    assert "Tests" not in before
    assert recorded_states(github, SHA)[-1] == ("success", "passed after 5 s")


def test_a_result_is_recorded_by_the_command_line(
    github: LocalGitHub,
    previews: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run(github, RecordedStacks(), tests_follow=True)
    for name, value in github.environment.items():
        monkeypatch.setenv(name, value)
    arguments = ["tests", "record", "42", "--commit", SHA, "--result", str(tmp_path / "none")]
    code, _, _ = previews(*arguments)
    assert code == 0
    assert "❌ **Tests**: failed after 0 s: they left no result" in comment(github).body
    [_, (state, why)] = recorded_states(github, SHA)
    assert state == "failure"
    assert "they left no result" in why


def test_two_apps_have_a_status_each() -> None:
    assert status_of_tests(PLATFORM_APP) == "preview/tests"
    assert status_of_tests(AppName("orders")) == "orders-preview/tests"
