"""The presenter on GitHub, where GitHub refuses or is not reached, and where a run is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.preview import Preview
from contract.stack_name import PLATFORM_APP
from previews.errors import PreviewsError, StoppedError, for_people
from previews.pull_request.comment import marker
from previews.pull_request.github_presenter import PullRequestPresenter
from previews.pull_request.length import MOST
from previews.pull_request.tests_result import AppTestsResult, Outcome
from tests.github import Fault, LocalGitHub
from tests.github.state import Comment, now
from tests.previews.bringing import RecordedStacks, clients

SHA = "a" * 40
RUN = "https://github.test/acme/orders/actions/runs/7"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.state.pull(42, head_sha=SHA, labels=["preview"])
        yield server


def presenter(github: LocalGitHub) -> PullRequestPresenter:
    made = clients(github, RecordedStacks())
    return PullRequestPresenter(made.github, Preview(42), run_url=RUN)


def body(github: LocalGitHub) -> str:
    [comment] = github.state.comments_of(42)
    return comment.body


@pytest.mark.parametrize("character", ["x", "🧹"])
def test_a_comment_that_is_too_long_is_posted_cut_and_printed_whole(
    github: LocalGitHub, capsys: pytest.CaptureFixture[str], character: str
) -> None:
    line = character * 99
    log = "\n".join([f"{number} {line}" for number in range(1_000)])
    text = f"{marker(PLATFORM_APP)}\n\n### a title\n\n```text\n{log}\n```\n"
    shown = presenter(github)
    shown.show(text)
    shown.require_shown()
    assert MOST * 0.9 < len(body(github)) <= MOST
    assert f"the whole is in [the run's log]({RUN})" in body(github)
    assert f"500 {line}" not in body(github)
    assert f"500 {line}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        StoppedError("interrupted", "`pulumi up`", why="SIGINT stopped it", remedy="run it."),
    ],
)
def test_what_was_cancelled_says_so_in_comment_status_and_deployment(
    github: LocalGitHub, error: BaseException
) -> None:
    shown = presenter(github)
    shown.begin(SHA)
    shown.stopped(for_people("pr-42", error))
    assert "### ⚪ The deployment of `pr-42` was cancelled" in body(github)
    assert f"([run]({RUN}))" in body(github)
    [deployment] = github.state.deployments_to("pr-42")
    for status in (deployment.statuses[-1], github.state.commit_statuses[SHA][-1]):
        assert status["state"] == "error"
        assert status["description"].startswith("cancelled: ")


@pytest.mark.parametrize("fault", [Fault.HUNG_UP, Fault.UNAUTHORIZED])
def test_a_comment_that_is_not_posted_is_a_failure_of_its_command(
    github: LocalGitHub, previews: Run, fault: Fault
) -> None:
    github.fail(fault, path="/(comments|deployments)$")
    code, _, complaint = previews("comment", "42", "--removed")
    assert code == 1
    assert "What to do:" in complaint


def test_a_deployment_that_is_not_ended_is_a_failure_of_its_command(
    github: LocalGitHub, previews: Run
) -> None:
    github.fail(Fault.HUNG_UP, path="/deployments$")
    assert previews("comment", "42", "--removed")[0] == 1
    assert "is gone" in body(github)


def test_a_result_that_is_not_recorded_is_a_failure_of_its_command(
    github: LocalGitHub, previews: Run, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    result.write_text(AppTestsResult(outcome=Outcome.PASSED).model_dump_json())
    github.fail(Fault.HUNG_UP, path="/statuses/")
    arguments = ("tests", "record", "42", "--commit", SHA, "--result", str(result))
    assert previews(*arguments)[0] == 1
    github.heal()
    assert previews(*arguments)[0] == 0


def test_a_removal_goes_on_without_github(github: LocalGitHub) -> None:
    text = f"{marker(PLATFORM_APP)}\n\n### up\n"
    github.state.comments[7] = Comment(7, 42, "github-actions[bot]", text, now(), now())
    github.fail(Fault.HUNG_UP, path="/issues/")
    shown = presenter(github)
    shown.not_removed(PreviewsError("a-code", "pr-42", why="no", remedy="do."))
    with pytest.raises(PreviewsError, match="comments of pull request 42"):
        shown.require_shown()
