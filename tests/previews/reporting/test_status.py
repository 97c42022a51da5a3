"""What is said of previews, from their states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import respx
from rich.console import Console

from contract.preview import Preview
from previews.pulumi.state import read_state
from previews.reporting import prices
from previews.reporting.preview_summary import PreviewSummary, summarize
from previews.reporting.status import (
    PreviewStatus,
    PreviewStatuses,
    details,
    status_of,
    statuses,
    table,
)
from previews.reporting.wording import age, cell, code, dollars, duration, moment
from tests.github import LocalGitHub
from tests.previews.bringing import OUTPUTS, RecordedStacks, clients, resources

NOW = datetime(2026, 11, 26, 3, 57, tzinfo=UTC)


def facts(outputs: dict[str, Any] = OUTPUTS, region: str = "us-east-1", **deployment: Any) -> Any:
    document = {"deployment": {"resources": resources(outputs), **deployment}}
    return summarize(read_state("pr-42", document), region=region, prices=prices.read())


def test_facts_come_from_the_state_alone() -> None:
    found = facts()
    assert (found.url, found.mode) == ("http://pr-42.preview.test", "snapshot")
    assert found.created == datetime(2026, 11, 25, 3, 57, tzinfo=UTC)
    assert found.resources == 2
    assert round(found.cost.a_day, 2) == Decimal("0.58")
    assert round(found.so_far(NOW), 2) == Decimal("0.58")
    assert not found.pending


def test_what_is_not_known_is_not_made_up() -> None:
    found = facts({"expires": "never", "url": {"ciphertext": "x"}})
    assert (found.expires, found.url, found.snapshot_created) == (None, "", None)
    assert facts(region="mars-1").cost is None
    assert facts(region="mars-1").so_far(NOW) is None


def test_an_operation_that_did_not_report_back_is_told() -> None:
    pending = [{"type": "creating", "resource": {"urn": "u", "type": "t"}}]
    assert facts(pending_operations=pending).pending


@pytest.fixture
def stacks() -> RecordedStacks:
    made = RecordedStacks()
    for name in ("pr-100", "pr-42", "staging", "data-8", "somebody-s-own"):
        made.add(name, resources=resources(OUTPUTS))
    return made


@pytest.fixture(scope="module")
def github() -> Iterator[LocalGitHub]:
    with LocalGitHub() as server:
        yield server


def show_one(github: LocalGitHub, stacks: Any, connect_to: str | None = None) -> PreviewStatus:
    made = clients(github, stacks)
    return status_of(
        Preview(42),
        NOW,
        stacks=made.stacks,
        platform=lambda: made.platform,
        ttl_days=7,
        connect_to=connect_to,
    )


def show_all(github: LocalGitHub, stacks: Any) -> PreviewStatuses:
    made = clients(github, stacks)
    return statuses(NOW, stacks=made.stacks, platform=lambda: made.platform, ttl_days=7)


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (httpx.Response(200), "healthy"),
        (httpx.Response(302, headers={"Location": "/oauth2"}), "behind the sign-in"),
        (httpx.Response(503), "response 503"),
        (httpx.ConnectError("no"), "no response (ConnectError)"),
    ],
)
def test_health_is_what_it_answers_now(
    github: LocalGitHub, stacks: RecordedStacks, answer: Any, health: str
) -> None:
    with respx.mock as router:
        router.get("http://pr-42.preview.test/health").mock(side_effect=[answer])
        assert show_one(github, stacks).health == health


def test_a_preview_of_an_old_commit_has_not_expired_when_it_was_just_deployed(
    github: LocalGitHub,
) -> None:
    stacks = RecordedStacks()
    stacks.add("pr-42", resources=resources(OUTPUTS | {"expires": "2025-01-08T00:00:00Z"}))
    stacks.documents["pr-42"]["deployment"]["manifest"] = {"time": "2026-11-26T03:00:00Z"}
    with respx.mock as router:
        router.get("http://pr-42.preview.test/health").respond(200)
        found = show_one(github, stacks)
    assert found.summary.expires == datetime(2026, 12, 3, 3, tzinfo=UTC)


def test_the_list_has_previews_and_nothing_else_in_the_order_of_their_numbers(
    github: LocalGitHub, stacks: RecordedStacks
) -> None:
    url = "http://pr-42.preview.localhost:8080"
    for name, health in (("pr-42", url), ("pr-100", url.replace("42", "100"))):
        stacks.add(name, resources=resources({**OUTPUTS, "url": health}))
    with respx.mock as router:
        router.get(f"{url}/health").respond(200)
        router.get(f"{url.replace('42', '100')}/health").mock(side_effect=httpx.ConnectError("no"))
        found = show_all(github, stacks)
    assert [each.summary.stack for each in found.previews] == ["pr-42", "pr-100"]
    console = Console(width=80, record=True)
    console.print(table(found.previews, NOW))
    shown = console.export_text()
    assert "pr-100 at aaaaaaa, no response" in shown
    assert "(ConnectError)" in shown
    assert "pr-42 at aaaaaaa, healthy" in shown
    assert "http://pr-42.preview.localhost:8080 " in shown
    assert "$0.58" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert json.loads(found.model_dump_json())["previews"][0]["cost_so_far"] == 0.5831


def test_without_previews_the_list_is_empty_and_nothing_is_asked_of_staging() -> None:
    def platform() -> Any:
        raise AssertionError

    stacks = RecordedStacks()
    stacks.add("data-8")
    assert statuses(NOW, stacks=stacks, platform=platform, ttl_days=7).previews == ()


def test_one_is_told_item_by_item(github: LocalGitHub, stacks: RecordedStacks) -> None:
    with respx.mock as router:
        router.get("http://pr-42.preview.test/health").respond(200)
        found = show_one(github, stacks)
    console = Console(width=80, record=True)
    console.print(details(found, NOW))
    shown = console.export_text()
    for said in ("cost: database db.t4g.micro", "cost a day", "$0.58", "snapshot's age", "1 d"):
        assert said in shown


def printed(shown: Any) -> str:
    console = Console(width=120, record=True)
    console.print(shown)
    return console.export_text()


def cells(text: str) -> dict[str, str]:
    """The rows of one preview's details."""
    rows = [line.strip().split("  ", 1) for line in text.splitlines()]
    return {name.strip(): value.strip() for name, value in rows}


