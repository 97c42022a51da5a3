"""COPY and ADD: selection of files, and writing them into a layer."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sandbox.containers.context import BuildContext, Entry, IgnoreRules, pattern_to_regex
from sandbox.containers.tree import SKELETON_MODES, ImageTree

_WILDCARDS = frozenset("*?[")
_EVERYTHING = IgnoreRules("")


@dataclass(frozen=True)
class CopyItem:
    """One entry to copy, with its path below the target."""

    relative: str
    entry: Entry


class Source(Protocol):
    """Source of files to copy."""

    def select(self, pattern: str) -> list[tuple[str, Entry]]:
        """Return the entries that match a source argument, with their paths.

        Raises:
            ValueError: Nothing matches.
        """

    def below(self, path: str) -> Iterable[tuple[str, Entry]]:
        """Yield the content of a folder that ``select`` returned, relative to it."""


class ContextSource:
    """Files of the build context."""

    def __init__(self, context: BuildContext) -> None:
        """Copy from a context."""
        self._context = context

    def select(self, pattern: str) -> list[tuple[str, Entry]]:
        """Return the entries that match a source argument, with their paths.

        Raises:
            ValueError: Nothing matches.
        """
        path = _inside(pattern)
        if not path:
            return [("", Entry(self._context.root, self._context.root.stat()))]
        if _WILDCARDS & set(path):
            regex = pattern_to_regex(path)
            found = [name for name in self._context.entries if regex.fullmatch(name)]
        else:
            found = [path] if self._has(path) else []
        if not found:
            raise ValueError(self._missing(pattern, path))
        return [self._follow(name) for name in found]

    def below(self, path: str) -> Iterator[tuple[str, Entry]]:
        """Yield the content of a folder that ``select`` returned, relative to it."""
        prefix = f"{path}/" if path else ""
        for name, entry in self._context.entries.items():
            if name.startswith(prefix):
                yield name.removeprefix(prefix), entry

    def _has(self, path: str) -> bool:
        entries = self._context.entries
        return path in entries or any(name.startswith(f"{path}/") for name in entries)

    def _follow(self, name: str) -> tuple[str, Entry]:
        entry = self._context.entries.get(name)
        if entry is None:
            # Ignored itself, but not all of its content.
            path = self._context.root / name
            return name, Entry(path, path.stat())
        if not stat.S_ISLNK(entry.status.st_mode):
            return name, entry
        target = os.path.normpath(os.path.join(os.path.dirname(name), entry.path.readlink()))  # noqa: PTH118, PTH120
        if target not in self._context.entries:
            msg = f"{name} is a link to {target}, which is not in the build context"
            raise ValueError(msg)
        return name, self._context.entries[target]

    def _missing(self, pattern: str, path: str) -> str:
        if self._context.ignores(path):
            return f"{pattern} is left out of the build context by .dockerignore"
        return f"there is no {pattern} in the build context {self._context.root}"


class ImageSource:
    """Files of another stage."""

    def __init__(self, tree: ImageTree, name: str) -> None:
        """Copy from the files of the stage ``name``."""
        self._tree = tree
        self._name = name

    def select(self, pattern: str) -> list[tuple[str, Entry]]:
        """Return the entries that match a source argument, with their paths.

        Raises:
            ValueError: Nothing matches.
        """
        found = []
        for path in self._tree.glob(pattern):
            place = self._tree.find(path)
            if place is not None:
                found.append((path, Entry(place, place.lstat())))
        if not found:
            msg = f"there is no {pattern} in {self._name}"
            raise ValueError(msg)
        return found

    def below(self, path: str) -> Iterator[tuple[str, Entry]]:
        """Yield the content of a folder that ``select`` returned, relative to it."""
        return self._tree.walk(path)


def gather(
    source: Source,
    patterns: Iterable[str],
    *,
    into_folder: bool,
    parents: bool = False,
    without: IgnoreRules = _EVERYTHING,
) -> list[CopyItem]:
    """Return all items that the source arguments of a COPY select.

    With ``into_folder`` a file keeps its name below the target; else it becomes the target (an
    empty ``relative``). Of a folder, the content is copied without the folder itself. With
    ``parents`` everything keeps its path after the pivot ``./``, if there is one.

    Raises:
        ValueError: An argument matches nothing, or several files would become one.
    """
    items = []
    for pattern in patterns:
        before, found, _ = pattern.partition("/./")
        pivot = os.path.normpath(before.lstrip("/")) if found else ""
        for path, entry in source.select(pattern):
            kept = path.removeprefix(f"{pivot}/") if parents else ""
            if stat.S_ISDIR(entry.status.st_mode):
                items.append(CopyItem(kept, entry))
                items += [
                    CopyItem(f"{kept}/{name}" if kept else name, inner)
                    for name, inner in source.below(path)
                    if not without.excludes(name)
                ]
            elif not without.excludes(name := path.rpartition("/")[2]):
                items.append(CopyItem(kept or (name if into_folder else ""), entry))
    files = [item for item in items if not item.relative and not _is_folder(item.entry)]
    if files and len(items) > 1:
        msg = "several files are copied, and the target is no folder"
        raise ValueError(msg)
    return items


@dataclass(frozen=True)
class Owner:
    """Owner of the copied files; None keeps the source's."""

    uid: int
    gid: int


