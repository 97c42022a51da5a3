from __future__ import annotations

from typing import Any

import pytest

from contract.preview import Preview
from previews.github.pulls import PullRequest
from previews.lifecycle.triggers import MANUAL, Action, Event, decide
from previews.settings import Settings
from tests.previews.answers import HEAD, STALE, pull_request

SETTINGS = Settings(github_repository="acme/orders")
ACTIONS = {"U": Action.UP, "D": Action.DESTROY, "S": Action.SKIP}

# What an event of each row means for a pull request of each column.
COLUMNS = ["plain", "fork", "deleted fork", "bot", "stale", "draft"]
WITH_LABEL = """
opened               U S S S S S
labeled              U S S S S S
synchronize          U S S S S S
reopened             U S S S S S
ready_for_review     U S S S S S
converted_to_draft   S S S S S S
unlabeled            S S S S S S
edited               S S S S S S
conflicted           U S S S S S
closed               D S S D D D
merged               D S S D D D
closed+conflicted    D S S D D D
"""
WITHOUT_LABEL = """
opened               S S S S S S
labeled              S S S S S S
synchronize          S S S S S S
reopened             S S S S S S
ready_for_review     S S S S S S
converted_to_draft   S S S S S S
unlabeled            D S S D D D
edited               S S S S S S
conflicted           S S S S S S
closed               D S S D D D
merged               D S S D D D
closed+conflicted    D S S D D D
"""

# Names of rows that are no action of GitHub's: a state of the pull request at another action.
ACTION_OF = {"merged": "closed", "conflicted": "synchronize", "closed+conflicted": "closed"}


def rows() -> list[Any]:
    return [
        pytest.param(name, labelled, column, ACTIONS[letter], id=f"{name}-{labelled}-{column}")
        for labelled, table in ((True, WITH_LABEL), (False, WITHOUT_LABEL))
        for name, *letters in (line.split() for line in table.strip().splitlines())
        for column, letter in zip(COLUMNS, letters, strict=True)
    ]


@pytest.mark.parametrize(("name", "labelled", "column", "expected"), rows())
def test_the_table(name: str, labelled: bool, column: str, expected: Action) -> None:
    closed = name in {"closed", "merged", "closed+conflicted"}
    pull = PullRequest.model_validate(
        pull_request(
            labels=["preview"] if labelled else ["bug"],
            state="closed" if closed else "open",
            merged=name == "merged",
            mergeable="conflicted" not in name,
            head_repository={"fork": "eve/orders", "deleted fork": None}.get(column, "acme/orders"),
            author="dependabot[bot]" if column == "bot" else "ada",
            draft=column == "draft",
        )
    )
    event = Event(
        action=ACTION_OF.get(name, name),
        preview=Preview(42),
        head_sha=STALE if column == "stale" else HEAD,
        label="preview" if name in {"labeled", "unlabeled"} else None,
    )
    decision = decide(event, pull, SETTINGS)
    assert decision.action is expected, decision.reason
    assert decision.sha == HEAD
    assert decision.reason


@pytest.mark.parametrize("action", ["labeled", "unlabeled"])
@pytest.mark.parametrize("labels", [["preview", "bug"], ["bug"], []])
def test_another_label_changes_nothing(action: str, labels: list[str]) -> None:
    pull = PullRequest.model_validate(pull_request(labels=labels))
    event = Event(action=action, preview=Preview(42), head_sha=HEAD, label="bug")
    assert decide(event, pull, SETTINGS).action is Action.SKIP


def test_the_state_now_outweighs_the_event() -> None:
    closed = PullRequest.model_validate(pull_request(state="closed"))
    late = Event(action="synchronize", preview=Preview(42), head_sha=HEAD)
    assert decide(late, closed, SETTINGS).action is Action.DESTROY

    opened_again = PullRequest.model_validate(pull_request())
    late = Event(action="closed", preview=Preview(42), head_sha=HEAD)
    decision = decide(late, opened_again, SETTINGS)
    assert decision.action is Action.SKIP


def test_by_hand_the_newest_commit_is_shown() -> None:
    pull = PullRequest.model_validate(pull_request())
    assert decide(Event(action=MANUAL, preview=Preview(42)), pull, SETTINGS).action is Action.UP


def test_drafts_get_one_where_the_team_says_so() -> None:
    pull = PullRequest.model_validate(pull_request(draft=True))
    event = Event(action="synchronize", preview=Preview(42), head_sha=HEAD)
    settings = SETTINGS.model_copy(update={"drafts": True})
    assert decide(event, pull, settings).action is Action.UP


def test_a_bot_that_writes_code_is_no_dependency_bot() -> None:
    pull = PullRequest.model_validate(pull_request(author="translator[bot]"))
    event = Event(action="labeled", preview=Preview(42), head_sha=HEAD, label="preview")
    assert decide(event, pull, SETTINGS).action is Action.UP


@pytest.mark.parametrize(
    ("action", "pull", "reason"),
    [
        ("labeled", {}, "labelled"),
        ("labeled", {"mergeable": None}, "labelled"),
        (
            "labeled",
            {"mergeable": False},
            "labelled; it conflicts with its base, so it is deployed unmerged",
        ),
        ("closed", {"state": "closed"}, "closed"),
        ("closed", {"state": "closed", "merged": True}, "merged"),
        (
            "closed",
            {"state": "closed", "head_repository": "eve/orders"},
            "closed; it comes from a fork, and had no preview",
        ),
        ("opened", {"labels": []}, "no label 'preview'"),
        ("unlabeled", {"labels": []}, "label 'preview' was removed"),
        ("unlabeled", {"labels": [], "head_repository": "eve/orders"}, "no label 'preview'"),
        (
            "labeled",
            {"head_repository": None, "author": "dependabot[bot]", "draft": True},
            "it comes from a fork, whose code is never built or deployed here",
        ),
        (
            "labeled",
            {"author": "dependabot[bot]", "draft": True},
            "its author is a dependency bot, and bots get no preview: they would use up the quota",
        ),
        (
            "edited",
            {"draft": True},
            "it is a draft, and drafts get no preview; one that it had stays until it expires",
        ),
        ("edited", {}, "the event 'edited' does not change a preview"),
        (
            "synchronize",
            {"sha": "0123456789abcdef"},
            "aaaaaaaaaaaa is not the newest commit any more: 0123456789ab has its own run",
        ),
    ],
)
def test_the_reason_is_the_most_lasting_one(action: str, pull: dict[str, Any], reason: str) -> None:
    event = Event(action=action, preview=Preview(42), head_sha=HEAD, label="preview")
    found = PullRequest.model_validate(pull_request(**pull))
    assert decide(event, found, SETTINGS).reason == reason


def test_another_label_is_named() -> None:
    event = Event(action="labeled", preview=Preview(42), head_sha=HEAD, label="bug")
    found = decide(event, PullRequest.model_validate(pull_request()), SETTINGS)
    assert found.reason == "label 'bug' does not request a preview"