def test_each_thing_that_there_is_to_say_has_a_row_and_nothing_else() -> None:
    found = facts()
    shown = cells(printed(details(PreviewStatus(summary=found, health="healthy"), NOW)))
    assert {name: shown[name] for name in shown if not name.startswith("cost: ")} == {
        "stack": "pr-42",
        "url": "http://pr-42.preview.test",
        "health": "healthy",
        "commit": "a" * 40,
        "age": "1 d",
        "data": "snapshot",
        "snapshot": "rds:staging-2026-11-25-03-45",
        "snapshot's age": "1 d 12 min",
        "expires": "in 26668 d",
        "resources": "2",
        "cost a day": "$0.58",
        "cost so far": "$0.58",
    }
    assert shown["cost: database db.t4g.micro"] == "$0.38 a day"
    bare = PreviewSummary(stack="pr-42", resources=1, pending=True)
    assert cells(printed(details(PreviewStatus(summary=bare, health="not up"), NOW))) == {
        "stack": "pr-42",
        "health": "not up",
        "resources": "1",
        "unfinished": "an operation has begun and not ended",
    }


def test_a_price_that_is_not_verified_is_marked() -> None:
    shown = cells(
        printed(details(PreviewStatus(summary=facts(region="eu-west-1"), health="healthy"), NOW))
    )
    marked = [name for name, value in shown.items() if value.endswith(" (price not verified)")]
    assert marked
    assert all(name.startswith("cost: ") for name in marked)


@pytest.mark.parametrize(("left", "words"), [(0, "expired"), (-1, "expired"), (1, "in 1 s")])
def test_what_has_no_time_left_is_expired(left: int, words: str) -> None:
    found = PreviewSummary(stack="pr-42", expires=NOW + timedelta(seconds=left))
    assert (
        cells(printed(details(PreviewStatus(summary=found, health="healthy"), NOW)))["expires"]
        == words
    )


def test_the_list_tells_age_and_data_of_each() -> None:
    young = PreviewSummary(stack="pr-1", commit="0123456789", created=NOW - timedelta(hours=30))
    branch = young.model_copy(update={"stack": "pr-2", "mode": "branch", "created": None})
    copied = branch.model_copy(update={"stack": "pr-3", "snapshot_created": NOW - timedelta(1.5)})
    given = [PreviewStatus(summary=each, health="healthy") for each in (young, branch, copied)]
    lines = [line.split() for line in printed(table(given, NOW)).splitlines() if "pr-" in line]
    assert lines == [
        ["pr-1", "at", "0123456,", "healthy", "1", "d"],
        ["pr-2", "at", "0123456,", "healthy", "branch"],
        ["pr-3", "at", "0123456,", "healthy", "1", "d"],
    ]
    assert "none" not in printed(table(given, NOW))


def test_without_an_address_it_is_not_up(github: LocalGitHub, stacks: RecordedStacks) -> None:
    stacks.add("pr-42", resources=resources({}))
    found = show_one(github, stacks)
    assert (found.health, found.cost_so_far) == ("not up", 0.5831)


def test_health_is_asked_through_another_address_by_the_host_s_own_name(
    github: LocalGitHub, stacks: RecordedStacks
) -> None:
    with respx.mock as router:
        asked = router.get("http://127.0.0.1:8080/health").respond(200)
        found = show_one(github, stacks, connect_to="http://127.0.0.1:8080")
    assert found.health == "healthy"
    assert asked.calls[0].request.headers["host"] == "pr-42.preview.test"


def test_none_is_said_to_be_none() -> None:
    console = Console(width=80, record=True)
    console.print(table([], NOW))
    assert "none" in console.export_text()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (185, "3 min 5 s")),
        *((3600, "1 h"), (7800, "2 h 10 min"), (7830, "2 h 10 min"), (536400, "6 d 5 h")),
        (-5, "0 s"),
    ],
)
def test_durations_are_as_long_as_they_need_to_be(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_words() -> None:
    assert age(NOW - timedelta(hours=2), NOW) == "2 h"
    assert moment(NOW) == "26 Nov 2026, 03:57 UTC"
    amounts = (Decimal("1.005"), Decimal("0.001"), Decimal(0))
    assert [dollars(amount) for amount in amounts] == ["$1.00", "below $0.01", "$0.00"]


def test_what_others_wrote_is_no_markup_and_calls_nobody() -> None:
    assert (
        cell("a|b `c` <img> @ada\n[x](y)") == r"a\|b \`c\` \<img\> @" + "\u200b" + r"ada \[x\](y)"
    )
    assert code("```\nout").splitlines()[0] == "````text"
