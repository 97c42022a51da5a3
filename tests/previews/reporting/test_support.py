"""A version that AWS is about to upgrade is named where people see the cost."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from previews.pulumi.state import Resource, StackState
from previews.reporting import prices
from previews.reporting.preview_summary import summarize
from previews.reporting.support import ending, pinned_kubernetes
from previews.settings import PROJECT_ROOT

PRICES = prices.read()


@pytest.mark.parametrize(
    ("now", "line"),
    [
        ("2026-09-02T23:59:59+00:00", ""),
        ("2026-09-03T00:00:00+00:00", "ends 2026-12-02"),
        ("2026-12-02T12:00:00+00:00", "ends 2026-12-02"),
        ("2026-12-03T00:00:00+00:00", "ended 2026-12-02"),
    ],
)
def test_it_is_named_ninety_days_before_and_ever_after(now: str, line: str) -> None:
    found = ending({"Kubernetes": "1.34"}, datetime.fromisoformat(now), PRICES)
    wanted = f"standard support of Kubernetes 1.34 {line}; upgrade it before AWS does"
    assert found == ([wanted] if line else [])


def test_a_database_has_the_support_of_its_major_version() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert ending({"PostgreSQL": "17.6"}, now, PRICES) == [
        "standard support of PostgreSQL 17.6 ends 2030-02-28; upgrade it before AWS does"
    ]


def test_a_version_without_a_date_is_not_guessed() -> None:
    assert ending({"PostgreSQL": "99.1"}, datetime(2099, 1, 1, tzinfo=UTC), PRICES) == []


def test_what_the_checkout_pins_has_a_date() -> None:
    """The warning of a version without a date would never come."""
    pins = tomllib.loads((PROJECT_ROOT / "infra" / "versions.toml").read_text())
    assert pinned_kubernetes(PROJECT_ROOT) == {"Kubernetes": pins["kubernetes"]}
    assert pins["kubernetes"] in PRICES.support["Kubernetes"]
    assert pinned_kubernetes(Path("/nowhere")) == {}


def test_the_version_of_a_preview_s_database_is_in_its_state() -> None:
    instance = Resource(
        urn="urn:pulumi:pr-42::previews::aws:rds/instance:Instance::instance",
        type="aws:rds/instance:Instance",
        custom=True,
        outputs={"engineVersion": "17", "engineVersionActual": "17.6", "allocatedStorage": 20},
    )
    state = StackState(stack="pr-42", document={}, resources=[instance])
    found = summarize(state, region="eu-west-1", prices=PRICES)
    assert found.versions == {"PostgreSQL": "17.6"}
