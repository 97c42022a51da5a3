"""What keeps the secrets in a stack's state, where Pulumi Cloud does not: a key of KMS.

Pulumi remembers it in the stack's own file. That of staging is committed; that of a preview is
not, so each run's checkout lacks it, and Pulumi would ask for a passphrase.
"""

from __future__ import annotations

from pathlib import Path

from previews.pulumi import stack_file

_KEY = "secretsprovider"
_SALT = "encryptionsalt"


def of_staging(project: Path) -> str:
    """URL of staging's provider, as ``pulumi stack init`` wrote it; empty for the backend's own."""
    return str(stack_file.read(project, "staging").get(_KEY, ""))


def give(project: Path, stack: str, provider: str) -> None:
    """Say in a stack's file who keeps its secrets, unless it says so.

    The state itself says with which key they are encrypted, so the next update can read them,
    and writes them with a key of its own.
    """
    said = stack_file.read(project, stack)
    if _KEY not in said:
        stack_file.write(project, stack, {_KEY: provider, **said})


def forget_salt(project: Path, stack: str) -> None:
    """Take out the salt of a stack that is gone: with another passphrase it is refused."""
    said = stack_file.read(project, stack)
    if _SALT in said:
        stack_file.write(project, stack, {key: said[key] for key in said if key != _SALT})
