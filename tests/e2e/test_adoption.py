"""An app is adopted: its rules are drafted from what its own migrations make, and then in force."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from database.scrub.errors import RulesError
from database.scrub.rules import load
from tests.e2e.world import REPOSITORY, World, commit, git

BACKEND = REPOSITORY / "tests/apps/orders/backend"
COLUMNS = {
    "alembic_version": ["version_num"],
    "people.customers": ["id", "email"],
    "sales.orders": ["id", "customer_id", "item", "status"],
}
SECOND = '''\
"""A phone number."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE people.customers ADD phone text")
'''


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A repository without a file of previews."""
    folder = tmp_path / "orders"
    ignored = shutil.ignore_patterns("preview.yaml", "scrub.yaml", "__pycache__")
    shutil.copytree(BACKEND, folder, ignore=ignored)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "The app")
    return folder


def test_rules_are_drafted_from_the_migrated_schema_and_extended(world: World, app: Path) -> None:
    rules = app / "scrub.yaml"
    world.sandbox("--app", str(app), "adopt")
    first = rules.read_text()
    assert "Drafted from the migrated schema." in first
    tables = yaml.safe_load(first)["tables"]
    assert {label: list(table["columns"]) for label, table in tables.items()} == COLUMNS
    assert tables["people.customers"]["columns"]["email"] == {"how": "fake", "kind": "email"}
    assert "# review: citext, unique\n" in first
    assert "refers to people.customers.id" in first
    with pytest.raises(RulesError, match="it is a draft"):
        load(rules)

    refused = world.sandbox("--app", str(app), "preview", "7", fails=True)
    assert "it is a draft that nobody has reviewed" in refused
    assert "orders-pr-7" not in json.dumps(world.kubectl("get", "namespaces"))

    # A migration of the working tree is applied, and what a person did to the file stays.
    reviewed = "# Ours.\n" + first.replace("reviewed: false\n", "")
    rules.write_text(reviewed)
    assert list(load(rules).tables) == list(COLUMNS)
    (app / "migrations/versions/0002_phone.py").write_text(SECOND)
    printed = world.sandbox("--app", str(app), "adopt")
    assert "+      phone: {how: fake, kind: phone}  # review: text" in printed
    assert set(reviewed.splitlines()) < set(rules.read_text().splitlines())
    with pytest.raises(RulesError, match="it is a draft"):
        load(rules)
    extended = rules.read_bytes()
    assert "unchanged scrub.yaml" in world.sandbox("--app", str(app), "adopt")
    assert rules.read_bytes() == extended
