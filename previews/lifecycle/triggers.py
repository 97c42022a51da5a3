"""Decides from an event and the pull request: deploy, destroy or skip. No I/O.

An event contains the state at the time it was sent; the pull request is read again when the run
starts. Where they differ, the pull request decides: a late run never deploys a preview that was
removed, nor a commit that is no longer the newest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from contract.preview import Preview
from previews.github.pulls import PullRequest
from previews.settings import Settings

PUSH = "synchronize"
"""Action of a push to a pull request."""

MANUAL = "manual"
"""Action of a person who requests a preview without an event."""

_DEPLOYS = frozenset({"opened", "reopened", "labeled", PUSH, "ready_for_review", MANUAL})


class Event(BaseModel):
    """Fields of a ``pull_request`` or ``pull_request_target`` event.

    Attributes:
        action: ``opened``, ``labeled``, ``synchronize``, …
        preview: The pull request's preview.
        head_sha: Newest commit at that time; None for a manual run.
        label: Name of the label that was added or removed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    action: str
    preview: Preview = Field(validation_alias=AliasPath("pull_request", "number"))
    head_sha: str | None = Field(
        default=None, validation_alias=AliasPath("pull_request", "head", "sha")
    )
    label: str | None = Field(default=None, validation_alias=AliasPath("label", "name"))


class Action(StrEnum):
    """Action on a preview."""

    UP = "up"
    KEEP = "keep"
    """The preview stays as it is: the push changes nothing that it shows."""

    DESTROY = "destroy"
    SKIP = "skip"


class Decision(BaseModel):
    """Action on a preview, and the reason.

    Attributes:
        action: The action.
        reason: The reason, for people.
        preview: The preview.
        sha: Newest commit of the pull request, which is the one to deploy.
        deployed: Commit that the preview runs, where it stays as it is; else empty.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    reason: str
    preview: Preview = Field(serialization_alias="number")
    sha: str
    deployed: str = ""


@dataclass(frozen=True)
class _Situation:
    """An event and the pull request as it is now."""

    event: Event
    pull: PullRequest
    settings: Settings

    def answer(self) -> tuple[Action, str]:
        """First check whether a preview is allowed at all, then whether this event deploys it."""
        if not self.pull.is_open:
            return self._gone()
        if self.settings.label not in self.pull.labels:
            return self._without_label()
        for obstacle in self._obstacles():
            return Action.SKIP, obstacle
        if self.pull.mergeable is False:
            return (
                Action.UP,
                "labelled; it conflicts with its base, so it is deployed unmerged",
            )
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
            return Action.DESTROY, f"label {label!r} was removed"
        return Action.SKIP, f"no label {label!r}"

    def _obstacles(self) -> Iterator[str]:
        """Reasons not to deploy, the most permanent first."""
        event, pull, settings = self.event, self.pull, self.settings
        if pull.is_fork:
            yield "it comes from a fork, whose runs get no credentials"
        if pull.author in settings.bots:
            yield f"its author is the dependency bot {pull.author}; bots would use up the quota"
        if pull.draft and not settings.drafts:
            yield "it is a draft; an existing preview stays until it expires"
        if event.action not in _DEPLOYS:
            yield f"the event {event.action!r} does not change a preview"
        if event.action == "labeled" and event.label != settings.label:
            yield f"label {event.label!r} does not request a preview"
        if event.head_sha is not None and event.head_sha != pull.head_sha:
            yield (
                f"{event.head_sha[:12]} is not the newest commit any more: {pull.head_sha[:12]}"
                " has its own run"
            )


def decide(event: Event, pull: PullRequest, settings: Settings) -> Decision:
    """Return the action on a preview.

    Args:
        event: The event.
        pull: The pull request, read after the run's turn came.
        settings: Names of the labels, and the authors that get no preview.
    """
    action, reason = _Situation(event, pull, settings).answer()
    return Decision(action=action, reason=reason, preview=event.preview, sha=pull.head_sha)
