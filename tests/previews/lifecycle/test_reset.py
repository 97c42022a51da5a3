"""Fresh data for a living preview, in both modes, and what the pull request shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contract.stack_name import StackName
from previews.clients import Clients
from previews.errors import PreviewsError
from previews.lifecycle import branch_reset, deploy
from previews.lifecycle.reset import begin_anew
from previews.lifecycle.smoke import Check, SmokeReport
from tests.github import LocalGitHub
from tests.previews.bringing import OUTPUTS, RecordedStacks, clients, resources

PR = StackName.parse("pr-42")
IMAGE = "registry.test/previews@sha256:" + "1" * 64
COMMIT = "c" * 40
RUN = "https://github.test/run/1"


@pytest.fixture
def github() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        server.state.pull(42, head_sha="a" * 40, labels=["preview"])
        yield server


def living(mode: str, **outputs: Any) -> RecordedStacks:
    """A preview that serves an earlier commit than the pull request's head."""
    stacks = RecordedStacks()
    stacks.create("pr-42")
    all_outputs = {**OUTPUTS, "databaseMode": mode, "image": IMAGE, "commit": COMMIT, **outputs}
    stacks.documents["pr-42"] = {
        "version": 3,
        "deployment": {"resources": resources(all_outputs)},
    }
    return stacks


def body(github: LocalGitHub) -> str:
    [comment] = github.state.comments_of(42)
    return comment.body


@pytest.fixture
def cloned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The previews that got a fresh clone."""
    done: list[str] = []
    monkeypatch.setattr(branch_reset, "reset", lambda _, stack: done.append(stack.value))
    return done


def test_in_mode_branch_a_clone_takes_its_place_and_nothing_is_deployed(
    github: LocalGitHub, cloned: list[str]
) -> None:
    stacks = living("branch")
    fresh = begin_anew(clients(github, stacks), PR, run=RUN, through="http://127.0.0.1:9")
    assert cloned == ["pr-42"]
    assert (fresh.mode, fresh.snapshot) == ("branch", OUTPUTS["snapshot"])
    assert (stacks.targets, stacks.ups) == ([], [])
    assert "; begun anew " in body(github)
    assert f"`{COMMIT[:12]}`" in body(github)


def test_in_mode_snapshot_the_instance_is_made_again_for_the_version_that_is_served(
    github: LocalGitHub, cloned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = SmokeReport(url="u", checks=(Check(what="health"),))
    monkeypatch.setattr(deploy, "smoke", lambda *_, **__: report)
    stacks = living("snapshot")
    fresh = begin_anew(clients(github, stacks), PR, run=RUN)
    [target] = stacks.targets
    assert "aws:rds/instance:Instance" in target
    [arguments] = stacks.ups
    settings = [arguments[i + 1] for i, word in enumerate(arguments) if word == "--config"]
    expected = [f"image={IMAGE}", f"commit={COMMIT}", "database.mode=snapshot"]
    assert set(settings) >= {f"previews:{setting}" for setting in expected}
    assert cloned == []
    assert fresh.text().startswith("pr-42 is on a fresh copy of rds:staging-")
    assert "is up" in body(github)


def test_what_is_not_there_begins_with_fresh_data_anyway(
    github: LocalGitHub, cloned: list[str]
) -> None:
    with pytest.raises(PreviewsError, match="no such preview") as error:
        begin_anew(clients(github, RecordedStacks()), PR, run=RUN)
    assert error.value.code == "reset-no-preview"
    assert "did not begin anew" in body(github)
    assert "/preview" in body(github)
    assert cloned == []


def test_what_was_never_up_is_brought_up_instead(github: LocalGitHub, cloned: list[str]) -> None:
    stacks = RecordedStacks()
    stacks.create("pr-42")
    with pytest.raises(PreviewsError, match="no output commit, databaseMode, image"):
        begin_anew(clients(github, stacks), PR)
    assert (cloned, stacks.targets) == ([], [])


def test_a_clone_that_fails_is_told(github: LocalGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_clients: Clients, stack: StackName) -> None:
        raise PreviewsError("reset-timeout", stack.value, why="it is full", remedy="wait.")

    monkeypatch.setattr(branch_reset, "reset", refuse)
    with pytest.raises(PreviewsError, match="it is full"):
        begin_anew(clients(github, living("branch")), PR, run=RUN)
    assert f"it is full ([run]({RUN}))." in body(github)


def test_an_up_that_fails_keeps_its_autopsy(github: LocalGitHub) -> None:
    stacks = living("snapshot")
    stacks.play = ["crash"]
    with pytest.raises(PreviewsError):
        begin_anew(clients(github, stacks), PR)
    assert "A container ends by itself" in body(github)


def test_on_a_sandbox_nothing_is_shown_on_github(
    github: LocalGitHub, cloned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clients(github, living("branch"))
    monkeypatch.setitem(
        made.__dict__, "settings", made.settings.model_copy(update={"github_repository": ""})
    )
    begin_anew(made, PR)
    assert cloned == ["pr-42"]
    assert github.requests == []
