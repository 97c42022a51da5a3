"""The source of a stack: commit, repository and expiry.

Everything comes from the stack's configuration or from the git checkout, never from the clock:
running the program twice on the same checkout declares the same resources.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from infra.errors import ProgramError

# Pulumi itself writes a stack's salt and settings into these; no image contains them.
_NOT_SOURCE = (
    ":(exclude,glob)Pulumi.*.yaml",
    ":(top,exclude,glob)Pulumi.*.yaml",
    ":(top,exclude,glob)apps/*/Pulumi.*.yaml",
)
_REMOTE = re.compile(r"[:/](?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?$", re.ASCII)
_URL = re.compile(r"(?:\w+://|[\w.-]+@)[\w.@-]+(?::\d+)?[:/]", re.ASCII)

NEVER = "never"


@dataclass(frozen=True)
class Source:
    """The source of a stack.

    Attributes:
        commit: Hash of the commit; ``<hash>-<8 hex digits>`` when the working tree differs from it.
        repository: ``owner/name``.
        expires: Time after which the sweep may destroy the stack, RFC 3339 in UTC, or ``never``.
    """

    commit: str
    repository: str
    expires: str

    @property
    def short_commit(self) -> str:
        """First 12 digits of the commit, with the working tree's 8 if it differs."""
        revision, *tree = self.commit.split("-")
        return "-".join([revision[:12], *tree])


@dataclass(frozen=True)
class Checkout:
    """A git checkout, read by ``git`` alone and never changed.

    Attributes:
        folder: A folder in it.
    """

    folder: Path

    def commit(self) -> str:
        """Return the hash of HEAD, followed by a hash of the working tree when that differs.

        All of the repository counts and not only the folder: an app's images may be built from
        more, such as a library beside it.

        Raises:
            ProgramError: Git, the checkout or a commit is missing.
        """
        head = self._git("rev-parse", "--verify", "HEAD", key="commit").decode().strip()
        changed = self._git(
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--",
            ":(top)",
            *_NOT_SOURCE,
            key="commit",
        )
        return f"{head}-{self._tree_hash(changed)}" if changed else head

    def commit_time(self) -> datetime:
        """Return the time of HEAD (the committer's date, which a rebase changes).

        Raises:
            ProgramError: Git, the checkout or a commit is missing.
        """
        stamp = self._git("log", "-1", "--format=%ct", key="expires")
        return datetime.fromtimestamp(int(stamp), tz=UTC)

    def repository(self) -> str:
        """Return ``owner/name`` of the remote ``origin``, or ``local/<folder>``."""
        try:
            remote = self._git("config", "--get", "remote.origin.url", key="repository")
        except ProgramError:
            return f"local/{self.folder.name}"
        url = remote.decode().strip()
        match = _REMOTE.search(url)
        if match is None or not _URL.match(url):
            return f"local/{self.folder.name}"
        return f"{match['owner']}/{match['name']}"

    def _tree_hash(self, changed: bytes) -> str:
        """Return eight digits that change with any file that git does not ignore.

        Args:
            changed: ``git status --porcelain=v1 -z`` without renames: entries ``XY path``.
        """
        digest = hashlib.sha256()
        # Git names paths from the repository's root, of which an app may be a folder.
        top = Path(self._git("rev-parse", "--show-toplevel", key="commit").decode().rstrip("\n"))
        for entry in changed.split(b"\0"):
            if not entry:
                continue
            path = top / entry[3:].decode("utf-8", "surrogateescape")
            digest.update(entry + b"\0")
            if path.is_symlink():
                digest.update(str(path.readlink()).encode("utf-8", "surrogateescape"))
            elif path.is_file():
                digest.update(b"x" if path.stat().st_mode & 0o100 else b"-")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:8]

    def _git(self, *arguments: str, key: str) -> bytes:
        """Run git in the checkout; a failure names the config key that makes it unnecessary."""
        remedy = (
            f"run Pulumi in a git checkout with at least one commit, or set it: "
            f"`pulumi config set previews:{key} <value>`"
        )
        try:
            return subprocess.run(
                ["git", "--no-optional-locks", *arguments],
                cwd=self.folder,
                check=True,
                capture_output=True,
            ).stdout
        except FileNotFoundError as error:
            what = f"config previews:{key}"
            raise ProgramError(
                what, why="not set, and git is not installed", remedy=remedy
            ) from error
        except subprocess.CalledProcessError as error:
            what = f"config previews:{key}"
            output = (
                error.stderr.decode(errors="replace").strip() or f"exit code {error.returncode}"
            )
            why = f"not set, and git can't read it from {self.folder}: {output}"
            raise ProgramError(what, why=why, remedy=remedy) from error


CHECKOUT = Checkout(Path(__file__).resolve().parents[1])
"""Checkout that the program itself is in."""


def app_folder(source: str) -> Path:
    """Return the folder of an app.

    Args:
        source: Value of ``previews:source``: relative to the program's checkout.

    Raises:
        ProgramError: There is no such folder.
    """
    folder = (CHECKOUT.folder / source).resolve()
    if folder.is_dir():
        return folder
    raise ProgramError(
        "config previews:source",
        why=f"there is no folder {folder}",
        remedy="run `previews --app FOLDER`, which writes apps/<app>/Pulumi.yaml",
    )


class Sourced(Protocol):
    """Keys of a configuration that name the source."""

    @property
    def commit(self) -> str | None:
        """The commit."""

    @property
    def repository(self) -> str | None:
        """The repository."""

    @property
    def source(self) -> str:
        """The app's folder."""
        ...


def read_app_source(
    config: Sourced,
    *,
    expires: datetime | None = None,
    ttl_days: int | None = None,
) -> Source:
    """Return the source of an app as configured, and the rest from its checkout.

    Raises:
        ProgramError: As in `read_source` and `app_folder`.
    """
    return read_source(
        Checkout(app_folder(config.source)),
        commit=config.commit,
        repository=config.repository,
        expires=expires,
        ttl_days=ttl_days,
    )


def read_source(
    checkout: Checkout,
    *,
    commit: str | None = None,
    repository: str | None = None,
    expires: datetime | None = None,
    ttl_days: int | None = None,
) -> Source:
    """Return the source as configured, and the rest from the checkout.

    Args:
        checkout: Checkout, read only for missing values.
        commit: Commit, in the form of `Source.commit`.
        repository: ``owner/name``.
        expires: Time after which the sweep may destroy the stack.
        ttl_days: Days from the commit to the expiry; None for a stack that never expires.

    Raises:
        ProgramError: A value is neither configured nor in git; names the key to set.
    """
    if expires is None and ttl_days is not None:
        expires = checkout.commit_time() + timedelta(days=ttl_days)
    return Source(
        commit=commit or checkout.commit(),
        repository=repository or checkout.repository(),
        expires=NEVER if expires is None else _rfc3339(expires),
    )


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
