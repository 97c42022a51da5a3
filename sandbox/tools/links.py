"""One folder of links, so that one entry on PATH is enough."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def link_all(folder: Path, programs: Mapping[str, Path]) -> Path:
    """Make ``folder/<name>`` a link to each program; each is replaced in one step.

    Links that are right already are not touched, so a running shell or a second
    run never misses one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in programs.items():
        link = folder / name
        if link.is_symlink() and link.readlink() == target:
            continue
        temporary = folder / f".{name}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)
    return folder
