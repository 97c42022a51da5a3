"""A developer who adds a column learns here what to do, and not from a preview that stays down."""

from __future__ import annotations

from contextlib import closing

from database.prepare import newest_revision
from database.scrub import catalogue, load
from database.scrub.classification import classify
from tests.database.conftest import Copy


def test_every_column_of_the_newest_schema_is_classified_and_no_rule_is_left_over(
    staging: Copy,
) -> None:
    with closing(staging.connect()) as opened, opened, opened.cursor() as cursor:
        tables = catalogue.read(cursor)
        assert {table.label for table in tables} >= {"customers", "idempotency_keys"}
        cursor.execute("SELECT version_num FROM alembic_version")
        assert cursor.fetchall() == [(newest_revision(),)]
        classify(tables, catalogue.foreign_keys(cursor), load(), exact=True)
