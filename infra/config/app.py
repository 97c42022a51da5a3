"""The app's description, ``preview.yaml``, in the folder that the configuration names."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.app.read import AppFileError, read_app
from infra.errors import ProgramError

if TYPE_CHECKING:
    from pathlib import Path

    from contract.app.model import App


@dataclass(frozen=True)
class AppSource:
    """An app and its files.

    Attributes:
        app: Its description.
        folder: Its folder.
        relative: That folder relative to the program's, in which Pulumi runs its providers.
    """

    app: App
    folder: Path
    relative: str


def load_app(checkout: Path, source: str) -> AppSource:
    """Return the app of a stack.

    Args:
        checkout: Folder of the program's checkout.
        source: Folder of ``preview.yaml``, relative to it.

    Raises:
        ProgramError: The file is missing or wrong; names each line.
    """
    folder = checkout / source
    try:
        app = read_app(folder)
    except AppFileError as error:
        why = (
            error.problems[0]
            if len(error.problems) == 1
            else "".join(f"\n  - {problem}" for problem in error.problems)
        )
        remedy = (
            f"write this, with your own values, into it:\n{error.snippet}"
            if error.snippet
            else "correct it"
        )
        raise ProgramError(str(error.file), why=why, remedy=remedy) from error
    return AppSource(app, folder, posixpath.join("..", source))
