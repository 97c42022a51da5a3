"""The app's description, ``preview.yaml``, in the folder that the configuration names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.app.model import FILE
from contract.app.read import AppFileError, read_app
from infra.errors import ProgramError
from infra.source import app_folder

if TYPE_CHECKING:
    from contract.app.model import App
    from contract.stack_name import AppName


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


def load_app(name: AppName, source: str) -> AppSource:
    """Return the app of a stack.

    Args:
        name: The app's name, as its Pulumi project has it.
        source: Folder of ``preview.yaml``, relative to the program's checkout.

    Raises:
        ProgramError: The file is missing or wrong, or describes another app.
    """
    folder = app_folder(source)
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
    if app.app != name.value:
        raise ProgramError(
            f"{folder / FILE}, app",
            why=f"it is {app.app!r}, but this is the Pulumi project of {str(name)!r}",
            remedy="run `previews --app FOLDER`, which has a project for each app; the platform's"
            " own app has no name",
        )
    return AppSource(app, folder, os.path.relpath(folder, Path(__file__).resolve().parents[1]))
