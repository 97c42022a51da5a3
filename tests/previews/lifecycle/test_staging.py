"""Staging goes forward, and by itself back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.app.model import App
from previews.errors import PreviewsError
from previews.lifecycle import staging as module
from previews.lifecycle.smoke import SmokeCheck, SmokeReport
from previews.lifecycle.staging import LAST_GOOD, StagingDeployment, StagingReport
from previews.pulumi.locks import TAG
from tests.github import LocalGitHub
from tests.previews.bringing import RecordedStacks, clients

OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64
DATABASE = "sha256:" + "2" * 64


@pytest.fixture(scope="module")
def github() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        yield server


@pytest.fixture(autouse=True)
def smoked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is wrong with staging, at one smoke test after the other."""
    wrong: list[str] = []

    def smoke(url: str, _app: App, **_: Any) -> SmokeReport:
        found = wrong.pop(0) if wrong else ""
        return SmokeReport(url=url, checks=(SmokeCheck(what="health", wrong=found),))

    monkeypatch.setattr(module, "smoke", smoke)
    return wrong


def staging(play: list[str], *, good: str = OLD) -> RecordedStacks:
    stacks = RecordedStacks(play=play)
    stacks.create("staging")
    if good:
        stacks.kept_tags["staging"] = {LAST_GOOD: good}
    return stacks


def deploy(github: LocalGitHub, stacks: RecordedStacks, image: str) -> StagingReport:
    made = clients(github, stacks)
    return StagingDeployment(
        app=App(),
        folder=made.settings.app_folder,
        stacks=made.stacks,
        bypass=lambda: made.bypass,
        claim=made.claim,
        diagnose=made.diagnose,
    ).run(image)


def images(stacks: RecordedStacks) -> list[str]:
    return [arguments[-1].removeprefix("previews:image=") for arguments in stacks.ups]


def test_an_image_that_works_becomes_the_last_good_one(github: LocalGitHub) -> None:
    stacks = staging(["first"])
    assert deploy(github, stacks, NEW).image == NEW
    assert stacks.tags("staging")[LAST_GOOD] == NEW
    assert images(stacks) == [NEW]


def test_the_run_records_itself_before_it_changes_anything(
    github: LocalGitHub, smoked: list[str]
) -> None:
    del smoked
    stacks = staging(["first"])
    made = clients(github, stacks, github_run_id=9)
    StagingDeployment(
        app=App(),
        folder=made.settings.app_folder,
        stacks=made.stacks,
        bypass=lambda: made.bypass,
        claim=made.claim,
        diagnose=made.diagnose,
    ).run(NEW)
    assert stacks.tags("staging")[TAG].startswith("9/1@")
    assert stacks.calls[0] == "tag staging"


@pytest.mark.parametrize(
    ("play", "wrong", "told"),
    [
        (["migration", "first"], [], "migration-failed"),
        (["crash", "first"], [], "crashed"),
        (["first", "same"], ["503", ""], "health: 503"),
    ],
)
def test_one_that_does_not_work_gives_way_to_the_last_good_one(
    github: LocalGitHub, smoked: list[str], play: list[str], wrong: list[str], told: str
) -> None:
    smoked += wrong
    stacks = staging(play)
    with pytest.raises(PreviewsError, match=told) as error:
        deploy(github, stacks, NEW)
    assert error.value.code == "staging-rolled-back"
    assert images(stacks) == [NEW, OLD]
    assert stacks.tags("staging")[LAST_GOOD] == OLD


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PreviewsError("bypass-unreadable", "secret x", why="no", remedy="set it"), "secret x: no"),
        (TypeError("not JSON"), "TypeError: not JSON"),
    ],
)
def test_one_that_can_t_be_tested_gives_way_too(
    github: LocalGitHub, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    """Nobody knew whether it works, and it stayed."""
    tests = iter([error, SmokeReport(url="", checks=(SmokeCheck(what="health"),))])

    def smoke(*_: object, **__: object) -> SmokeReport:
        match next(tests):
            case Exception() as raised:
                raise raised
            case report:
                return report

    monkeypatch.setattr(module, "smoke", smoke)
    stacks = staging(["first", "same"])
    with pytest.raises(PreviewsError, match="the smoke test can't be run") as found:
        deploy(github, stacks, NEW)
    assert found.value.code == "staging-rolled-back"
    assert told in found.value.why
    assert images(stacks) == [NEW, OLD]
    assert stacks.tags("staging")[LAST_GOOD] == OLD


def test_the_first_one_has_nothing_to_go_back_to(github: LocalGitHub) -> None:
    stacks = staging(["crash"], good="")
    with pytest.raises(PreviewsError, match="no earlier image") as error:
        deploy(github, stacks, NEW)
    assert error.value.code == "staging-failed"
    assert images(stacks) == [NEW]


def test_going_back_that_fails_asks_for_a_person(github: LocalGitHub) -> None:
    stacks = staging(["crash", "migration"])
    with pytest.raises(PreviewsError, match="needs a person") as error:
        deploy(github, stacks, NEW)
    assert error.value.code == "staging-rollback-failed"


def test_the_image_that_prepares_databases_goes_along_and_is_not_rolled_back(
    github: LocalGitHub,
) -> None:
    stacks = staging(["crash", "first"])
    made = clients(github, stacks)
    deployment = StagingDeployment(
        app=App(),
        folder=made.settings.app_folder,
        stacks=made.stacks,
        bypass=lambda: made.bypass,
        claim=made.claim,
        diagnose=made.diagnose,
    )
    with pytest.raises(PreviewsError, match="rolled back"):
        deployment.run(NEW, DATABASE)
    for arguments in stacks.ups:
        assert f"previews:databaseImage={DATABASE}" in arguments


def test_the_last_good_image_itself_failing_is_not_tried_twice(github: LocalGitHub) -> None:
    stacks = staging(["crash"])
    with pytest.raises(PreviewsError, match="no earlier image"):
        deploy(github, stacks, OLD)
    assert images(stacks) == [OLD]


def test_the_command_line_tells_the_commit_and_the_run_s_summary(
    previews: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    with LocalGitHub() as github:
        stacks = staging(["crash", "first"])
        made = clients(github, stacks)
        monkeypatch.setattr("previews.commands.deploy_staging.Clients", lambda: made)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        code, _, complaints = previews("deploy-staging", "--image", NEW, "--commit", "c" * 40)
        assert code == 1
        assert "staging-rolled-back" in complaints
        [status] = github.state.commit_statuses["c" * 40]
        assert (status["context"], status["state"]) == ("staging", "failure")
    assert "rolled back" in (tmp_path / "summary.md").read_text()


def test_the_command_line_tells_the_commit_of_a_crash(
    previews: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with LocalGitHub() as github:
        made = clients(github, staging(["first"]))

        def crash(*_: object) -> StagingReport:
            raise RuntimeError("token=hunter2")

        monkeypatch.setattr(StagingDeployment, "run", crash)
        monkeypatch.setattr("previews.commands.deploy_staging.Clients", lambda: made)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        with pytest.raises(RuntimeError):
            previews("deploy-staging", "--image", NEW, "--commit", "c" * 40)
        [status] = github.state.commit_statuses["c" * 40]
        assert (status["context"], status["state"]) == ("staging", "failure")
        assert status["description"] == "RuntimeError: token=***"
    summary = (tmp_path / "summary.md").read_text()
    assert "unexpected" in summary
    assert "hunter2" not in summary
