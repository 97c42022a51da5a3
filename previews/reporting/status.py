"""Lists previews, and shows one with its health."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import httpx
from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from contract.preview import Preview
from previews.reporting import prices
from previews.reporting.preview_summary import PreviewSummary, summarize
from previews.reporting.support import ending, pinned_kubernetes
from previews.reporting.wording import age, dollars, duration
from previews.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from contract.platform_outputs import PlatformOutputs
    from previews.pulumi.stacks import Stacks

_HEALTH_SECONDS = 5.0
_SHORT_COMMIT = 7
_HEALTHY = "healthy"
_BEHIND_SIGN_IN = "behind the sign-in"
_COLOURS = {_HEALTHY: "green", _BEHIND_SIGN_IN: "yellow"}


class PreviewStatus(BaseModel):
    """A preview and its health.

    Attributes:
        summary: Summary of its state.
        health: ``healthy``, the fault, or that the load balancer requires people to sign in.
        cost_so_far: Dollars until now; None where they are unknown.
    """

    model_config = ConfigDict(frozen=True)

    summary: PreviewSummary
    health: str
    cost_so_far: float | None = None


class PreviewStatuses(BaseModel):
    """Every preview."""

    model_config = ConfigDict(frozen=True)

    previews: tuple[PreviewStatus, ...] = ()


def status_of(
    preview: Preview,
    now: datetime,
    *,
    stacks: Stacks,
    platform: Callable[[], PlatformOutputs],
    ttl_days: int,
    connect_to: str | None = None,
) -> PreviewStatus:
    """Return one preview with its health.

    Args:
        preview: The preview.
        now: The time.
        stacks: The project's stacks.
        platform: Returns the platform's outputs; called when there is a preview.
        ttl_days: As in `summarize`.
        connect_to: As in `smoke`.

    Raises:
        PreviewsError: Pulumi does not answer, or there is no such stack.
    """
    state = stacks.state(preview.stack.value, project=preview.app.project)
    summary = summarize(
        state,
        region=platform().region,
        prices=prices.read(),
        name=preview.name,
        ttl_days=ttl_days,
    )
    so_far = summary.so_far(now)
    return PreviewStatus(
        summary=summary,
        health=_health(summary, connect_to),
        cost_so_far=None if so_far is None else round(float(so_far), 4),
    )


def statuses(
    now: datetime,
    *,
    stacks: Stacks,
    platform: Callable[[], PlatformOutputs],
    ttl_days: int,
    connect_to: str | None = None,
) -> PreviewStatuses:
    """Return every app's previews with their health, in order; arguments as in `status_of`.

    Raises:
        PreviewsError: Pulumi does not answer.
    """
    found = (Preview.of_resource(stack.name) for stack in stacks.of_all_apps())
    previews = sorted(
        (preview for preview in found if preview is not None),
        key=lambda preview: (preview.app, preview.number),
    )
    return PreviewStatuses(
        previews=tuple(
            status_of(
                preview,
                now,
                stacks=stacks,
                platform=platform,
                ttl_days=ttl_days,
                connect_to=connect_to,
            )
            for preview in previews
        )
    )


def _health(summary: PreviewSummary, connect_to: str | None) -> str:
    if not summary.url:
        return "not up"
    try:
        answer = httpx.get(
            f"{connect_to or summary.url}{summary.health}",
            headers={"Host": httpx.URL(summary.url).netloc.decode()},
            timeout=_HEALTH_SECONDS,
        )
    except httpx.HTTPError as error:
        return f"no response ({type(error).__name__})"
    if answer.has_redirect_location:
        return _BEHIND_SIGN_IN
    return _HEALTHY if answer.is_success else f"response {answer.status_code}"


def table(found: Sequence[PreviewStatus], now: datetime) -> Table:
    """Lay out previews, a row each."""
    shown = Table(title="Previews", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    shown.add_column("Preview", overflow="fold")
    for heading in ("Age", "Data's age", "Expires", "So far"):
        shown.add_column(heading, no_wrap=True)
    for each in found:
        summary = each.summary
        colour = _COLOURS.get(each.health, "red")
        data = summary.snapshot_created
        shown.add_row(
            f"{summary.stack} at {summary.commit[:_SHORT_COMMIT]},"
            f" [{colour}]{escape(each.health)}[/]\n{escape(summary.url)}",
            age(summary.created, now, units=1) if summary.created else "",
            age(data, now, units=1) if data else summary.mode,
            _expires(summary, now),
            _so_far(summary, now),
        )
    if not found:
        shown.add_row("[dim]none[/]")
    return shown


def details(each: PreviewStatus, now: datetime) -> Table:
    """Lay out one preview, a row for each property."""
    summary = each.summary
    shown = Table.grid(padding=(0, 2))
    shown.add_column(no_wrap=True, style="bold")
    # Values are there to be copied: none is cut, and no word broken.
    shown.add_column(no_wrap=True, overflow="ignore")
    data_age = age(summary.snapshot_created, now) if summary.snapshot_created else ""
    rows: list[tuple[str, str | Text]] = [
        ("stack", summary.stack),
        ("url", summary.url),
        ("mail", summary.mail_url),
        ("health", each.health),
        ("commit", summary.commit),
        ("age", age(summary.created, now) if summary.created else ""),
        ("data", summary.mode),
        ("snapshot", summary.snapshot),
        ("snapshot's age", data_age),
        ("expires", _expires(summary, now)),
        ("resources", str(summary.resources)),
        ("unfinished", "an operation has begun and not ended" if summary.pending else ""),
    ]
    if summary.cost is not None:
        for line in summary.cost.lines:
            mark = "" if line.verified else " (price not verified)"
            rows.append((f"cost: {line.what}", f"{dollars(line.a_day)} a day{mark}"))
        rows.append(("cost a day", dollars(summary.cost.a_day)))
    rows.append(("cost so far", _so_far(summary, now)))
    versions = {**pinned_kubernetes(PROJECT_ROOT), **summary.versions}
    rows += [("support", line) for line in ending(versions, now, prices.read())]
    for name, value in rows:
        if value:
            shown.add_row(name, escape(value) if isinstance(value, str) else value)
    return shown


def _expires(summary: PreviewSummary, now: datetime) -> Text:
    if summary.expires is None:
        return Text()
    left = (summary.expires - now).total_seconds()
    return Text(f"in {duration(left, units=1)}") if left > 0 else Text("expired", style="red")


def _so_far(summary: PreviewSummary, now: datetime) -> str:
    amount = summary.so_far(now)
    return "" if amount is None else dollars(amount)
