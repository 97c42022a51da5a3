"""What an event means for a preview: up, destroy or skip. Pure, so that a table can test it.

An event says what happened when it was sent; the pull request, read afresh, says what holds
now. Where the two differ, what holds now decides: a late run never brings back what was torn
down, and never deploys a commit that has been overtaken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from previews.github.pulls import PullRequest
from previews.settings import Settings

MANUAL = "manual"
"""The action of a person who asks for a preview without an event."""

_BRINGS_UP = frozenset({"opened", "reopened", "labeled", "synchronize", "ready_for_review", MANUAL})


class Event(BaseModel):
    """What is read of a ``pull_request`` or ``pull_request_target`` event.

    Attributes:
        action: What happened: ``opened``, ``labeled``, ``synchronize`` ...
        number: The pull request's number.
        head_sha: Its newest commit at that time; None where nobody said.
        label: Name of the label that was put on or taken off.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    action: str
    number: int = Field(validation_alias=AliasPath("pull_request", "number"))
    head_sha: str | None = Field(
        default=None, validation_alias=AliasPath("pull_request", "head", "sha")
    )
    label: str | None = Field(default=None, validation_alias=AliasPath("label", "name"))


class Action(StrEnum):
    """What is to be done about a preview."""

    UP = "up"
    DESTROY = "destroy"
    SKIP = "skip"


class Decision(BaseModel):
    """What is to be done, and why.

    Attributes:
        action: What is to be done.
        reason: Why, for a person.
        number: The pull request's number.
        sha: The commit to deploy, which is the pull request's newest.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    reason: str
    number: int
    sha: str


@dataclass(frozen=True)
class _Situation:
    """An event and what holds now."""

    event: Event
    pull: PullRequest
    settings: Settings

    def answer(self) -> tuple[Action, str]:
        """First whether there may be a preview at all, then whether this event makes one."""
        if not self.pull.is_open:
            return self._gone()
        if self.settings.label not in self.pull.labels:
            return self._without_label()
        for obstacle in self._obstacles():
            return Action.SKIP, obstacle
        if self.pull.mergeable is False:
            return Action.UP, "labelled; it conflicts with its base, so it is shown by itself"
        return Action.UP, "labelled"

    def _gone(self) -> tuple[Action, str]:
        if self.pull.is_fork:
            return Action.SKIP, "closed; it comes from a fork, and had no preview"
        return Action.DESTROY, "merged" if self.pull.merged else "closed"

    def _without_label(self) -> tuple[Action, str]:
        label = self.settings.label
        if self.pull.is_fork:
            return Action.SKIP, f"no label {label!r}"
        if self.event.action == "unlabeled" and self.event.label == label:
            return Action.DESTROY, f"label {label!r} was taken off"
        return Action.SKIP, f"no label {label!r}"

    def _obstacles(self) -> Iterator[str]:
        """Why this event does not bring the preview up, most lasting reason first."""
        event, pull, settings = self.event, self.pull, self.settings
        if pull.is_fork:
            yield "it comes from a fork: its runs get no credentials"
        if pull.author in settings.bots:
            yield f"it is {pull.author}'s: dependency bots would use up the quota"
        if pull.draft and not settings.drafts:
            yield "it is a draft; a preview that is there stays until it expires"
        if event.action not in _BRINGS_UP:
            yield f"{event.action!r} changes nothing that a preview shows"
        if event.action == "labeled" and event.label != settings.label:
            yield f"label {event.label!r} is not the preview's"
        if event.head_sha is not None and event.head_sha != pull.head_sha:
            yield (
                f"{event.head_sha[:12]} was overtaken by {pull.head_sha[:12]},"
                " which has a run of its own"
            )


def decide(event: Event, pull: PullRequest, settings: Settings) -> Decision:
    """What an event means for a preview.

    Args:
        event: What happened.
        pull: The pull request, read after the run got its turn.
        settings: The labels, and who gets no preview.
    """
    action, reason = _Situation(event, pull, settings).answer()
    return Decision(action=action, reason=reason, number=pull.number, sha=pull.head_sha)
