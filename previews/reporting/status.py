"""What previews there are, and how each is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import httpx
from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from contract.stack_name import StackName
from previews.reporting import prices
from previews.reporting.preview_summary import Facts, facts_of
from previews.reporting.wording import age, dollars, duration

if TYPE_CHECKING:
    from previews.clients import Clients

_HEALTH_SECONDS = 5.0
_SHORT_COMMIT = 7
_WELL = "well"
_BEHIND_SIGN_IN = "behind the sign-in"
_COLOURS = {_WELL: "green", _BEHIND_SIGN_IN: "yellow"}


class Status(BaseModel):
    """A preview and how it is.

    Attributes:
        facts: What its state says.
        health: ``well``, or what is wrong; or that the load balancer asks people to sign in.
        cost_so_far: Dollars until now; None where it can't be said.
    """

    model_config = ConfigDict(frozen=True)

    facts: Facts
    health: str
    cost_so_far: float | None = None


class Statuses(BaseModel):
    """Every preview."""

    model_config = ConfigDict(frozen=True)

    previews: tuple[Status, ...] = ()


def status_of(clients: Clients, stack: str, now: datetime, *, through: str | None = None) -> Status:
    """How one preview is.

    Raises:
        PreviewsError: Pulumi gives no answer, or there is no such stack.
    """
    facts = facts_of(
        clients.stacks.state(stack), region=clients.platform.region, prices=prices.read()
    )
    so_far = facts.so_far(now)
    return Status(
        facts=facts,
        health=_health(facts, through),
        cost_so_far=None if so_far is None else round(float(so_far), 4),
    )


def statuses(clients: Clients, now: datetime, *, through: str | None = None) -> Statuses:
    """How every preview is, in the order of their numbers.

    Raises:
        PreviewsError: Pulumi gives no answer.
    """
    names = [StackName.find(summary.name) for summary in clients.stacks.all()]
    numbers = sorted(
        name.pull_request for name in names if name is not None and name.pull_request is not None
    )
    return Statuses(
        previews=tuple(
            status_of(clients, f"pr-{number}", now, through=through) for number in numbers
        )
    )


def _health(facts: Facts, through: str | None) -> str:
    if not facts.url:
        return "not up"
    try:
        answer = httpx.get(
            f"{through or facts.url}/health",
            headers={"Host": httpx.URL(facts.url).netloc.decode()},
            timeout=_HEALTH_SECONDS,
        )
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    if answer.has_redirect_location:
        return _BEHIND_SIGN_IN
    return _WELL if answer.is_success else f"answers {answer.status_code}"


def table(found: Sequence[Status], now: datetime) -> Table:
    """The previews, a row each."""
    shown = Table(title="Previews", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    shown.add_column("Preview", overflow="fold")
    for heading in ("Age", "Data's age", "Expires", "So far"):
        shown.add_column(heading, no_wrap=True)
    for each in found:
        facts = each.facts
        colour = _COLOURS.get(each.health, "red")
        data = facts.snapshot_created
        shown.add_row(
            f"{facts.stack} at {facts.commit[:_SHORT_COMMIT]}, [{colour}]{escape(each.health)}[/]\n"
            + escape(facts.url),
            age(facts.created, now, units=1) if facts.created else "",
            age(data, now, units=1) if data else facts.mode,
            _expires(facts, now),
            _so_far(facts, now),
        )
    if not found:
        shown.add_row("[dim]none[/]")
    return shown


def details(each: Status, now: datetime) -> Table:
    """One preview, a row for each thing that there is to say."""
    facts = each.facts
    shown = Table(show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    rows: dict[str, str | Text] = {
        "stack": facts.stack,
        "url": facts.url,
        "health": each.health,
        "commit": facts.commit,
        "age": age(facts.created, now) if facts.created else "",
        "data": facts.mode,
        "snapshot": facts.snapshot,
        "snapshot's age": age(facts.snapshot_created, now) if facts.snapshot_created else "",
        "expires": _expires(facts, now),
        "resources": str(facts.resources),
        "unfinished": "an operation began and did not report back" if facts.pending else "",
    }
    if facts.cost is not None:
        for line in facts.cost.lines:
            mark = "" if line.verified else " (price not verified)"
            rows[f"cost: {line.what}"] = f"{dollars(line.a_day)} a day{mark}"
        rows["cost a day"] = dollars(facts.cost.a_day)
    rows["cost so far"] = _so_far(facts, now)
    for name, value in rows.items():
        if value:
            shown.add_row(name, escape(value) if isinstance(value, str) else value)
    return shown


def _expires(facts: Facts, now: datetime) -> Text:
    if facts.expires is None:
        return Text()
    left = (facts.expires - now).total_seconds()
    return Text(f"in {duration(left, units=1)}") if left > 0 else Text("expired", style="red")


def _so_far(facts: Facts, now: datetime) -> str:
    amount = facts.so_far(now)
    return "" if amount is None else dollars(amount)
