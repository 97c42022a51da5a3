"""Files that change all at once, in the layout of the kubelet's volumes.

``..data`` is a link to a folder with the present files, and every file a link through it;
replacing that one link replaces them all. Programs that watch for changes know this layout.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from sandbox.node.payload import Payload

_DATA = "..data"


def write(folder: Path, payload: Payload, *, group: int | None) -> bool:
    """Make ``folder`` show exactly ``payload``; False when it already did.

    Args:
        folder: The volume's folder, which exists.
        payload: The files.
        group: The Pod's ``fsGroup``.
    """
    current = folder / _DATA
    if current.exists() and _read(current) == {
        path: (file.content, effective_mode(file.mode, group)) for path, file in payload.items()
    }:
        return False
    version = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    version.chmod(0o755)
    for path, file in payload.items():
        _write_one(version, path, file.content, effective_mode(file.mode, group), group)
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(version.name)
    link.replace(current)
    _link_entries(folder, {path.split("/")[0] for path in payload})
    for old in folder.glob("..*"):
        if old.is_dir() and not old.is_symlink() and old != version:
            shutil.rmtree(old)
    return True


def effective_mode(mode: int, group: int | None) -> int:
    """A file's mode, given the Pod's ``fsGroup``.

    The kubelet lets the group read. A process here has one group only, so what the group may
    everybody may: only this Pod's containers, all of them in the fsGroup, see the folder.
    """
    if group is None:
        return mode
    mode |= 0o440
    return mode | (mode & 0o070) >> 3


def give_group(path: Path, group: int | None) -> None:
    """Hand ``path`` to the fsGroup, where this user may; otherwise all is one user's anyway."""
    if group is not None and os.geteuid() == 0:
        os.chown(path, -1, group, follow_symlinks=False)


def _write_one(root: Path, path: str, content: bytes, mode: int, group: int | None) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    give_group(target, group)
    target.chmod(mode)


def _link_entries(folder: Path, names: set[str]) -> None:
    for entry in folder.iterdir():
        if entry.is_symlink() and entry.name != _DATA and entry.name not in names:
            entry.unlink()
    for name in names:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{_DATA}/{name}")


def _read(link: Path) -> dict[str, tuple[bytes, int]]:
    root = link.resolve()
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o7777)
        for path in root.rglob("*")
        if path.is_file()
    }
