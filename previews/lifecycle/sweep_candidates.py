"""Which previews should be gone: every stack and every resource, against the pull requests.

Level-triggered: it looks at what is there, and not at what happened, so that an event that was
lost costs one run's time. It errs on the side of keeping: an answer that is missing, empty or odd
ends the run before anything is judged, and each pull request is read once more before its preview
goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from contract.stack_name import StackName
from previews.errors import PreviewsError
from previews.inventory.item import Item, preview

if TYPE_CHECKING:
    from previews.github.pulls import PullRequest
    from previews.pulumi.state import StackSummary
    from previews.settings import Settings

STAGING = "staging"


class Cause(StrEnum):
    """Why a preview should be gone."""

    CLOSED = "closed"
    NO_LABEL = "label gone"
    EXPIRED = "expired"
    ORPHANED = "orphaned"


class Candidate(BaseModel):
    """A preview that seems due.

    Attributes:
        number: Its pull request.
        cause: Why.
        detail: The same for a person.
        has_stack: Whether there is a stack; without one there are only leftovers.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    cause: Cause
    detail: str
    has_stack: bool

    @property
    def stack(self) -> StackName:
        """Its stack's name."""
        return StackName.parse(f"pr-{self.number}")


@dataclass(frozen=True)
class Seen:
    """What there was when the sweep looked.

    Attributes:
        items: What belongs to previews, looked for before the stacks: a resource whose stack
            was made meanwhile is then never taken for an orphan.
        stacks: All stacks.
        pulls: All open pull requests.
        now: When.
    """

    items: Sequence[Item]
    stacks: Sequence[StackSummary]
    pulls: Sequence[PullRequest]
    now: datetime

    def require_sense(self, *, none_open: bool) -> None:
        """Refuse to judge by answers that can't be right.

        Args:
            none_open: Whether a person says that no pull request is open.

        Raises:
            PreviewsError: An answer is empty that should not be.
        """
        names = {summary.name for summary in self.stacks}
        if STAGING not in names:
            raise PreviewsError(
                "sweep-no-staging",
                "list of stacks",
                why=f"staging is not in it; it has {', '.join(sorted(names)) or 'nothing'}",
                remedy="check PULUMI_BACKEND_URL and the login: without the right list every"
                " preview would look orphaned. Nothing was touched.",
            )
        if not self.pulls and not none_open:
            raise PreviewsError(
                "sweep-no-pull-requests",
                "list of open pull requests",
                why="it is empty, which is how a failed answer looks too",
                remedy="look at the repository; if none is open, say so with --none-open."
                " Nothing was touched.",
            )

    def candidates(self, settings: Settings) -> list[Candidate]:
        """Every preview that seems due, by number."""
        pulls = {pull.number: pull for pull in self.pulls}
        names = [StackName.parse(name) for name in {*self._summaries, *self._items}]
        numbers = sorted(name.pull_request for name in names if name.pull_request is not None)
        judged = [self.judge(number, pulls.get(number), settings) for number in numbers]
        return [candidate for candidate in judged if candidate is not None]

    @cached_property
    def _summaries(self) -> dict[str, StackSummary]:
        return {summary.name: summary for summary in self.stacks if preview(summary.name)}

    @cached_property
    def _items(self) -> dict[str, list[Item]]:
        """Each preview's own; what is kept on purpose makes nobody's preview."""
        found: dict[str, list[Item]] = {}
        for item in self.items:
            if item.counts or not item.keep:
                found.setdefault(item.stack, []).append(item)
        return found

    def judge(self, number: int, pull: PullRequest | None, settings: Settings) -> Candidate | None:
        """Whether a preview is due; None if it stays.

        Args:
            number: Its pull request's number.
            pull: The pull request; None where it is not among the open ones.
            settings: The labels and times.
        """
        name = f"pr-{number}"
        summary, items = self._summaries.get(name), self._items.get(name, [])

        def due(cause: Cause, detail: str) -> Candidate:
            return Candidate(
                number=number, cause=cause, detail=detail, has_stack=summary is not None
            )

        if pull is None or not pull.is_open:
            return due(Cause.CLOSED, "its pull request is not open")
        if settings.label not in pull.labels:
            return due(Cause.NO_LABEL, f"its pull request has no label {settings.label!r}")
        if summary is None:
            # GitHub may show a preview before its stack is made.
            found = [item for item in items if item.counts]
            return due(Cause.ORPHANED, f"without a stack: {_named(found)}") if found else None
        ends = expiry(summary, items, pull, settings)
        if ends is not None and ends < self.now:
            return due(Cause.EXPIRED, f"expired at {ends.isoformat(timespec='seconds')}")
        return None


def expiry(
    summary: StackSummary,
    items: Iterable[Item],
    pull: PullRequest,
    settings: Settings,
) -> datetime | None:
    """When a preview expires; None where nothing says when it was last pushed to.

    The program's own reckoning, in the tags, begins with the commit; the stack's last update is
    the push itself, which may be of an older commit. The later of the two holds.
    """
    days = settings.keep_days if settings.keep_label in pull.labels else settings.ttl_days
    ends = [time for item in items if (time := _time(item.expires)) is not None]
    if summary.last_update is not None:
        ends.append(summary.last_update + timedelta(days=days))
    return max(ends, default=None)


def _named(items: Iterable[Item]) -> str:
    return ", ".join(str(item) for item in items)


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
