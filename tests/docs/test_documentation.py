"""Everything that the documentation names exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer

from sandbox.cli import app
from sandbox.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ROOMS = ("contract", "database", "infra", "previews", "sandbox", "service", "tests")
DECISIONS = ROOT / "docs" / "decisions"
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def commands(document: Path, program: str) -> set[str]:
    """Return the word after ``program`` at each place in code."""
    text = document.read_text()
    code = "\n".join([*_FENCE.findall(text), *re.findall(r"`([^`\n]+)`", text)])
    return set(re.findall(rf"(?:^|[\s/\"(]){program} ([a-z][a-z-]*)", code, re.MULTILINE))


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for target in _LINK.findall(_FENCE.sub("", document.read_text())):
        if "://" in target:
            continue
        name, _, fragment = target.partition("#")
        path = (document.parent / name) if name else document
        headings = {anchor(h) for h in _HEADING.findall(path.read_text())} if fragment else set()
        if not path.exists() or (fragment and fragment not in headings):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_exists(document: Path) -> None:
    # `make` in a sentence is a word; only what the Makefile could mean is looked at.
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    targets = set(re.findall(r"\x1b\[36m([a-z-]+)\s*\x1b", listed))
    assert targets >= {"preview", "test", "destroy"}
    assert commands(document, "make") - targets == set()


def test_the_help_of_make_fits_a_terminal_of_80_columns() -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = re.sub(r"\x1b\[[0-9;]*m", "", listed).splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sandbox_command_exists(document: Path) -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert known >= {"up", "down", "status", "env", "logs", "reset", "run", "snapshot"}
    assert commands(document, "sandbox") - known == set()


def test_every_setting_of_the_sandbox_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "sandbox.md").read_text()
    rows = dict(re.findall(r"^\| `(SANDBOX_[A-Z_]+)` \| `([^`]+)` \|", text, re.MULTILINE))
    defaults = {
        f"SANDBOX_{name.upper()}": str(field.default)
        for name, field in Settings.model_fields.items()
    }
    defaults["SANDBOX_HOME"] = ".sandbox"
    assert rows == defaults


def test_decisions_are_numbered_without_a_gap_and_listed_by_their_titles() -> None:
    records = sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))
    assert [name[:5] for name in records] == [f"{n:04}-" for n in range(1, len(records) + 1)]
    index = (DECISIONS / "README.md").read_text()
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (\S+) \| (.+) \|$", index, re.MULTILINE)
    assert [name for _, name, _, _ in rows] == records
    for number, name, decided, title in rows:
        text = (DECISIONS / name).read_text()
        assert name.startswith(number)
        assert text.startswith(f"# {title}\n\n**Decided** {decided}")
        assert "\n## Context\n" in text
        assert "\n## Decision\n" in text
    dates = [decided for _, _, decided, _ in rows]
    assert dates == sorted(dates)


def test_every_decision_that_a_file_names_exists() -> None:
    named = re.compile(r"docs/decisions/[\w-]+\.md")
    code = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    listed = [name for path in code for name in named.findall(path.read_text())]
    assert len(listed) >= 5
    assert [name for name in listed if not (ROOT / name).exists()] == []


def map_of_contributing() -> list[str]:
    """Return the paths in the map of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (drawn,) = re.findall(r"^## The map\n\n```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    paths: list[str] = []
    room = ""
    for line in drawn.splitlines():
        names = re.findall(r"(?<=\s)[\w./]+/(?=\s)", f" {line[:21]} ")
        assert names, line
        if not line.startswith(" "):
            (room,) = names
        paths += names if not line.startswith(" ") else [room + name for name in names]
    return paths


def test_the_map_of_contributing_holds_every_room_and_nothing_else() -> None:
    paths = map_of_contributing()
    assert [path for path in paths if not (ROOT / path).is_dir()] == []
    assert {f"{room}/" for room in ROOMS} <= set(paths)
    for room in ("infra", "previews", "sandbox"):
        drawn = {path for path in paths if path.startswith(f"{room}/")}
        packages = {f"{room}/{path.parent.name}/" for path in (ROOT / room).glob("*/__init__.py")}
        # What `make versions` writes is part of no change by hand.
        assert packages - drawn == ({"infra/controllers/"} if room == "infra" else set())


def test_every_file_that_contributing_names_exists() -> None:
    text = _FENCE.sub("", (ROOT / "CONTRIBUTING.md").read_text())
    # A bare name is a file of the folder that is linked in the same row of a table.
    named = [name for name in re.findall(r"`([^`\n]+)`", text) if re.search(r"/|\.\w+$", name)]
    assert len(named) >= 20
    missing = []
    for row in text.splitlines():
        folders = [ROOT / path for path in _LINK.findall(row)] or [ROOT]
        missing += [
            name
            for name in re.findall(r"`([^`\n]+)`", row)
            if name in named and not name.startswith("/")
            if not any((base / name).exists() for base in (ROOT, *folders))
        ]
    assert missing == []


def test_the_readme_begins_with_the_two_commands() -> None:
    first = _FENCE.findall((ROOT / "README.md").read_text())[0]
    assert first.splitlines()[1:-1] == ["make preview PR=42", "make test"]


def test_the_guide_names_every_variable_that_the_workflows_read() -> None:
    workflows = (ROOT / ".github" / "workflows").glob("*.yml")
    read = {name for file in workflows for name in re.findall(r"vars\.(\w+)", file.read_text())}
    guide = (ROOT / "docs" / "getting-started-aws.md").read_text()
    rows = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|", guide, re.MULTILINE)
    assert read <= {name for row in rows for name in re.findall(r"\w+", row)}
    assert "AWS_ROLE_ARN" in read