class LayerWriter:
    """Writes entries into a new layer on an image."""

    def __init__(
        self, folder: Path, tree: ImageTree, *, owner: Owner | None, mode: int | None, links: Path
    ) -> None:
        """Write into ``folder``.

        Args:
            folder: The new layer.
            tree: The image below, whose links and folders' permissions are kept.
            owner: Owner of the written files.
            mode: Permissions of the written files; None keeps the source's.
            links: Folder whose files never change, so that they are linked instead of copied.
        """
        self._folder = folder
        self._tree = tree
        self._owner = owner
        self._mode = mode
        self._links = str(links)
        self._resolved: dict[str, str] = {}

    def write(self, target: str, items: Iterable[CopyItem]) -> None:
        """Write items at or below a path of the image.

        Raises:
            ValueError: An entry is of a type that an image can't hold.
        """
        for item in items:
            path = f"{target}/{item.relative}".strip("/") if item.relative else target.strip("/")
            parent, _, name = path.rpartition("/")
            if _is_folder(item.entry):
                self._make_folder(self._resolve(path), item.entry if item.relative else None)
            else:
                folder = self._resolve(parent)
                self._make_folder(folder, None)
                self._write_file(self._folder / folder / name, item.entry)

    def make_folder(self, path: str, *, mode: int = 0o755) -> None:
        """Create a folder and its parents where the image has none."""
        self._make_folder(self._resolve(path.strip("/")), None, mode)

    def _resolve(self, path: str) -> str:
        if path not in self._resolved:
            self._resolved[path] = self._tree.resolve(path)
        return self._resolved[path]

    def _make_folder(self, path: str, entry: Entry | None, mode: int = 0o755) -> None:
        place = self._folder / path
        if not path or (place.is_dir() and entry is None):
            return
        self._make_folder(path.rpartition("/")[0], None)
        place.mkdir(exist_ok=True)
        below = self._tree.status(path)
        if entry is not None:
            self._dress(place, entry.status)
        elif below is not None:
            _set(place, stat.S_IMODE(below.st_mode), below.st_uid, below.st_gid)
        else:
            uid, gid = (self._owner.uid, self._owner.gid) if self._owner else (0, 0)
            _set(place, SKELETON_MODES.get(path, mode), uid, gid)

    def _write_file(self, place: Path, entry: Entry) -> None:
        place.unlink(missing_ok=True)
        kind = entry.status.st_mode
        if stat.S_ISLNK(kind):
            place.symlink_to(entry.path.readlink())
            self._dress(place, entry.status)
        elif not stat.S_ISREG(kind):
            msg = f"{entry.path} is neither a file, a folder nor a link"
            raise ValueError(msg)
        elif not (self._may_link(entry) and _link(entry.path, place)):
            shutil.copyfile(entry.path, place)
            self._dress(place, entry.status)
            os.utime(place, ns=(entry.status.st_atime_ns, entry.status.st_mtime_ns))

    def _may_link(self, entry: Entry) -> bool:
        status = entry.status
        keeps_owner = os.geteuid() != 0 or self._owner in (
            None,
            Owner(status.st_uid, status.st_gid),
        )
        keeps_mode = self._mode in (None, stat.S_IMODE(status.st_mode))
        return keeps_owner and keeps_mode and str(entry.path).startswith(f"{self._links}/")

    def _dress(self, place: Path, status: os.stat_result) -> None:
        owner = self._owner or Owner(status.st_uid, status.st_gid)
        mode = stat.S_IMODE(status.st_mode) if self._mode is None else self._mode
        _set(place, mode, owner.uid, owner.gid)


def _set(place: Path, mode: int, uid: int, gid: int) -> None:
    # Without root, all files of an image are the user's, and appear as the container user's.
    if os.geteuid() == 0:
        os.chown(place, uid, gid, follow_symlinks=False)
    if not place.is_symlink():
        place.chmod(mode)


def _link(source: Path, place: Path) -> bool:
    try:
        place.hardlink_to(source)
    except OSError:
        return False  # Another file system, or too many links: copy instead.
    return True


def _is_folder(entry: Entry) -> bool:
    return stat.S_ISDIR(entry.status.st_mode)


def _inside(pattern: str) -> str:
    path = os.path.normpath(pattern.lstrip("/") or ".")
    if path == ".." or path.startswith("../"):
        msg = f"{pattern} lies outside the build context"
        raise ValueError(msg)
    return "" if path == "." else path
