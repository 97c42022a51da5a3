"""Alembic's configuration, and where it takes the database's URL from."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass
from pathlib import Path

from previews.adoption.files import files

_OVERRIDES = re.compile(
    r"set_(main|section)_option|environ|getenv|create_(async_)?engine|settings|\bget_url"
    r"|\[[\"']sqlalchemy\.url[\"']\]\s*="
)


@dataclass(frozen=True)
class Alembic:
    """Alembic's configuration.

    Attributes:
        ini: Path of its file, relative to the repository.
        scripts: Folder of env.py, relative to it.
        fixed_url: Line of the URL in the ini file, if env.py takes it from there; 0 if there is
            none at all.
        rewrites: True if env.py replaces the driver in the URL.
    """

    ini: Path
    scripts: Path
    fixed_url: int | None
    rewrites: bool


def find_alembic(root: Path, folder: Path) -> Alembic | None:
    """Return Alembic's configuration: that in the app's folder, or above it."""
    places = [root / folder, *sorted(path.parent for path in files(root / folder))]
    places += [root / one for one in folder.parents]
    for place in places:
        ini = place / "alembic.ini"
        parser = ConfigParser(interpolation=None)
        try:
            if not ini.is_file() or not parser.read(ini):
                continue
        except (IniError, UnicodeDecodeError):
            continue
        given = parser.get("alembic", "script_location", fallback="") or _of_pyproject(place)
        scripts = (
            (place / given.replace("%(here)s", ".").partition(":")[2])
            if ":" in given
            else (place / given.replace("%(here)s", "."))
        )
        env = scripts.resolve() / "env.py"
        if not env.resolve().is_relative_to(root) or not env.is_file():
            continue
        text = env.read_text(errors="replace")
        code = "\n".join(line.partition("#")[0] for line in text.splitlines())
        url = parser.get("alembic", "sqlalchemy.url", fallback="")
        fixed = None if _OVERRIDES.search(code) or "$" in url else _line(ini, "sqlalchemy.url")
        return Alembic(
            ini.relative_to(root),
            env.parent.relative_to(root),
            fixed,
            "asyncpg" in code and "replace(" in code,
        )
    return None


def _of_pyproject(place: Path) -> str:
    """Return the folder of the scripts that ``[tool.alembic]`` names, for Alembic from 1.16."""
    try:
        content = tomllib.loads((place / "pyproject.toml").read_text(errors="replace"))
    except (OSError, tomllib.TOMLDecodeError):
        content = {}
    tool = content.get("tool", {}).get("alembic", {})
    return str(tool.get("script_location") or "alembic")


def _line(file: Path, word: str) -> int:
    lines = file.read_text(errors="replace").splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(word)), 0)
