"""Files that are replaced in one step, and files that an attacker may have written."""

from __future__ import annotations

import os
import stat
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


def read_untrusted(file: Path, *, largest: int) -> bytes:
    """Return the content of a regular file of limited size, without following a link.

    Raises:
        OSError: It is something else, or larger.
    """
    # Without O_NONBLOCK, the opening of a pipe waits for its writer.
    opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as stream:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError("it is no regular file")
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise OSError(f"it is larger than {largest // 1024} KiB")
    return content
