"""Every tool once, from the cheapest source, two at a time."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools import ensure, locate, provide, recipes, status
from sandbox.tools.gobuild import Builder
from sandbox.tools.recipes import GoBinary, Recipe
from tests.sandbox.tools.fakes import BUILDS, fake_go

ONE = Recipe("one", "1", ("one",), (GoBinary("one", "one"),), disk_gib=0)
TWO = Recipe("two", "2", ("two",), (GoBinary("two", "two"),), disk_gib=0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", cache=tmp_path / "cache")


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def console(output: io.StringIO) -> Console:
    return Console(file=output, width=200)


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / "modules" / name).mkdir(parents=True)
        (tmp_path / "modules" / name / "go.mod").write_text(f"module sandbox/{name}\n")
    monkeypatch.setattr(recipes, "MODULES", tmp_path / "modules")
    for module in (recipes, provide):
        monkeypatch.setattr(module, "CATALOGUE", (ONE, TWO))
    monkeypatch.setenv("PATH", f"{tmp_path / 'go'}:{os.environ['PATH']}")
    for recipe in (ONE, TWO):
        recipe.__dict__.pop("folder_name", None)


def test_what_is_missing_is_built_once(
    settings: Settings, console: Console, output: io.StringIO, tmp_path: Path
) -> None:
    fake_go(tmp_path / "go", BUILDS)
    assert [each.source for each in status(settings)] == ["missing", "missing"]
    tools = ensure(settings, console=console)
    assert tools.program("one").read_text() == "binary"
    assert tools.bin == settings.home / "bin"
    assert "one 1: compiling\n" in output.getvalue()
    assert "two 2: built after " in output.getvalue()
    assert [each.source for each in status(settings)] == ["cache", "cache"]

    fake_go(tmp_path / "go", "sys.exit('built twice')")
    assert ensure(settings, console=console) == tools
    assert locate(settings) == tools


def test_only_the_tools_asked_for(settings: Settings, console: Console, tmp_path: Path) -> None:
    fake_go(tmp_path / "go", BUILDS)
    tools = ensure(settings, ["two"], console)
    assert set(tools.programs) == {"two"}
    assert {each.name: each.source for each in status(settings)} == {
        "one": "missing",
        "two": "cache",
    }
    with pytest.raises(SandboxError, match="'one': it is not in the requested tools: two"):
        tools.program("one")
    with pytest.raises(SandboxError, match="no such tool"):
        ensure(settings, ["three"], console)


def test_locating_makes_nothing_and_names_what_is_missing(settings: Settings) -> None:
    with pytest.raises(SandboxError, match=r"missing: one 1, two 2\n.*sandbox up"):
        locate(settings)
    assert not settings.cache.exists()


def test_one_failure_ends_the_others_and_keeps_what_was_made(
    settings: Settings, console: Console, tmp_path: Path
) -> None:
    fails = """
        import time
        if "/src/two" in os.getcwd():
            print("two.go:1: broken")
            sys.exit(1)
        time.sleep(600)
        """
    fake_go(tmp_path / "go", fails)
    with pytest.raises(SandboxError, match=r"(?s)building two 2: .*two\.go:1: broken"):
        ensure(settings, console=console)
    assert list(settings.cache.glob(".making-*")) == []

    fake_go(tmp_path / "go", BUILDS)
    assert ensure(settings, console=console).program("two").exists()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "make that path writable")],
)
def test_a_disk_that_refuses_is_named(
    settings: Settings,
    console: Console,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    remedy: str,
) -> None:
    fake_go(tmp_path / "go", BUILDS)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/there")

    monkeypatch.setattr(Builder, "build", refuse)
    with pytest.raises(SandboxError, match=f"/there: {os.strerror(number)}") as caught:
        ensure(settings, ["one"], console)
    assert remedy in caught.value.remedy
    assert locate_fails(settings)


def locate_fails(settings: Settings) -> bool:
    with pytest.raises(SandboxError):
        locate(settings, ["one"])
    return True


def test_links_follow_a_new_build(settings: Settings, console: Console, tmp_path: Path) -> None:
    fake_go(tmp_path / "go", BUILDS)
    before = ensure(settings, ["one"], console).program("one").resolve()
    (tmp_path / "modules" / "one" / "go.mod").write_text("module sandbox/one\n\ngo 1.26\n")
    ONE.__dict__.pop("folder_name", None)
    after = ensure(settings, ["one"], console).program("one").resolve()
    assert before != after
    assert before.exists()
    assert sorted(path.name for path in (settings.home / "bin").iterdir()) == ["one"]
