"""The files that a build may copy, without those that ``.dockerignore`` leaves out."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from sandbox.errors import SandboxError


def pattern_to_regex(pattern: str) -> re.Pattern[str]:
    """A path pattern: ``*`` and ``?`` within a name, ``[a-z]``, ``**`` across folders.

    Raises:
        ValueError: When a bracket is not closed.
    """
    regex, position = "", 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if pattern.startswith("**", position - 1):
            position += 1
            if pattern.startswith("/", position):
                position += 1
                regex += "(?:.*/)?"
            else:
                regex += ".*"
        elif character == "*":
            regex += "[^/]*"
        elif character == "?":
            regex += "[^/]"
        elif character == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                msg = f"the bracket of {pattern!r} is not closed"
                raise ValueError(msg)
            inner = pattern[position:end].replace("\\", "\\\\")
            regex += f"[{inner.replace('!', '^', 1) if inner.startswith('!') else inner}]"
            position = end + 1
        elif character == "\\" and position < len(pattern):
            regex += re.escape(pattern[position])
            position += 1
        else:
            regex += re.escape(character)
    return re.compile(regex, re.DOTALL)


class IgnoreRules:
    """A ``.dockerignore``: the last rule that matches a path or a folder above it decides."""

    def __init__(self, text: str) -> None:
        """Reads the rules.

        Raises:
            ValueError: For a pattern that can't be read.
        """
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        self._exceptions: list[str] = []
        for line in text.splitlines():
            rule = line.strip()
            if not rule or line.startswith("#"):
                continue
            excludes = not rule.startswith("!")
            pattern = str(PurePosixPath(rule.removeprefix("!").strip())).lstrip("/")
            if pattern in {"", "."}:
                continue
            self._rules.append((pattern_to_regex(pattern), excludes))
            if not excludes:
                self._exceptions.append(pattern)

    def excludes(self, path: str) -> bool:
        """Whether the context lacks that path, relative to its root."""
        excluded = False
        parts = path.split("/")
        prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        for regex, excludes in self._rules:
            if excludes != excluded and any(regex.fullmatch(prefix) for prefix in prefixes):
                excluded = excludes
        return excluded

    def excludes_all_below(self, folder: str) -> bool:
        """Whether nothing below an excluded folder can be let in again."""
        for exception in self._exceptions:
            literal = re.split(r"[*?\[\\]", exception, maxsplit=1)[0]
            if literal.startswith(f"{folder}/") or f"{folder}/".startswith(literal):
                return False
        return True


@dataclass(frozen=True)
class Entry:
    """A file, folder or link of the context."""

    path: Path
    status: os.stat_result


class BuildContext:
    """A folder, looked at once: a file that changes during a build is not noticed twice."""

    def __init__(self, root: Path, dockerfile: Path | None = None) -> None:
        """Reads the ignore file beside the Dockerfile, else the one at the context's root.

        Raises:
            SandboxError: When the folder or the ignore file can't be used.
        """
        if not root.is_dir():
            raise SandboxError(
                f"build context {root}",
                why="there is no such folder",
                remedy="pass the folder that the Dockerfile copies from",
            )
        self.root = root
        candidates = [root / ".dockerignore"]
        if dockerfile is not None:
            candidates.insert(0, dockerfile.with_name(f"{dockerfile.name}.dockerignore"))
        found = next((path for path in candidates if path.is_file()), None)
        try:
            self._rules = IgnoreRules(found.read_text(encoding="utf-8") if found else "")
        except ValueError as error:
            raise SandboxError(str(found), why=str(error), remedy="correct the pattern") from error

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every entry that is not ignored, by its path relative to the root, sorted."""
        return dict(self._walk(self.root, ""))

    def ignores(self, path: str) -> bool:
        """Whether ``.dockerignore`` leaves that path out."""
        return self._rules.excludes(path)

    def digest(self) -> str:
        """A digest of every file's name, mode and content; times and owners don't matter."""
        return content_digest((path, entry) for path, entry in self.entries.items())

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, Entry]]:
        with os.scandir(folder) as scanned:
            listed = sorted(scanned, key=lambda entry: entry.name)
        for found in listed:
            relative = prefix + found.name
            ignored = self._rules.excludes(relative)
            is_folder = found.is_dir(follow_symlinks=False)
            if not ignored:
                yield relative, Entry(Path(found.path), found.stat(follow_symlinks=False))
            if is_folder and not (ignored and self._rules.excludes_all_below(relative)):
                yield from self._walk(Path(found.path), f"{relative}/")


def content_digest(entries: Iterable[tuple[str, Entry]]) -> str:
    """A digest of names, kinds, permissions and contents.

    Raises:
        OSError: When a file can't be read.
    """
    digest = hashlib.sha256()
    for name, entry in entries:
        mode = entry.status.st_mode
        digest.update(f"{len(name)}:{name}:{mode:o}:".encode(errors="surrogateescape"))
        if stat.S_ISREG(mode):
            digest.update(f"{entry.status.st_size}:".encode())
            with entry.path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        elif stat.S_ISLNK(mode):
            digest.update(os.fsencode(entry.path.readlink()))
    return digest.hexdigest()
