"""Reads the dated prices in prices.toml; a missing price is an error that names it."""

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
"""Hours of a month in AWS's own calculator."""


class UnknownPriceError(LookupError):
    """A price that prices.toml lacks; the message has the entry to add."""


class Per(StrEnum):
    """Unit of a price."""

    HOUR = "hour"
    MONTH = "month"
    GB_MONTH = "GB-month"
    GB = "GB"
    DOLLAR_OF_NODE = "dollar of node"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Model):
    """Source of a figure.

    Attributes:
        what: Title of the source.
        url: Page with the present figure.
        seen: Day on which the figure was read.
        verified: True if it was found in a bill, a price list or several agreeing tables.
    """

    what: str
    url: str
    seen: date
    verified: bool


class Price(_Model):
    """One figure.

    Attributes:
        usd: US dollars, before tax.
        per: Unit of the price.
        source: Name of its source.
        vcpu: Number of processors, for a node.
        gib: Memory, for a node.
    """

    usd: Decimal = Field(gt=0)
    per: Per
    source: str
    vcpu: int | None = None
    gib: int | None = None

    @property
    def a_day(self) -> Decimal:
        """Dollars a day; only for a price by time.

        Raises:
            UnknownPriceError: The price is by use.
        """
        if self.per is Per.HOUR:
            return self.usd * 24
        if self.per in {Per.MONTH, Per.GB_MONTH}:
            return self.usd * 24 / HOURS_PER_MONTH
        raise UnknownPriceError(f"a price per {self.per} has no cost a day: it is charged by use")


class Support(_Model):
    """Standard support of a version.

    Attributes:
        ends: Its last day.
        source: Name of its source.
    """

    ends: date
    source: str


class Region(_Model):
    """The prices of one region."""

    rds: Mapping[str, Price]
    ec2: Mapping[str, Price]
    other: Mapping[str, Price]


class Prices(_Model):
    """Content of prices.toml."""

    sources: Mapping[str, Source]
    support: Mapping[str, Mapping[str, Support]] = {}
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

    @field_validator("support")
    @classmethod
    def _every_date_has_a_source(
        cls, support: Mapping[str, Mapping[str, Support]], info: ValidationInfo
    ) -> Mapping[str, Mapping[str, Support]]:
        for software, versions in support.items():
            for version, one in versions.items():
                if one.source not in info.data.get("sources", {}):
                    msg = f"{software} {version}: there is no source {one.source!r}"
                    raise ValueError(msg)
        return support

    def region(self, name: str) -> Region:
        """Return the prices of a region."""
        if name not in self.regions:
            raise UnknownPriceError(
                f"region {name}: previews/reporting/prices.toml has "
                f"{', '.join(sorted(self.regions))}; "
                f"add a table [regions.{name}] with its prices"
            )
        return self.regions[name]

    def of(self, region: str, item: str) -> Price:
        """Return one price: by AWS's name of a class, or by a name in prices.toml."""
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
        """Return whether the figure was found in a bill, a price list or agreeing tables."""
        return self.sources[price.source].verified


@cache
def read(path: Path = PRICES) -> Prices:
    """Read the prices as decimals, which add up without rounding."""
    return Prices.model_validate(tomllib.loads(path.read_text(), parse_float=Decimal))
