"""Download of released binaries that are pinned, if their host can be reached.

``released.toml`` pins archives by their names. One that is not pinned is not downloaded: its tool
is built.
"""

from __future__ import annotations

import fnmatch
import hashlib
import platform
import re
import shutil
import tarfile
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event

import httpx

from sandbox.errors import SandboxError
from sandbox.tools.progress import Report

PINS = Path(__file__).with_name("released.toml")

_HEAD = """\
# SHA-256 of released archives, from their publishers. `sandbox tools --pin` writes this file.
"""
_TIMEOUT = httpx.Timeout(10, connect=3)
_SECONDS = 600
_LARGEST = 512 * 2**20


@dataclass(frozen=True)
class Release:
    """The archives of one release, one for each architecture.

    Attributes:
        place: URL of the folder of the archives and their checksums.
        archive: Name of an archive, with ``{}`` for the architecture.
        checksums: Name of the file of checksums.
        kept: Globs of the names of programs in the archive.
        amd64: Name of x86_64 in the archives' names.
    """

    place: str
    archive: str
    checksums: str
    kept: tuple[str, ...]
    amd64: str = "amd64"

    @property
    def archives(self) -> dict[str, str]:
        """Archive of each architecture, by the kernel's name for it."""
        return {
            "x86_64": self.archive.format(self.amd64),
            "aarch64": self.archive.format("arm64"),
        }

    @property
    def pin(self) -> str | None:
        """Checksum of this machine's archive; None if it is not pinned."""
        return pins().get(self.archives.get(platform.machine(), ""))


def pins() -> dict[str, str]:
    """Return the checksums of pinned archives by name."""
    return tomllib.loads(PINS.read_text())


def download(release: Release, binaries: Path, report: Report, ended: Event) -> bool:
    """Download the programs of a release into the folder ``binaries``.

    Args:
        release: Release to download.
        binaries: Folder to create; empty if nothing is downloaded.
        report: Receives the progress, or the reason why nothing is downloaded.
        ended: Event that ends the download.

    Returns:
        True if they were downloaded. False if no archive is pinned for this machine, or its host
        does not return it.

    Raises:
        SandboxError: The download does not have the pinned checksum.
    """
    binaries.mkdir(parents=True, exist_ok=True)
    pinned = release.pin
    if pinned is None:
        return False
    name = release.archives[platform.machine()]
    archive = binaries / name
    try:
        found = _fetch(f"{release.place}/{name}", archive, report, ended)
    except httpx.HTTPError as error:
        archive.unlink(missing_ok=True)
        report.message(f"{name} can't be downloaded ({_reason(error)}); building it instead")
        return False
    if found != pinned:
        raise SandboxError(
            f"download of {release.place}/{name}",
            why=f"its SHA-256 is {found}, and {PINS.name} pins {pinned}",
            remedy="don't use it: its publisher or an attacker replaced it. Compare"
            f" with {release.place}/{release.checksums}; without its line in {PINS} the tool is"
            " built instead.",
        )
    _unpack(archive, release.kept, binaries)
    archive.unlink()
    return True


def _fetch(url: str, archive: Path, report: Report, ended: Event) -> str:
    report.step("downloading")
    latest = time.monotonic() + _SECONDS
    digest = hashlib.sha256()
    with (
        httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as answer,
        archive.open("wb") as file,
    ):
        total = int(answer.raise_for_status().headers.get("content-length", 0))
        for chunk in answer.iter_bytes():
            if time.monotonic() > latest:
                raise httpx.ReadTimeout(f"it was not complete after {_SECONDS} s")
            if file.tell() + len(chunk) > _LARGEST or ended.is_set():
                break  # An incomplete archive fails the checksum.
            file.write(chunk)
            digest.update(chunk)
            report.downloaded(file.tell(), total)
    return digest.hexdigest()


def _unpack(archive: Path, kept: tuple[str, ...], binaries: Path) -> None:
    missing = set(kept)
    with tarfile.open(archive) as members:
        for member in members:
            name = PurePosixPath(member.name).name
            matched = {pattern for pattern in kept if fnmatch.fnmatch(name, pattern)}
            content = members.extractfile(member) if matched and member.isfile() else None
            if content is None:
                continue
            with (binaries / name).open("wb") as program:
                shutil.copyfileobj(content, program)
            (binaries / name).chmod(0o755)
            missing -= matched
    if missing:
        raise SandboxError(
            f"archive {archive.name}",
            why=f"it is the pinned one, and has no file {' or '.join(sorted(missing))}",
            remedy="correct `kept` in the recipe of its tool.",
        )


def pin(releases: Iterable[Release]) -> None:
    """Write the publishers' checksums of ``releases``, and no others.

    Raises:
        SandboxError: A publisher can't be reached, or has another checksum than the pinned one;
            those pins stay as they are, and all others are written.
    """
    before = pins()
    after: dict[str, str] = {}
    wrong: list[str] = []
    for release in releases:
        url = f"{release.place}/{release.checksums}"
        names = set(release.archives.values())
        try:
            answer = httpx.get(url, timeout=_TIMEOUT, follow_redirects=True).raise_for_status()
            lines = re.findall(r"^([0-9a-f]{64}) [ *](\S+)$", answer.text, re.MULTILINE)
            found = {name: checksum for checksum, name in lines if name in names}
            problem = "" if found.keys() == names else "it does not contain every archive"
        except httpx.HTTPError as error:
            found, problem = {}, _reason(error)
        pinned = {name: before[name] for name in names & before.keys()}
        if any(pinned[name] != found[name] for name in pinned.keys() & found.keys()):
            problem = "a pinned archive was replaced, which publishers don't do"
        wrong += [f"{url}: {problem}"] if problem else []
        after |= pinned if problem else found
    PINS.write_text(_HEAD + "".join(f'"{name}" = "{after[name]}"\n' for name in sorted(after)))
    if wrong:
        raise SandboxError(
            "pinning of releases",
            why="\n  ".join(["these pins stay as they were:", *wrong]),
            remedy="run this where those hosts are reachable; ask the publisher about differences.",
        )


def _reason(error: httpx.HTTPError) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
