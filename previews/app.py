"""The app's description, read for the lifecycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.app.read import AppFileError, read_app
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from pathlib import Path

    from contract.app.model import App


def read_description(folder: Path) -> App:
    """Return the app that a folder's ``preview.yaml`` describes.

    Raises:
        PreviewsError: The file is missing or wrong.
    """
    try:
        return read_app(folder)
    except AppFileError as error:
        remedy = "correct it; `previews app check` reads it again."
        if not error.file.exists():
            remedy = f"run `previews adopt {folder}`, which writes it."
        elif error.snippet:
            remedy = f"write this, with your own values:\n{error.snippet}\nThen {remedy}"
        raise PreviewsError(
            "app-description", str(error.file), why="; ".join(error.problems), remedy=remedy
        ) from error
