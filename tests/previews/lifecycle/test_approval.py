"""A pull request's own program runs when a second person has approved that very run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from previews.errors import PreviewsError
from previews.github import GitHub
from previews.lifecycle.approval import ENVIRONMENT, require_approval
from previews.settings import Settings
from tests.github import LocalGitHub
from tests.github.state import Push

SHA, OLD = "a" * 40, "b" * 40
RUN = 7


@pytest.fixture
def hub() -> Iterator[LocalGitHub]:
    """Ada's pull request, whose newest commit she pushed, and a run that deploys it."""
    with LocalGitHub() as started:
        started.state.pull(42, head_sha=SHA, head_ref="topic", author="ada")
        started.state.pushes += [Push("topic", OLD, "eve"), Push("topic", SHA, "ada")]
        started.state.run(RUN)
        yield started


def settings_of(hub: LocalGitHub, *, run: int | None = RUN, attempt: int = 1) -> Settings:
    return Settings(
        github_token=SecretStr(hub.environment["GITHUB_TOKEN"]),
        github_repository=hub.state.repository,
        github_api_url=hub.url,
        github_run_id=run,
        github_run_attempt=attempt,
    )


def check(hub: LocalGitHub, *, run: int | None = RUN, attempt: int = 1) -> None:
    settings = settings_of(hub, run=run, attempt=attempt)
    github = GitHub(settings)
    require_approval(github.pulls.read(42), SHA, github=github, settings=settings)


def refusal(hub: LocalGitHub, *, run: int | None = RUN, attempt: int = 1) -> str:
    with pytest.raises(PreviewsError) as caught:
        check(hub, run=run, attempt=attempt)
    assert caught.value.code == "program-approval"
    return caught.value.why


def approve(hub: LocalGitHub, login: str, state: str = "approved", to: str = ENVIRONMENT) -> None:
    hub.state.runs[RUN].approvals.append((to, login, state))


def test_an_approval_of_another_person_is_enough(hub: LocalGitHub) -> None:
    approve(hub, "ada")
    approve(hub, "bob")
    check(hub)
    assert ("GET", f"/repos/acme/orders/actions/runs/{RUN}/approvals") in hub.requests


def test_who_pushed_an_earlier_commit_may_approve(hub: LocalGitHub) -> None:
    approve(hub, "eve")
    check(hub)


def test_the_author_may_not_approve_her_own_program(hub: LocalGitHub) -> None:
    """A run that `/preview` started is a bot's, so that GitHub lets her."""
    approve(hub, "ada")
    assert "only ada has approved this run" in refusal(hub)


def test_who_pushed_the_commit_may_not_approve_it(hub: LocalGitHub) -> None:
    hub.state.pushes.append(Push("topic", SHA, "eve"))
    approve(hub, "eve")
    assert "as ada, eve did" in refusal(hub)


@pytest.mark.parametrize(
    ("login", "state", "environment"),
    [
        ("bob", "rejected", ENVIRONMENT),
        ("bob", "pending", ENVIRONMENT),
        ("bob", "approved", "staging"),
        ("gate[bot]", "approved", ENVIRONMENT),
    ],
)
def test_nothing_else_is_an_approval(
    hub: LocalGitHub, login: str, state: str, environment: str
) -> None:
    approve(hub, login, state, environment)
    assert "nobody has approved this run" in refusal(hub)


def test_an_approval_of_an_earlier_attempt_may_be_of_another_commit(hub: LocalGitHub) -> None:
    approve(hub, "bob")
    assert "started again" in refusal(hub, attempt=2)


def test_outside_of_a_run_nobody_can_approve(hub: LocalGitHub) -> None:
    assert "no run of a workflow" in refusal(hub, run=None)
