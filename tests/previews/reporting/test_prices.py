from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from pydantic import ValidationError

from previews.reporting import prices
from previews.reporting.prices import Per, Price, Prices, UnknownPriceError

FOUND = prices.read()


def test_every_region_prices_the_same_things() -> None:
    tables = [
        (set(region.rds), set(region.ec2), set(region.other)) for region in FOUND.regions.values()
    ]
    assert len(tables) >= 2
    assert all(table == tables[0] for table in tables)


def test_every_source_is_dated_used_and_where_one_can_look() -> None:
    used = {
        price.source
        for region in FOUND.regions.values()
        for price in [*region.rds.values(), *region.ec2.values(), *region.other.values()]
    }
    used |= {one.source for versions in FOUND.support.values() for one in versions.values()}
    assert used == set(FOUND.sources)
    for source in FOUND.sources.values():
        assert source.seen >= date(2026, 1, 1)
        assert source.url.startswith("https://")


def test_every_node_says_how_large_it_is() -> None:
    for region in FOUND.regions.values():
        assert all(node.vcpu and node.gib for node in region.ec2.values())


def test_sizes_of_one_family_double_in_price() -> None:
    # What a slip of the pen in a table of prices breaks first.
    for region in FOUND.regions.values():
        for table, family in ((region.rds, "db.t4g"), (region.rds, "db.m7g"), (region.ec2, "m7g")):
            sizes = [s for s in ("large", "xlarge", "2xlarge") if f"{family}.{s}" in table]
            found = [table[f"{family}.{size}"].usd for size in sizes]
            for small, large in pairwise(found):
                assert abs(large / small - 2) < Decimal("0.02")


def test_a_price_by_time_has_a_cost_a_day() -> None:
    assert FOUND.of("us-east-1", "db.t4g.micro").a_day == Decimal("0.384")
    assert FOUND.of("us-east-1", "secret").a_day * 730 / 24 == Decimal("0.40")


def test_what_is_paid_by_the_month_is_paid_for_730_hours() -> None:
    for per in (Per.MONTH, Per.GB_MONTH):
        assert Price(usd=Decimal(73), per=per, source="bill").a_day == Decimal("2.4")
    assert Price(usd=Decimal(1), per=Per.HOUR, source="bill").a_day == 24


@pytest.mark.parametrize(("usd", "valid"), [("0.0001", True), ("0", False), ("-1", False)])
def test_nothing_is_free(usd: str, valid: bool) -> None:
    figure = {"usd": usd, "per": "hour", "source": "bill"}
    if valid:
        assert Price.model_validate(figure).usd > 0
    else:
        with pytest.raises(ValidationError, match="greater than 0"):
            Price.model_validate(figure)


@pytest.mark.parametrize("table", ["rds", "ec2", "other"])
def test_the_source_of_the_last_price_of_the_last_region_is_looked_up(table: str) -> None:
    good = {"usd": "1", "per": "hour", "source": "bill"}
    source = {"what": "a bill", "url": "https://x.test", "seen": "2026-01-01", "verified": True}
    one = {"rds": {"db.a.b": good}, "ec2": {"a.b": good}, "other": {"c": good}}
    two = {**one, table: {**one[table], "z": good | {"source": "hearsay"}}}
    regions = {"us-east-1": one, "eu-west-1": two}
    with pytest.raises(ValidationError, match="eu-west-1 z: there is no source 'hearsay'"):
        Prices.model_validate({"sources": {"bill": source}, "regions": regions})


def test_a_price_by_use_has_none() -> None:
    with pytest.raises(UnknownPriceError, match="charged by use"):
        Price(usd=Decimal(1), per=Per.GB, source="bill").a_day  # noqa: B018 - it raises


@pytest.mark.parametrize(
    ("region", "item", "told"),
    [
        (
            "mars-1",
            "secret",
            "region mars-1: previews/reporting/prices.toml has eu-west-1, us-east-1",
        ),
        ("us-east-1", "db.x9.huge", r"add it to \[regions.us-east-1.rds\]"),
        ("us-east-1", "x9.huge", r"add it to \[regions.us-east-1.ec2\]"),
        ("us-east-1", "moon", r"add it to \[regions.us-east-1.other\]"),
    ],
)
def test_what_has_no_price_is_named_with_where_to_add_it(region: str, item: str, told: str) -> None:
    with pytest.raises(UnknownPriceError, match=told):
        FOUND.of(region, item)


def test_a_figure_without_a_known_source_is_refused() -> None:
    figure = {"usd": "1", "per": "hour", "source": "hearsay"}
    region = {"rds": {}, "ec2": {}, "other": {"secret": figure}}
    with pytest.raises(ValidationError, match="no source 'hearsay'"):
        Prices.model_validate({"sources": {}, "regions": {"us-east-1": region}})
