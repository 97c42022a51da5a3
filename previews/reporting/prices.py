"""Reads the dated prices in prices.toml; one that is not there is an error that says so."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

PRICES = Path(__file__).with_name("prices.toml")

HOURS_PER_MONTH = Decimal(730)
"""What AWS's own calculator takes a month for."""


class UnknownPriceError(LookupError):
    """A price that prices.toml does not have; the message says what to add where."""


class Per(StrEnum):
    """What a price is for one of."""

    HOUR = "hour"
    MONTH = "month"
    GB_MONTH = "GB-month"
    GB = "GB"
    DOLLAR_OF_NODE = "dollar of node"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Model):
    """Where a figure was seen, and when.

    Attributes:
        what: What was read.
        url: Where the present figure can be looked up.
        seen: The day on which it was so.
        verified: Whether a bill, a price list or several agreeing tables said it.
    """

    what: str
    url: str
    seen: date
    verified: bool


class Price(_Model):
    """One figure.

    Attributes:
        usd: US dollars, before tax.
        per: For one of what.
        source: Name of its source.
        vcpu: Of a node, its processors.
        gib: Of a node, its memory.
    """

    usd: Decimal = Field(gt=0)
    per: Per
    source: str
    vcpu: int | None = None
    gib: int | None = None

    @property
    def a_day(self) -> Decimal:
        """What one costs in a day; only for what runs by time."""
        if self.per is Per.HOUR:
            return self.usd * 24
        if self.per in {Per.MONTH, Per.GB_MONTH}:
            return self.usd * 24 / HOURS_PER_MONTH
        raise UnknownPriceError(f"a price per {self.per} has no cost a day: it goes by use")


class Region(_Model):
    """The prices of one region."""

    rds: Mapping[str, Price]
    ec2: Mapping[str, Price]
    other: Mapping[str, Price]


class Prices(_Model):
    """All that prices.toml says."""

    sources: Mapping[str, Source]
    regions: Mapping[str, Region]

    @field_validator("regions")
    @classmethod
    def _every_source_is_known(
        cls, regions: Mapping[str, Region], info: ValidationInfo
    ) -> Mapping[str, Region]:
        known = info.data.get("sources", {})
        for name, region in regions.items():
            for item, price in {**region.rds, **region.ec2, **region.other}.items():
                if price.source not in known:
                    msg = f"{name} {item}: there is no source {price.source!r}"
                    raise ValueError(msg)
        return regions

    def region(self, name: str) -> Region:
        """The prices of a region."""
        if name not in self.regions:
            raise UnknownPriceError(
                f"region {name}: previews/reporting/prices.toml has "
                f"{', '.join(sorted(self.regions))}; "
                f"add a table [regions.{name}] with its prices"
            )
        return self.regions[name]

    def of(self, region: str, item: str) -> Price:
        """One price: a class of RDS or EC2 by AWS's name, anything else by prices.toml's."""
        prices = self.region(region)
        kind = "rds" if item.startswith("db.") else "ec2" if "." in item else "other"
        table: Mapping[str, Price] = getattr(prices, kind)
        if item not in table:
            raise UnknownPriceError(
                f"{item} in {region}: previews/reporting/prices.toml has {', '.join(table)}; "
                f"add it to [regions.{region}.{kind}]"
            )
        return table[item]

    def is_verified(self, price: Price) -> bool:
        """Whether the figure was found in a bill, a price list or agreeing tables."""
        return self.sources[price.source].verified


@cache
def read(path: Path = PRICES) -> Prices:
    """The prices, as numbers that add up without rounding."""
    return Prices.model_validate(tomllib.loads(path.read_text(), parse_float=Decimal))
