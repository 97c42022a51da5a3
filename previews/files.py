"""Files that are replaced in one step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_at_once(path: Path, text: str) -> None:
    """Write a file and its folders, so that a kill or a reader meanwhile finds the former or all.

    Raises:
        OSError: It can't be written; nothing is left of the attempt.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, newline="\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
