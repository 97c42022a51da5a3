"""Previews that should be removed: every stack and resource, compared with the pull requests.

Level-triggered: it compares states, not events, so that a lost event only costs the time until
the next run. In doubt it keeps: an answer that is missing or implausible ends the run, and each
pull request is read again before its preview is removed. So an empty list of open pull requests
removes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from contract.preview import Preview
from contract.stack_name import PLATFORM_APP, AppName
from previews.errors import PreviewsError
from previews.inventory.item import Item
from previews.platform import STAGING

if TYPE_CHECKING:
    from previews.github.pulls import PullRequest
    from previews.pulumi.state import StackSummary
    from previews.settings import Settings

MOST_AT_ONCE = 2
"""Previews that may always go in one run, whatever share of all they are."""


class SweepReason(StrEnum):
    """Reason to remove a preview."""

    CLOSED = "closed"
    NO_LABEL = "label gone"
    EXPIRED = "expired"
    ORPHANED = "orphaned"


class Candidate(BaseModel):
    """A preview that seems due for removal.

    Attributes:
        preview: The preview.
        reason: The reason.
        detail: The reason for people.
        has_stack: True if there is a stack; without one there are only leftovers.
    """

    model_config = ConfigDict(frozen=True)

    preview: Preview
    reason: SweepReason
    detail: str
    has_stack: bool


@dataclass(frozen=True)
class SweepState:
    """State that the sweep decides by.

    Attributes:
        items: Resources of previews, listed before the stacks: a resource whose stack is created
            meanwhile is then never taken for an orphan.
        stacks: All stacks.
        pulls: All open pull requests.
        now: Time of the run.
        app: App whose previews are swept, and no other's.
    """

    items: Sequence[Item]
    stacks: Sequence[StackSummary]
    pulls: Sequence[PullRequest]
    now: datetime
    app: AppName = PLATFORM_APP

    def require_staging(self) -> None:
        """Refuse a list of stacks that can't be right.

        Raises:
            PreviewsError: It lacks staging.
        """
        names = {summary.name for summary in self.stacks}
        if STAGING not in names:
            raise PreviewsError(
                "sweep-no-staging",
                "list of stacks",
                why=f"it lacks staging, and has {', '.join(sorted(names)) or 'no stack'}",
                remedy="check PULUMI_BACKEND_URL and the login: with a wrong list every"
                " preview would look orphaned. Nothing was removed.",
            )

    def require_few(self, candidates: Sequence[Candidate], *, confirmed: int) -> None:
        """Refuse to remove most previews at once: a wrong name of a label does that, too.

        Only those count that GitHub's answers alone make due. An expiry was set by the deployment,
        and after a holiday all of them are reached.

        Args:
            candidates: Previews that seem due.
            confirmed: Number of previews that a person allows to go at once.

        Raises:
            PreviewsError: More than half of all would go, more than two, and more than were
                confirmed.
        """
        by_github = {SweepReason.CLOSED, SweepReason.NO_LABEL}
        going = [one for one in candidates if one.reason in by_github]
        known = len({*self._summaries, *self._items})
        if len(going) <= max(MOST_AT_ONCE, confirmed) or len(going) * 2 <= known:
            return
        named = ", ".join(f"{one.preview} ({one.reason})" for one in going)
        raise PreviewsError(
            "sweep-too-many",
            f"{len(going)} of {known} previews",
            why=f"so many would go at once: {named}",
            remedy="check GITHUB_REPOSITORY and PREVIEWS_LABEL against the repository; if it is"
            f" right: previews sweep --yes --confirm {len(going)}. Nothing was removed.",
        )

    def candidates(self, settings: Settings) -> list[Candidate]:
        """Return every preview that seems due, by number."""
        pulls = {Preview(pull.number, self.app): pull for pull in self.pulls}
        known = sorted({*self._summaries, *self._items})
        judged = [self.judge(preview, pulls.get(preview), settings) for preview in known]
        return [candidate for candidate in judged if candidate is not None]

    @cached_property
    def _summaries(self) -> dict[Preview, StackSummary]:
        found = ((Preview.of_stack(summary.name, self.app), summary) for summary in self.stacks)
        return {preview: summary for preview, summary in found if preview is not None}

    @cached_property
    def _items(self) -> dict[Preview, list[Item]]:
        """Resources by preview, without those that are kept on purpose."""
        found: dict[Preview, list[Item]] = {}
        for item in self.items:
            preview = Preview.of_resource(item.stack)
            if preview is None or preview.app != self.app:
                continue  # Another app's are its own sweep's.
            if item.counts or not item.keep:
                found.setdefault(preview, []).append(item)
        return found

    def judge(
        self, preview: Preview, pull: PullRequest | None, settings: Settings
    ) -> Candidate | None:
        """Return the preview as a candidate if it is due for removal; else None.

        Args:
            preview: The preview.
            pull: The pull request; None where it is not among the open ones.
            settings: Names of the labels, and the times.
        """
        summary, items = self._summaries.get(preview), self._items.get(preview, [])

        def due(reason: SweepReason, detail: str) -> Candidate:
            return Candidate(
                preview=preview, reason=reason, detail=detail, has_stack=summary is not None
            )

        if pull is None or not pull.is_open:
            return due(SweepReason.CLOSED, "its pull request is not open")
        if settings.label not in pull.labels:
            return due(SweepReason.NO_LABEL, f"its pull request has no label {settings.label!r}")
        if summary is None:
            # GitHub may show a preview before its stack is created.
            found = [item for item in items if item.counts]
            return (
                due(SweepReason.ORPHANED, f"resources without a stack: {_named(found)}")
                if found
                else None
            )
        ends = expiry(summary, items, pull, settings)
        if ends is not None and ends < self.now:
            return due(SweepReason.EXPIRED, f"expired at {ends.isoformat(timespec='seconds')}")
        return None


def expiry(
    summary: StackSummary,
    items: Iterable[Item],
    pull: PullRequest,
    settings: Settings,
) -> datetime | None:
    """Return the time when a preview expires; None where its last push is unknown.

    The program's tags count from the commit; the stack's last update is the push itself, which
    may be of an older commit. The later of the two applies.
    """
    kept = settings.keep_label in pull.labels
    days = settings.keep_days if kept else settings.ttl_days
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
