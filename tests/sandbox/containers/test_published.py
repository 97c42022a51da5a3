"""Stand-ins of published images: which images, and what is in them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from rich.console import Console

from contract.app.needs import Needs, Redis
from infra.app.needs import mail, redis
from infra.versions import pinned
from sandbox.containers import published
from sandbox.containers.published import PUBLISHED, provide, stand_in
from sandbox.containers.store import ImageStore
from sandbox.settings import Settings
from sandbox.tools.provide import ToolStatus

DIGEST = "sha256:" + 64 * "a"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of the tools that were made."""
    names: list[str] = []

    def make_missing(_: Settings, wanted: list[str], __: Console) -> tuple[ToolStatus, ...]:
        names.extend(wanted)
        found = []
        for one in PUBLISHED:
            if one.recipe.name in wanted:
                program = tmp_path / one.recipe.programs[0]
                program.write_text(one.recipe.name)
                programs = {program.name: program}
                found.append(ToolStatus(one.recipe.name, one.recipe.version, "cache", programs))
        return tuple(found)

    monkeypatch.setattr(published, "make_missing", make_missing)
    return names


def test_what_is_pinned_has_a_stand_in_of_the_same_major_version() -> None:
    by_need = {one.need: one for one in PUBLISHED}
    for need, pin in {"redis": pinned().redis, "mail": pinned().mail}.items():
        assert by_need[need].repository == pin.image
        major = pin.tag.removeprefix("v").partition(".")[0]
        assert by_need[need].recipe.version.partition(".")[0] == major
    assert set(by_need) < set(Needs.model_fields)


def test_the_program_is_where_the_need_s_command_looks_for_it() -> None:
    programs = {one.need: one.program for one in PUBLISHED}
    assert f"/{programs['mail']}" == mail.COMMAND[0]
    assert programs["redis"].name == redis.command(Redis())[0]


def test_any_tag_or_digest_of_a_published_image_is_its_stand_in() -> None:
    [image] = [one for one in PUBLISHED if one.need == "mail"]
    for reference in (":v1.33.1", f"@{DIGEST}", f":v1@{DIGEST}"):
        assert stand_in(f"{image.repository}{reference}") == f"{image.repository}:{image.tag}"
    assert stand_in(f"other/image@{DIGEST}") == f"other/image@{DIGEST}"


def test_an_image_has_the_program_and_is_made_once(made: list[str], tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    for _ in range(2):
        provide({"redis", "bucket"}, store, Settings(), Console(quiet=True))
    assert made == ["redis"]
    [image] = [one for one in PUBLISHED if one.need == "redis"]
    stored = store.find(stand_in(f"{image.repository}@{DIGEST}"))
    program = stored.layers[0] / image.program
    assert program.read_text() == "redis"
    assert program.stat().st_mode & stat.S_IXOTH


def test_without_needs_nothing_is_made(made: list[str], tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    provide(Needs().declared, store, Settings(), Console(quiet=True))
    assert made == []
    assert not store.root.exists()
