"""No room knows an app: neither the sample in ``service/``, nor its tables, nor its commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("contract", "database", "infra", "previews", "sandbox")
_MODULES = "|".join(
    # `service.health` is also a key of preview.yaml.
    sorted({path.stem for path in (ROOT / "service").glob("[!_]*")} - {"health"})
)
KNOWLEDGE = re.compile(
    rf"""
    \bservice/                                  # a path of the sample
    | \b(?:from|import|-m)\s+service\b          # its package
    | \bservice\.(?:{_MODULES})\b(?=["'\s`])    # a module of it, as a command names it
    | \bcustomers\b | \bidempotency             # its tables and what it is about
    """,
    re.VERBOSE,
)
# A provider of AWS's SDK for Go, in a path of a module.
ALLOWED = {"sandbox/tools/recipes.py"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_names_the_sample(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in (ROOT / room).rglob("*")
        if path.suffix in {".py", ".yaml", ".toml"} and str(path.relative_to(ROOT)) not in ALLOWED
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if KNOWLEDGE.search(line)
    ]
    assert found == []


def test_the_test_knows_what_it_looks_for() -> None:
    for text in ('"python", "-m", "service.seed"', "from service import app", "see service/gate"):
        assert KNOWLEDGE.search(text), text
    for text in ("args.app.service.environment", "the service.", "deployment/service"):
        assert not KNOWLEDGE.search(text), text
