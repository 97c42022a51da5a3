"""Versions whose standard support ends, from the dated entries in prices.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

from previews.reporting.prices import Prices

KUBERNETES = "Kubernetes"
POSTGRESQL = "PostgreSQL"

_WARNED = timedelta(days=90)


def ending(versions: Mapping[str, str], now: datetime, prices: Prices) -> list[str]:
    """Return a line for each version whose standard support ends within 90 days, or has ended.

    Args:
        versions: Version by software: ``{"PostgreSQL": "17.6"}``.
        now: The present time.
        prices: The dated entries.
    """
    today = now.date()
    lines = []
    for software, version in versions.items():
        ends = _end(software, version, prices)
        if ends is not None and ends - today <= _WARNED:
            verb = "ends" if ends >= today else "ended"
            lines.append(
                f"standard support of {software} {version} {verb} {ends.isoformat()};"
                " upgrade it before AWS does"
            )
    return lines


def pinned_kubernetes(project: Path) -> dict[str, str]:
    """Return the version of Kubernetes that the platform's checkout pins; empty without a pin.

    A cluster that was there before may run another one, and its owner looks after it.
    """
    try:
        pins = tomllib.loads((project / "infra" / "versions.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError):
        return {}
    version = pins.get("kubernetes")
    return {KUBERNETES: version} if isinstance(version, str) else {}


def _end(software: str, version: str, prices: Prices) -> date | None:
    """Return the last day of a version's support, which may be that of its major version."""
    known = prices.support.get(software, {})
    found = known.get(version) or known.get(version.partition(".")[0])
    return None if found is None else found.ends
