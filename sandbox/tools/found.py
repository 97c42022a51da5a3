"""Tools that the machine already has, in a suitable version."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.tools.recipes import Recipe

_ANSWER_SECONDS = 15

# Arguments by which each program prints its version. Only these are searched for: the External
# Secrets Operator prints none, and is published as a container image only; Kubernetes' released
# kubelet needs root, and its API server rejects loopback endpoints.
_QUESTIONS: Mapping[str, tuple[str, ...]] = {"pulumi": ("version",)}
_MAJOR_MINOR = re.compile(r"(\d+)\.(\d+)\.\d+")


def find(recipe: Recipe) -> dict[str, Path] | None:
    """Return all programs of a tool on PATH; None if one is missing or of another version.

    Pulumi must have at least the recipe's version, and the same major version.
    """
    programs: dict[str, Path] = {}
    for name in recipe.programs:
        path = shutil.which(name)
        if path is None:
            return None
        programs[name] = Path(path)
    requested = [name for name in recipe.programs if name in _QUESTIONS]
    if not requested or not all(_fits(recipe, name, programs[name]) for name in requested):
        return None
    return programs


def _fits(recipe: Recipe, name: str, path: Path) -> bool:
    version = _version(name, path)
    wanted = _MAJOR_MINOR.search(recipe.version)
    if version is None or wanted is None:
        return False
    needed = (int(wanted[1]), int(wanted[2]))
    return version[0] == needed[0] and version >= needed


def _version(name: str, path: Path) -> tuple[int, int] | None:
    try:
        answer = subprocess.run(
            [path, *_QUESTIONS[name]],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _MAJOR_MINOR.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else None
