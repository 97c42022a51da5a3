"""Files that a build may copy, without those that ``.dockerignore`` excludes."""

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
    """Translate a path pattern: ``*`` and ``?`` within a name, ``[a-z]``, ``**`` across folders.

    Raises:
        ValueError: A bracket is not closed.
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
    """Rules of a ``.dockerignore``; the last that matches a path or a parent folder applies."""

    def __init__(self, text: str) -> None:
        """Parse the rules.

        Raises:
            ValueError: A pattern is invalid.
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
        """Return True if a path relative to the context's root is excluded."""
        excluded = False
        parts = path.split("/")
        prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        for regex, excludes in self._rules:
            if excludes != excluded and any(regex.fullmatch(prefix) for prefix in prefixes):
                excluded = excludes
        return excluded

    def excludes_all_below(self, folder: str) -> bool:
        """Return True if no rule can include a path below an excluded folder again."""
        for exception in self._exceptions:
            literal = re.split(r"[*?\[\\]", exception, maxsplit=1)[0]
            if literal.startswith(f"{folder}/") or f"{folder}/".startswith(literal):
                return False
        return True


@dataclass(frozen=True)
class Entry:
    """File, folder or link of the context."""

    path: Path
    status: os.stat_result


class BuildContext:
    """Folder of a build, listed once: changes during the build do not count."""

    def __init__(self, root: Path, dockerfile: Path | None = None) -> None:
        """Read the ignore file beside the Dockerfile, or else the one at the context's root.

        Raises:
            SandboxError: The folder or the ignore file can't be used.
        """
        if not root.is_dir():
            raise SandboxError(
                f"build context {root}",
                why="the folder does not exist",
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
        """Entries that are not ignored, by path relative to the root, sorted."""
        return dict(self._walk(self.root, ""))

    def ignores(self, path: str) -> bool:
        """Return True if ``.dockerignore`` excludes a path."""
        return self._rules.excludes(path)

    def digest(self) -> str:
        """Return a digest of all files' names, modes and contents, without times and owners."""
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
    """Return a digest of entries' names, types, permissions and contents.

    Raises:
        OSError: A file can't be read.
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
