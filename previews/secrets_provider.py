"""What keeps the secrets in a stack's state, where Pulumi Cloud does not: a key of KMS.

Pulumi remembers it in the stack's own file. That of staging is committed; that of a preview is
not, so each run's checkout lacks it, and Pulumi would ask for a passphrase.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_KEY = "secretsprovider"


def of_staging(project: Path) -> str:
    """URL of staging's provider, as ``pulumi stack init`` wrote it; empty for the backend's own."""
    return str(_read(_file(project, "staging")).get(_KEY, ""))


def give(project: Path, stack: str, provider: str) -> None:
    """Say in a stack's file who keeps its secrets, unless it says so.

    The state itself says with which key they are encrypted, so the next update can read them,
    and writes them with a key of its own.
    """
    file = _file(project, stack)
    said = _read(file)
    if _KEY not in said:
        file.write_text(yaml.safe_dump({_KEY: provider, **said}, sort_keys=False))


def forget_salt(project: Path, stack: str) -> None:
    """Take out the salt of a stack that is gone: with another passphrase it is refused."""
    file = _file(project, stack)
    said = _read(file)
    if said.pop("encryptionsalt", None) is None:
        return
    if said:
        file.write_text(yaml.safe_dump(said, sort_keys=False))
    else:
        file.unlink()


def _file(project: Path, stack: str) -> Path:
    return project / f"Pulumi.{stack}.yaml"


def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text()) or {}) if file.exists() else {}
