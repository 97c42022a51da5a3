"""A stack's own file, ``Pulumi.<stack>.yaml``: what Pulumi remembers of it beside the program."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml


def read(project: Path, stack: str) -> dict[str, Any]:
    """What the file says; empty where there is none."""
    file = _path(project, stack)
    return dict(yaml.safe_load(file.read_text()) or {}) if file.exists() else {}


def write(project: Path, stack: str, said: dict[str, Any]) -> None:
    """Have the file say this; one that says nothing is removed."""
    file = _path(project, stack)
    if said:
        file.write_text(yaml.safe_dump(said, sort_keys=False))
    else:
        file.unlink(missing_ok=True)


def unset(project: Path, stack: str, keys: Collection[str]) -> None:
    """Take keys out of the stack's configuration, which keeps what was set once."""
    said = read(project, stack)
    config = dict(said.get("config") or {})
    if config.keys().isdisjoint(keys):
        return
    kept = {key: value for key, value in config.items() if key not in keys}
    others = {key: value for key, value in said.items() if key != "config"}
    write(project, stack, {**others, **({"config": kept} if kept else {})})


def _path(project: Path, stack: str) -> Path:
    return project / f"Pulumi.{stack}.yaml"
