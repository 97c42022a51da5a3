"""The draft of the scrub's rules, which no scrub accepts before a person has read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from database.scrub.errors import RulesError
from database.scrub.rules import load
from previews.adoption.repository import read_repository
from previews.adoption.scrub_draft import draft_of_source
from previews.adoption.scrub_file import render
from tests.previews.adoption.repositories import REVISION, repository


def drafted(folder: Path) -> str:
    def choose(question: str, options: Sequence[str]) -> str:
        raise AssertionError(question, options)

    return render(draft_of_source(read_repository(folder, choose).tables))


def test_migrations_are_followed_in_their_order(tmp_path: Path) -> None:
    tables = yaml.safe_load(drafted(repository(tmp_path)))["tables"]
    assert {name: list(table["columns"]) for name, table in tables.items()} == {
        "alembic_version": ["version_num"],
        "tags": ["tag"],
        "users": [
            "id",
            "email",
            "hashed_password",
            "salary",
            "born_on",
            "full_name",
            "phone",
        ],
    }
    rules = {
        name: rule.get("kind", rule["how"]) for name, rule in tables["users"]["columns"].items()
    }
    assert rules == {
        "id": "keep",
        "email": "email",
        "hashed_password": "hash",
        "salary": "review",
        "born_on": "year",
        "full_name": "person",
        "phone": "phone",
    }
    assert tables["tags"]["columns"]["tag"] == {"how": "review"}


def test_what_can_t_be_read_is_said_and_every_line_marked(tmp_path: Path) -> None:
    text = drafted(repository(tmp_path))
    assert "#   migrations/versions/b2_second.py:" in text
    rules = [line for line in text.splitlines() if "{how:" in line]
    assert rules
    assert all("# review: " in line for line in rules)


def test_the_scrub_refuses_the_draft_by_what_is_open(tmp_path: Path) -> None:
    path = repository(tmp_path) / "scrub.yaml"
    path.write_text(drafted(tmp_path))
    with pytest.raises(RulesError, match=r"users\.columns\.salary: .*'review'"):
        load(path)
    # Filled in but not confirmed, it is refused as well.
    path.write_text(path.read_text().replace("{how: review}", "{how: hash}"))
    with pytest.raises(RulesError, match="it is a draft: check every line, then remove"):
        load(path)
    path.write_text(path.read_text().replace("reviewed: false\n", ""))
    assert set(load(path).tables) == {"alembic_version", "tags", "users"}


def test_models_are_read_where_no_migration_makes_a_table(tmp_path: Path) -> None:
    models = """\
from sqlalchemy import Column, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column
from sqlmodel import Field, Relationship, SQLModel


class Stamped:
    created_at: Mapped[datetime] = mapped_column()


class Author(Stamped, Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("label", String(50))
    note = Column(Text)
    books = relationship("Book")


class HeroBase(SQLModel):
    email: str | None = None


class Hero(HeroBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    team_id: int = Field(foreign_key="team.id")
    author: Author = Relationship()
"""
    repository(
        tmp_path,
        migrations__versions__a1_first_DOT_py="",
        migrations__versions__b2_second_DOT_py="",
    )
    (tmp_path / "app" / "models.py").write_text(models)
    text = drafted(tmp_path)
    tables = yaml.safe_load(text)["tables"]
    assert "Drafted from models" in text
    assert set(tables["authors"]["columns"]) == {"id", "label", "note", "created_at"}
    assert set(tables["hero"]["columns"]) == {"id", "team_id", "email"}
    assert tables["hero"]["columns"]["email"] == {"how": "fake", "kind": "email"}


def test_without_any_table_the_draft_stays_closed(tmp_path: Path) -> None:
    revision = REVISION[: REVISION.index("    op.create_table")] + "    pass\n"
    path = repository(
        tmp_path,
        migrations__versions__a1_first_DOT_py=revision,
        migrations__versions__b2_second_DOT_py="",
    )
    (path / "scrub.yaml").write_text(drafted(path))
    with pytest.raises(RulesError, match="it is a draft"):
        load(path / "scrub.yaml")
