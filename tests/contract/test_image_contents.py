"""Modules that the image's rooms share are in the image, and a change of them builds one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

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


def copied() -> set[str]:
    copies = re.findall(r"^COPY (\w+) /app/\1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return set(copies)


def test_the_image_has_every_room_that_its_rooms_import() -> None:
    assert copied() >= {"service", "database", "contract"}
    for room in copied():
        assert imported_by(room) <= copied(), room


def test_every_stage_and_the_context_have_them() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    context = (ROOT / ".dockerignore").read_text().splitlines()
    compiled = dockerfile.partition("compileall")[2].partition("\n\n")[0]
    for room in copied():
        assert f"COPY --from=builder /app/{room} /app/{room}\n" in dockerfile
        assert f"!{room}" in context
        assert re.search(rf"/app/{room}\b", compiled)


def test_a_change_of_them_builds_an_image_in_ci() -> None:
    workflow: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (filters,) = [
        yaml.safe_load(step["with"]["filters"])
        for step in workflow["jobs"]["changes"]["steps"]
        if "filters" in step.get("with", {})
    ]
    assert {f"{room}/**" for room in copied()} <= set(filters["image"])


def test_the_contract_imports_the_standard_library_and_pydantic_alone() -> None:
    imports = set[str]()
    # The reader of preview.yaml also needs YAML; no image runs it.
    for path in {*(ROOT / "contract").rglob("*.py")} - {ROOT / "contract/app/read.py"}:
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
        "pathlib",
        "pydantic",
        "re",
        "shlex",
        "typing",
    }
