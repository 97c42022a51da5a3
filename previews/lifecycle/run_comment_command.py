"""Does what somebody asks for in a comment, if they may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from previews.errors import PreviewsError
from previews.lifecycle.comment_commands import (
    MAY_COMMAND,
    USAGE,
    CommentEvent,
    Order,
    is_meant,
    parse,
)

if TYPE_CHECKING:
    from previews.github import GitHub
    from previews.settings import Settings

UP_WORKFLOW = "preview.yml"
DESTROY_WORKFLOW = "preview-destroy.yml"


class Obeyed(BaseModel):
    """What was done about a comment.

    Attributes:
        number: The pull request's number.
        order: What was asked for; None for nothing.
        done: What was done, for a person.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    order: Order | None
    done: str


def obey(github: GitHub, settings: Settings, event: CommentEvent, branch: str) -> Obeyed:
    """Do what a comment asks for.

    What a workflow's own token does starts no other workflow, but for starting one by hand: so
    the label is set for people to see, and the workflow is started besides.

    Args:
        github: The repository.
        settings: The labels.
        event: The comment.
        branch: The default branch, whose workflows are started.

    Raises:
        PreviewsError: It is not theirs to command, there is no such command, the pull request is
            closed, or GitHub refuses.
    """
    if not is_meant(event):
        return Obeyed(number=event.number, order=None, done="no command")
    if github.people.permission(event.author) not in MAY_COMMAND:
        github.comments.react(event.comment, "-1")
        raise PreviewsError(
            "command-denied",
            f"{event.author}'s command on pull request {event.number}",
            why="they may not push to this repository",
            remedy="ask somebody with write access to give it.",
        )
    order = parse(event.body)
    if order is None:
        github.comments.react(event.comment, "confused")
        raise PreviewsError(
            "command-unknown",
            f"command on pull request {event.number}",
            why=f"there is no such command: {event.body.strip().splitlines()[0][:80]!r}",
            remedy=f"comment {USAGE}.",
        )
    pull = github.pulls.read(event.number)
    if order is not Order.DESTROY and not pull.is_open:
        github.comments.react(event.comment, "confused")
        raise PreviewsError(
            "command-closed",
            f"pull request {event.number}",
            why="it is closed, and a closed one has no preview",
            remedy="reopen it first.",
        )
    done = _Obedience(github, settings, event.number, branch).do(order)
    github.comments.react(event.comment, "rocket")
    return Obeyed(number=event.number, order=order, done=done)


class _Obedience:
    def __init__(self, github: GitHub, settings: Settings, number: int, branch: str) -> None:
        self._github = github
        self._settings = settings
        self._number = number
        self._branch = branch

    def do(self, order: Order) -> str:
        label, keep = self._settings.label, self._settings.keep_label
        pulls, number = self._github.pulls, self._number
        if order is Order.KEEP:
            pulls.add_label(number, keep)
            return f"labelled {keep!r}: it stays past its expiry"
        if order is Order.DESTROY:
            if label in pulls.read(number).labels:
                pulls.remove_label(number, label)
            self._start(DESTROY_WORKFLOW)
            return "it is being removed"
        pulls.add_label(number, label)
        reset = order is Order.RESET_DATABASE
        self._start(UP_WORKFLOW, **({"reset-database": "true"} if reset else {}))
        return "its data begins anew" if reset else "it is coming up"

    def _start(self, workflow: str, **inputs: str) -> None:
        all_inputs = {"pull-request": str(self._number), **inputs}
        self._github.workflows.start(workflow, self._branch, all_inputs)
