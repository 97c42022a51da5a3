"""Files of an image as its processes see them, read without a mount."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from sandbox.containers.context import Entry, pattern_to_regex
from sandbox.containers.layers import find_in_layer, is_opaque, is_whiteout
from sandbox.containers.machine import BaseImage
from sandbox.errors import SandboxError

_MOST_LINKS: Final = 40  # The kernel's limit.
_SKELETON_LINKS: Final = {"var/run": "/run"}
SKELETON_MODES: Final = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
"""Folders of the skeleton whose permissions are not 0755."""


class ImageTree:
    """Layers of an image on the machine; all paths are relative to the root."""

    def __init__(self, layers: Sequence[Path], base: BaseImage) -> None:
        """Read unpacked layers, top first."""
        self._layers = layers
        self._base = base
        self._links = {**_SKELETON_LINKS, **base["links"]}
        self._hidden = frozenset(base["hidden"])
        # Folders of the machine within others.
        self._seams = {*base["folders"], *(["usr/local"] if base["python"] else [])}

    def find(self, path: str) -> Path | None:
        """Return the path on this machine of a resolved path, or None if the image lacks it."""
        found, hides = self._find_in_layers(path)
        return found if found is not None or hides else self._find_in_machine(path)

    def read_over(self, path: str, machine: bytes) -> bytes:
        """Return the content of a resolved path; ``machine`` if no layer has or hides it."""
        found, hides = self._find_in_layers(path)
        return found.read_bytes() if found is not None else b"" if hides else machine

    def _find_in_layers(self, path: str) -> tuple[Path | None, bool]:
        for layer in self._layers:
            found, hides = find_in_layer(layer, path)
            if found is not None or hides:
                return found, hides
        return None, False

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of a resolved path, without following a link."""
        found = self.find(path)
        return None if found is None else found.lstat()

    def is_folder(self, path: str) -> bool:
        """Return True if a resolved path is a folder of the image."""
        status = self.status(path)
        return path in SKELETON_MODES or (status is not None and stat.S_ISDIR(status.st_mode))

    def resolve(self, path: str) -> str:
        """Return the path without links, ``.`` and ``..``; missing components stay as they are.

        Raises:
            SandboxError: Links form a loop.
        """
        done: list[str] = []
        left = list(reversed(path.split("/")))
        links = 0
        while left:
            part = left.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                del done[-1:]
                continue
            target = self._link("/".join([*done, part]))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise SandboxError(
                    f"path /{path} of the image",
                    why="its symbolic links form a loop",
                    remedy="correct the instruction that made them",
                )
            done = [] if target.startswith("/") else done
            left += reversed(target.split("/"))
        return "/".join(done)

    def names(self, folder: str) -> list[str]:
        """Return the names in a resolved folder, sorted."""
        return [name for name, _ in self._children(folder, self._folders(folder))]

    def walk(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Yield everything below a resolved folder, folders before their content."""
        yield from self._walk(folder, self._folders(folder), "")

    def _walk(self, folder: str, layered: list[Path], prefix: str) -> Iterator[tuple[str, Entry]]:
        for name, entry in self._children(folder, layered):
            yield prefix + name, entry
            if stat.S_ISDIR(entry.status.st_mode):
                path = f"{folder}/{name}".lstrip("/")
                below = self._folders(path) if path in self._seams else _descend(layered, name)
                yield from self._walk(path, below, f"{prefix}{name}/")

    def _children(self, folder: str, layered: list[Path]) -> list[tuple[str, Entry]]:
        seen: dict[str, Entry | None] = {}
        for path in layered:
            for name in os.listdir(path):  # noqa: PTH208 - thousands of names, no need of paths
                if name in seen:
                    continue
                entry = Entry(path / name, (path / name).lstat())
                hidden = is_whiteout(entry.status) or f"{folder}/{name}" in self._hidden
                seen[name] = None if hidden else entry
        return [(name, entry) for name, entry in sorted(seen.items()) if entry is not None]

    def _folders(self, path: str) -> list[Path]:
        """Return the folders that are merged at a resolved path, top first."""
        folders = []
        for layer in self._layers:
            found, hides = find_in_layer(layer, path)
            if found is not None and found.is_dir():
                folders.append(found)
            if hides:
                return folders
        machine = self._find_in_machine(path)
        return [*folders, machine] if machine is not None and machine.is_dir() else folders

    def origins(self, path: str) -> list[Path]:
        """Return the layers that contain or hide a resolved path, top first."""
        origins = []
        for layer in self._layers:
            found, hides = find_in_layer(layer, path)
            if found is not None or hides:
                origins.append(layer)
            if hides:
                break
        return origins

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern, sorted.

        Raises:
            ValueError: The pattern is invalid.
        """
        paths = [""]
        for part in PurePosixPath(pattern.strip("/")).parts:
            if not any(character in part for character in "*?["):
                paths = [self.resolve(f"{path}/{part}") for path in paths]
                continue
            regex = pattern_to_regex(part)
            paths = [
                f"{path}/{name}".lstrip("/")
                for path in paths
                if self.is_folder(path)
                for name in self.names(path)
                if regex.fullmatch(name)
            ]
        return [path for path in paths if self.find(path) is not None]

    def _link(self, path: str) -> str | None:
        found, hides = self._find_in_layers(path)
        found = found if found is not None or hides else self._find_in_machine(path)
        if found is not None and found.is_symlink():
            return str(found.readlink())
        return self._links.get(path) if found is None and not hides else None

    def _find_in_machine(self, path: str) -> Path | None:
        if path in self._hidden:
            return None
        prefix = self._base["python"]
        if prefix and f"{path}/".startswith("usr/local/"):
            found = Path(prefix, path.removeprefix("usr/local").lstrip("/"))
        elif any(f"{path}/".startswith(f"{folder}/") for folder in self._base["folders"]):
            found = Path("/", path)
        else:
            return None
        return found if os.path.lexists(found) else None


def _descend(folders: list[Path], name: str) -> list[Path]:
    below = []
    for folder in folders:
        path = folder / name
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISDIR(status.st_mode):
            break
        below.append(path)
        if is_opaque(path):
            break
    return below
