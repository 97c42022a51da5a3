"""Why a pull request gets no preview, and how to get one, as its comment and each answer say it.

An obstacle is the pull request's own: it stays, whoever asks for a preview and by whichever event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from previews.errors import PreviewsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from previews.github.pulls import PullRequest
    from previews.settings import Settings


class Obstacle(StrEnum):
    """Kind of a pull request that gets no preview."""

    FORK = "fork"
    BOT = "bot"
    DRAFT = "draft"


@dataclass(frozen=True)
class _Words:
    """Words about an obstacle.

    Attributes:
        code: Name of the message in docs/runbook.md.
        why: Why there is no preview: a clause, without its full stop.
        remedy: How to get one: an instruction.
    """

    code: str
    why: str
    remedy: str


WORDS = {
    Obstacle.FORK: _Words(
        "command-fork",
        why="it comes from a fork, whose code is never built or deployed here",
        remedy="push the branch to this repository, and open a pull request from there.",
    ),
    Obstacle.BOT: _Words(
        "command-bot",
        why="its author is a dependency bot, and bots get no preview: they would use up the quota",
        remedy="take the bot out of PREVIEWS_BOTS if its changes are to be seen.",
    ),
    Obstacle.DRAFT: _Words(
        "command-draft",
        why="it is a draft, and drafts get no preview; one that it had stays until it expires",
        remedy="mark it as ready for review.",
    ),
}
"""Code, reason and remedy of each, for people."""


def obstacles(pull: PullRequest, settings: Settings) -> Iterator[Obstacle]:
    """Yield the obstacles of a pull request as it is now, the most permanent first."""
    if pull.is_fork:
        yield Obstacle.FORK
    if pull.author in settings.bots:
        yield Obstacle.BOT
    if pull.draft and not settings.drafts:
        yield Obstacle.DRAFT


def refusal(obstacle: Obstacle, what: str) -> PreviewsError:
    """Return the error of who asks for a preview in spite of an obstacle."""
    words = WORDS[obstacle]
    return PreviewsError(words.code, what, why=words.why, remedy=words.remedy)
