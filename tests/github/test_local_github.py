"""The local GitHub answers a well-kept client as GitHub would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from githubkit import GitHub, TokenAuthStrategy
from githubkit.exception import GitHubException, RateLimitExceeded, RequestFailed
from pydantic import ValidationError

from tests.github import REPOSITORY, TOKEN, Fault, LocalGitHub
from tests.github.schema import answer

OWNER, NAME = REPOSITORY.split("/")
WHERE: dict[str, Any] = {"owner": OWNER, "repo": NAME}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        yield server


@pytest.fixture
def github(server: LocalGitHub) -> Iterator[LocalGitHub]:
    yield server
    server.heal()


def kit(github: LocalGitHub, token: str = TOKEN) -> GitHub[TokenAuthStrategy]:
    # Its methods hold it weakly: each client is kept until the module's end.
    key = (github.url, token)
    if key not in _KITS:
        _KITS[key] = GitHub(
            token,
            base_url=github.url,
            http_cache=False,
            auto_retry=False,
            timeout=2,
            ssl_verify=False,  # It has no certificate, and to read whom to trust takes longest.
        )
    return _KITS[key]


_KITS: dict[tuple[str, str], GitHub[TokenAuthStrategy]] = {}


def status_of(error: pytest.ExceptionInfo[RequestFailed]) -> int:
    return error.value.response.status_code


def test_a_pull_request_is_as_the_schema_says(github: LocalGitHub) -> None:
    github.state.pull(1, labels=["preview"], draft=True, head_repository=None, mergeable=False)
    found = kit(github).rest.pulls.get(**WHERE, pull_number=1).parsed_data
    assert (found.number, found.state, found.draft) == (1, "open", True)
    assert (found.mergeable, found.mergeable_state, found.head.repo) == (False, "dirty", None)
    assert [label.name for label in found.labels] == ["preview"]


def test_a_long_list_comes_in_pages(github: LocalGitHub) -> None:
    for number in range(1000, 1250):
        github.state.pull(number)
    found = [
        pull.number
        for pull in kit(github).paginate(kit(github).rest.pulls.list, **WHERE, per_page=100)
        if pull.number >= 1000
    ]
    assert sorted(found) == list(range(1000, 1250))


def test_a_closed_pull_request_is_no_open_one(github: LocalGitHub) -> None:
    github.state.pull(2)
    github.state.close(2, merged=True)
    listed = kit(github).rest.pulls.list(**WHERE, per_page=100).parsed_data
    assert 2 not in [pull.number for pull in listed]
    found = kit(github).rest.pulls.get(**WHERE, pull_number=2).parsed_data
    assert (found.state, found.merged, found.merged_at is not None) == ("closed", True, True)


def test_comments_are_written_edited_and_removed(github: LocalGitHub) -> None:
    github.state.pull(3)
    issues = kit(github).rest.issues
    made = issues.create_comment(**WHERE, issue_number=3, body="one").parsed_data
    issues.update_comment(**WHERE, comment_id=made.id, body="two")
    listed = issues.list_comments(**WHERE, issue_number=3).parsed_data
    assert [(c.body, c.user and c.user.login) for c in listed] == [("two", "github-actions[bot]")]
    issues.delete_comment(**WHERE, comment_id=made.id)
    assert issues.list_comments(**WHERE, issue_number=3).parsed_data == []


def test_an_active_deployment_can_not_be_deleted(github: LocalGitHub) -> None:
    repos = kit(github).rest.repos
    made = repos.create_deployment(
        **WHERE, ref="a" * 40, environment="pr-4", required_contexts=[], auto_merge=False
    ).parsed_data
    number: int = made.id  # type: ignore[union-attr]  # 201, not 202
    repos.create_deployment_status(**WHERE, deployment_id=number, state="success")
    with pytest.raises(RequestFailed) as error:
        repos.delete_deployment(**WHERE, deployment_id=number)
    assert status_of(error) == 422
    repos.create_deployment_status(**WHERE, deployment_id=number, state="inactive")
    repos.delete_deployment(**WHERE, deployment_id=number)
    assert github.state.deployments_to("pr-4") == []


def test_one_deployment_makes_those_before_it_inactive_unless_they_are_transient(
    github: LocalGitHub,
) -> None:
    repos = kit(github).rest.repos
    for transient in (False, True, False):
        made = repos.create_deployment(
            **WHERE,
            ref="a" * 40,
            environment="shared",
            required_contexts=[],
            transient_environment=transient,
        ).parsed_data
        repos.create_deployment_status(**WHERE, deployment_id=made.id, state="success")  # type: ignore[union-attr]
    states = [d.statuses[-1]["state"] for d in github.state.deployments_to("shared")]
    assert states == ["success", "success", "inactive"]


def test_a_workflow_can_not_delete_an_environment_and_an_administrator_can(
    github: LocalGitHub,
) -> None:
    github.state.environments.add("pr-5")
    with pytest.raises(RequestFailed) as error:
        kit(github).rest.repos.delete_an_environment(**WHERE, environment_name="pr-5")
    assert status_of(error) == 403
    github.state.add_token("of-an-administrator", administration=True)
    administrator = kit(github, "of-an-administrator").rest.repos
    administrator.delete_an_environment(**WHERE, environment_name="pr-5")
    assert "pr-5" not in github.state.environments


def test_people_have_permissions(github: LocalGitHub) -> None:
    repos = kit(github).rest.repos
    levels = [
        repos.get_collaborator_permission_level(**WHERE, username=login).parsed_data.permission
        for login in ("ada", "a-stranger")
    ]
    assert levels == ["write", "read"]


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_wrong_token_is_refused(github: LocalGitHub, token: str) -> None:
    github.state.pull(6)
    with pytest.raises(RequestFailed) as error:
        kit(github, token).rest.pulls.get(**WHERE, pull_number=6)
    assert status_of(error) == 401


@pytest.mark.parametrize("body", [{}, {"body": 5}, {"body": None}])
def test_a_request_that_github_would_refuse_is_refused(
    github: LocalGitHub, body: dict[str, Any]
) -> None:
    github.state.pull(7)
    with pytest.raises(RequestFailed) as error:
        kit(github).request("POST", f"/repos/{REPOSITORY}/issues/7/comments", json=body)
    assert status_of(error) == 422


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.SERVER_ERROR, RequestFailed),
        (Fault.RATE_LIMITED, RateLimitExceeded),
        (Fault.SECONDARY_LIMIT, RateLimitExceeded),
        (Fault.UNAUTHORIZED, RequestFailed),
        (Fault.HUNG_UP, GitHubException),
        (Fault.SLOW, GitHubException),
    ],
)
def test_a_fault_is_what_the_client_knows_it_as(
    github: LocalGitHub, fault: Fault, kind: type[Exception]
) -> None:
    github.state.pull(8)
    github.fail(fault, path="/pulls/8$", seconds=3)
    with pytest.raises(kind):
        kit(github).rest.pulls.get(**WHERE, pull_number=8)
    github.heal()
    assert kit(github).rest.pulls.get(**WHERE, pull_number=8).parsed_data.number == 8


@pytest.mark.parametrize(
    ("fault", "body"),
    [(Fault.EMPTY, "[]"), (Fault.NOTHING, ""), (Fault.GARBLED, '[{"number": 4')],
)
def test_an_answer_can_say_nothing(github: LocalGitHub, fault: Fault, body: str) -> None:
    github.fail(fault, path="/pulls$")
    assert kit(github).rest.pulls.list(**WHERE).text == body


def test_a_fault_can_pass_by_itself(github: LocalGitHub) -> None:
    github.state.pull(9)
    github.fail(Fault.SERVER_ERROR, times=1)
    with pytest.raises(RequestFailed):
        kit(github).rest.pulls.get(**WHERE, pull_number=9)
    assert kit(github).rest.pulls.get(**WHERE, pull_number=9).parsed_data.number == 9


def test_what_is_not_github_s_shape_is_never_answered() -> None:
    from githubkit_schemas.latest import models

    with pytest.raises(ValidationError):
        answer(models.IssueComment, id="not a number")
