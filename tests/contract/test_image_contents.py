"""Each image has the rooms that its rooms import, and a change of them builds it in CI."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}


def imported_by(room: str) -> set[str]:
    found = set[str]()
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
    return found & ROOMS


DOCKERFILES = {"Dockerfile": {"service"}, "database/Dockerfile": {"contract", "database"}}
"""The rooms in each image."""

EACH = pytest.mark.parametrize("dockerfile", DOCKERFILES)


def copied(dockerfile: str) -> set[str]:
    copies = re.findall(r"^COPY (\w+) /app/\1$", (ROOT / dockerfile).read_text(), re.MULTILINE)
    return set(copies)


@EACH
def test_an_image_has_every_room_that_its_rooms_import(dockerfile: str) -> None:
    assert copied(dockerfile) == DOCKERFILES[dockerfile]
    for room in copied(dockerfile):
        assert imported_by(room) <= copied(dockerfile), room


@EACH
def test_every_stage_and_the_context_have_them(dockerfile: str) -> None:
    text = (ROOT / dockerfile).read_text()
    context = (ROOT / ".dockerignore").read_text().splitlines()
    compiled = text.partition("compileall")[2].partition("\n\n")[0]
    for room in copied(dockerfile):
        assert f"COPY --from=builder /app/{room} /app/{room}\n" in text
        assert f"!{room}" in context
        assert re.search(rf"/app/{room}\b", compiled)
    for locked in re.findall(r"^COPY (requirements/\S+)", text, re.MULTILINE):
        assert f"!{locked}" in context


@EACH
def test_a_change_of_them_builds_an_image_in_ci(dockerfile: str) -> None:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (filters,) = [
        yaml.safe_load(step["with"]["filters"])
        for step in workflow["jobs"]["changes"]["steps"]
        if "filters" in step.get("with", {})
    ]
    assert {f"{room}/**" for room in copied(dockerfile)} <= set(filters["image"])


def test_the_data_room_s_lock_holds_what_it_imports_and_no_framework() -> None:
    lock = (ROOT / "requirements/database.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    distributions = {"psycopg2": "psycopg2-binary", "pydantic_settings": "pydantic-settings"}
    distributions |= {"yaml": "pyyaml"}
    # The reader of preview.yaml imports types of it alone, and no image runs that.
    found = third_parties("database", "contract") - {"pydantic_core"}
    imported = {distributions.get(name, name) for name in found}
    assert imported <= locked
    assert not {"fastapi", "sqlalchemy", "alembic", "pulumi"} & locked


def third_parties(*rooms: str) -> set[str]:
    found = set[str]()
    for room in rooms:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.partition(".")[0])
                elif isinstance(node, ast.Import):
                    found.update(alias.name.partition(".")[0] for alias in node.names)
    return found - ROOMS - set(sys.stdlib_module_names)


def test_the_contract_imports_the_standard_library_and_pydantic_alone() -> None:
    imports = set[str]()
    # The readers of files also need YAML; the database's image, which has it, runs one of them.
    readers = {ROOT / "contract/app/read.py", ROOT / "contract/yaml_reader.py"}
    for path in {*(ROOT / "contract").rglob("*.py")} - readers:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                imports.add(str(node.module).partition(".")[0])
            elif isinstance(node, ast.Import):
                imports.update(alias.name.partition(".")[0] for alias in node.names)
    assert imports <= {
        "__future__",
        "collections",
        "contract",
        "dataclasses",
        "enum",
        "json",
        "math",
        "pathlib",
        "posixpath",
        "pydantic",
        "re",
        "shlex",
        "typing",
    }
