"""Writing of the files: never over a file without its difference, and nothing twice."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from contract.app.read import is_inside
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from collections.abc import Callable


class Change(BaseModel):
    """Result for a file.

    Attributes:
        path: Its path, relative to the repository.
        outcome: `created`; `unchanged`; `replaced`; `kept`, which differs and was not replaced;
            `extended`, to which only lines were added.
        difference: From the file that was there to the proposed one, as a unified diff.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    outcome: Literal["created", "unchanged", "replaced", "kept", "extended"]
    difference: str = ""


def write(root: Path, path: Path, text: str, replace: Callable[[str, str], bool]) -> Change:
    """Write a file.

    Args:
        root: The repository, out of which nothing is written.
        path: The file.
        text: Its content.
        replace: Decides about a file that differs, by its path and the difference.

    Raises:
        PreviewsError: The path leads out of the repository, or can't be written.
    """
    relative = Path(os.path.relpath(path, root)).as_posix()
    if not is_inside(root, path):
        raise PreviewsError(
            "adopt-write",
            relative,
            why="a link leads out of the git repository",
            remedy="remove the link, and run this again",
        )
    try:
        if not path.exists():
            _put(path, text)
            return Change(path=relative, outcome="created")
        former = current(path)
        if former == text:
            return Change(path=relative, outcome="unchanged")
        lines = difflib.unified_diff(
            former.splitlines(),
            text.splitlines(),
            f"{relative} (now)",
            f"{relative} (proposed)",
            lineterm="",
        )
        difference = "\n".join(lines)
        if not replace(relative, difference):
            return Change(path=relative, outcome="kept", difference=difference)
        _put(path, text)
    except OSError as error:
        raise PreviewsError(
            "adopt-write",
            relative,
            why=f"it can't be read or written: {error.strerror or error}",
            remedy="correct its permissions, and run this again",
        ) from error
    return Change(path=relative, outcome="replaced", difference=difference)


def current(path: Path) -> str:
    """Return a file's text; a checkout on Windows has other line ends than the file in git."""
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")


def _put(path: Path, text: str) -> None:
    """Write a file at once, so that a kill leaves the former or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, newline="\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
