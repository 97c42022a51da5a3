"""Programs that start a container's program, also in an image that hides the machine's.

They change the user, and wait until the starter lets the program continue. An image that shows the
machine has them at their usual paths. Another, such as one FROM scratch, sees copies below
``/dev``, with their loader and libraries.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from sandbox.containers.layers import find_in_layer, remove_tree
from sandbox.containers.machine import cache_folder

_SHELL: Final = "/bin/sh"
_SETPRIV: Final = "/usr/bin/setpriv"
_LIBRARY = re.compile(r"(?:=> |^\s*)(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
INSIDE: Final = "/dev/.gate"
"""Path of the copies in such a container."""


def shell(layers: Sequence[Path]) -> tuple[str, ...]:
    """Return the command of a shell in a container with these layers."""
    return _command(layers, _SHELL)


def setpriv(layers: Sequence[Path]) -> tuple[str, ...]:
    """Return the command of ``setpriv`` in a container with these layers."""
    return _command(layers, _SETPRIV)


def hides_machine(layers: Sequence[Path]) -> bool:
    """Return True if none of the machine's files are visible above these layers."""
    return any(find_in_layer(layer, "usr")[1] for layer in layers)


@cache
def copies() -> Path:
    """Return a folder of the programs, their loader and their libraries."""
    needed = [_SHELL, _SETPRIV]
    for program in (_SHELL, _SETPRIV):
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        needed += _LIBRARY.findall(listed.stdout)
    paths = sorted({Path(path) for path in needed})
    state = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    folder = cache_folder() / f"gate-{hashlib.sha256(repr(state).encode()).hexdigest()[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        made.chmod(0o755)
        for path in paths:
            name = "loader" if path.name.startswith("ld-") else path.name
            shutil.copyfile(path, made / name)
            (made / name).chmod(0o755)
        try:
            made.rename(folder)
        except OSError:  # Another process created it first.
            remove_tree(made)
            if not folder.is_dir():
                raise
    return folder


def _command(layers: Sequence[Path], program: str) -> tuple[str, ...]:
    if not hides_machine(layers):
        return (program,)
    name = os.path.basename(program)  # noqa: PTH119 - of a path inside
    return (f"{INSIDE}/loader", "--library-path", INSIDE, f"{INSIDE}/{name}")
