"""Tools that the machine already has, of a version that fits."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.tools.recipes import Recipe

_ANSWER_SECONDS = 15

# How each program is asked for its version. The External Secrets Operator can't be
# asked, and is published as a container image alone, so none is looked for; nor is
# Kubernetes, whose released kubelet needs root and whose API server refuses loopback endpoints.
_QUESTIONS: Mapping[str, tuple[str, ...]] = {"pulumi": ("version",)}
_MAJOR_MINOR = re.compile(r"(\d+)\.(\d+)\.\d+")


def find(recipe: Recipe) -> dict[str, Path] | None:
    """All programs of a tool on PATH, or None when one is missing or another version.

    Pulumi fits from the version of the recipe on, within the major version.
    """
    programs: dict[str, Path] = {}
    for name in recipe.programs:
        path = shutil.which(name)
        if path is None:
            return None
        programs[name] = Path(path)
    asked = [name for name in recipe.programs if name in _QUESTIONS]
    if not asked or not all(_fits(recipe, name, programs[name]) for name in asked):
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
