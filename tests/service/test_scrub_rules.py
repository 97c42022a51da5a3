"""A developer who adds a column learns here what to do, and not from a preview that stays down."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from database.scrub import catalogue, load
from database.scrub.classification import classify, unmatched
from tests.service.conftest import PASSWORD, PreparedDatabase

RULES = Path(__file__).resolve().parents[2] / "scrub.yaml"


def test_every_column_of_the_newest_schema_is_classified_and_no_rule_is_left_over(
    migrated: PreparedDatabase,
) -> None:
    opened = migrated.server.connect(migrated.name, user="boss", password=PASSWORD)
    with closing(opened), opened, opened.cursor() as cursor:
        tables = catalogue.read(cursor)
        rules = load(RULES)
        assert set(rules.tables) == {"alembic_version", "customers", "idempotency_keys"}
        classify(tables, catalogue.foreign_keys(cursor), rules)
        assert unmatched(tables, rules) == []
