"""Decides from an event and the pull request: deploy, destroy or skip. No I/O.

An event contains the state at the time it was sent; the pull request is read again when the run
starts. Where they differ, the pull request decides: a late run never deploys a preview that was
removed, nor a commit that is no longer the newest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import AliasPath, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import from_json

from contract.preview import Preview
from previews.github.pulls import PullRequest
from previews.pull_request.obstacles import WORDS, Obstacle, obstacles
from previews.settings import Settings

PUSH = "synchronize"
"""Action of a push to a pull request."""

READY = "ready_for_review"
"""Action of a draft that is one no longer."""

LABELED = "labeled"
"""Action of a label that was added."""

MANUAL = "manual"
"""Action of a person who requests a preview without an event."""

INFRA_LABEL = "preview-infra"
"""Label that requests a deployment with the pull request's own program, which a person approves."""

_DEPLOYS = frozenset({"opened", "reopened", LABELED, PUSH, READY, MANUAL})


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

    @field_validator("label")
    @classmethod
    def _without_case(cls, value: str | None) -> str | None:
        return None if value is None else value.casefold()

    def requests(self, label: str) -> bool:
        """Return True if a person requests a preview by it, and nothing else happened."""
        return self.action == MANUAL or (self.action == LABELED and self.label == label)


class _Dispatch(BaseModel):
    """Fields of a ``workflow_dispatch`` event: GitHub passes a number as a text."""

    preview: Preview = Field(validation_alias=AliasPath("inputs", "pull-request"))


def read_event(text: str) -> Event:
    """Return an event from its JSON: of a pull request, or of a person who starts a workflow.

    Raises:
        ValueError: It is another event, or no JSON.
    """
    document = from_json(text) if text else None
    if isinstance(document, dict) and "inputs" in document and "pull_request" not in document:
        return Event(action=MANUAL, preview=_Dispatch.model_validate(document).preview)
    return Event.model_validate(document)


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
        obstacle: Kind of the reason, where it is the pull request's own and not the event's.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    reason: str
    preview: Preview = Field(serialization_alias="number")
    sha: str
    obstacle: Obstacle | None = None


@dataclass(frozen=True)
class _Situation:
    """An event and the pull request as it is now."""

    event: Event
    pull: PullRequest
    settings: Settings

    def answer(self) -> tuple[Action, str, Obstacle | None]:
        """First check whether a preview is allowed at all, then whether this event deploys it."""
        if not self.pull.is_open:
            return *self._gone(), None
        if self.settings.label not in self.pull.labels:
            return *self._without_label(), None
        for obstacle in obstacles(self.pull, self.settings):
            return Action.SKIP, WORDS[obstacle].why, obstacle
        for reason in self._of_event():
            return Action.SKIP, reason, None
        if self.pull.mergeable is False:
            reason = "labelled; it conflicts with its base, so it is deployed unmerged"
            return Action.UP, reason, None
        return Action.UP, "labelled", None

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

    def _deploying_labels(self) -> frozenset[str]:
        """Return the labels that deploy when they are added; an app changes no program."""
        program = {INFRA_LABEL} if self.event.preview.app.is_platform else set()
        return frozenset({self.settings.label, *program})

    def _of_event(self) -> Iterator[str]:
        """Reasons not to deploy by this event, the most permanent first."""
        event, newest = self.event, self.pull.head_sha
        if event.action not in _DEPLOYS:
            yield f"the event {event.action!r} does not change a preview"
        if event.action == LABELED and event.label not in self._deploying_labels():
            yield f"label {event.label!r} does not request a preview"
        if event.head_sha is not None and event.head_sha != newest:
            yield (
                f"{event.head_sha[:12]} is not the newest commit any more: {newest[:12]}"
                " has its own run"
            )


def decide(event: Event, pull: PullRequest, settings: Settings) -> Decision:
    """Return the action on a preview.

    Args:
        event: The event.
        pull: The pull request, read after the run's turn came.
        settings: Names of the labels, and the authors that get no preview.
    """
    action, reason, obstacle = _Situation(event, pull, settings).answer()
    return Decision(
        action=action, reason=reason, preview=event.preview, sha=pull.head_sha, obstacle=obstacle
    )
