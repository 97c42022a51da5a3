"""This machine as the image that every Dockerfile starts FROM.

What an image built from ``python:3.x-slim`` would have: the distribution's programs, Python and
pip at ``/usr/local``, no user's data, no package that someone installed besides. ``/var``,
``/home``, ``/root`` and ``/opt`` are empty.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import TypedDict

from sandbox.containers.layers import remove_tree

# Merged into /usr on some distributions (then links), folders of their own on others.
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc")
_ACCOUNT_FILES = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
_FORMAT = 2  # Of the folder that is made below; another one gets another folder.
_SKELETON = (
    *("dev", "proc", "sys", "run", "home", "opt", "srv", "mnt", "media", "usr", "etc"),
    *("var", "var/cache", "var/lib", "var/log", "var/spool"),
)
# What the official Python image installs, and what belongs to the interpreter itself.
_PACKAGES = re.compile(r"(pip|setuptools|wheel|_distutils_hack|distutils-precedence|README)\b.*")
_PROGRAMS = re.compile(r"(python|pip|pydoc|idle|2to3|easy_install|wheel)[\d.]*(-config|t)?")


class BaseImage(TypedDict):
    """What of this machine stands in for the image that a Dockerfile starts FROM.

    Attributes:
        folders: Top-level folders shown from the machine ("usr", "etc").
        links: Top-level links of the machine ("bin" to "usr/bin").
        python: Folder shown at ``/usr/local``, or None when the interpreter is ``/usr``'s.
        files: Path inside the container to the content that replaces the machine's.
        symlinks: Path inside the container to the target of a link added to the machine's.
        hidden: Paths inside the container that the machine has and an image has not.
    """

    folders: list[str]
    links: dict[str, str]
    python: str | None
    files: dict[str, bytes]
    symlinks: dict[str, str]
    hidden: list[str]


@cache
def base_image() -> BaseImage:
    """Describes the machine; the same for every container of this process."""
    root = Path("/")
    links = {
        name: str((root / name).readlink()) for name in _TOP_LEVEL if (root / name).is_symlink()
    }
    folders = [name for name in _TOP_LEVEL if name not in links and (root / name).is_dir()]
    base = BaseImage(
        folders=folders,
        links=links,
        python=None,
        files=_accounts(),
        symlinks={},
        # Locks and backups that only the machine's root may write: useradd makes its own.
        hidden=["etc/.pwd.lock", *(f"etc/{name}-" for name in _ACCOUNT_FILES)],
    )
    _resolver(base)
    _python(base, Path(sys.base_prefix))
    return base


def parts_of(base: BaseImage) -> list[str]:
    """The folders that are overlays of their own, parents first, after the root ("")."""
    return [*base["folders"], *(["usr/local"] if base["python"] else [])]


def lent_folder(part: str) -> str:
    """The machine's folder that a container sees at ``part``."""
    return (part == "usr/local" and base_image()["python"]) or f"/{part}"


@cache
def base_folder() -> Path:
    """A folder with the skeleton of a root, and with what replaces or hides files of the machine.

    Kept in the cache of the tools: it is the same for every checkout, and never changes.
    """
    base = base_image()
    cache = Path(os.environ.get("SANDBOX_CACHE", "~/.cache/preview-sandbox")).expanduser()
    known = hashlib.sha256(repr((_FORMAT, sorted(base.items()))).encode()).hexdigest()[:16]
    folder = cache.resolve() / "machine" / known / "base"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        made.chmod(0o755)
        _make_skeleton(made, base)
        _make_replacements(made, base)
        try:
            made.rename(folder)
        except OSError:  # Another process made it first.
            remove_tree(made)
            if not folder.is_dir():
                raise
    return folder


def _make_skeleton(folder: Path, base: BaseImage) -> None:
    for name in dict.fromkeys([*_SKELETON, *base["folders"]]):
        (folder / name).mkdir(mode=0o755)
    (folder / "root").mkdir(mode=0o700)
    for name in ("tmp", "var/tmp"):
        (folder / name).mkdir()
        (folder / name).chmod(0o1777)
    (folder / "var/run").symlink_to("../run")  # Within the root while it is put together.
    for name, target in base["links"].items():
        (folder / name).symlink_to(target)


def _make_replacements(folder: Path, base: BaseImage) -> None:
    for path in (*base["files"], *base["symlinks"], *base["hidden"]):
        (folder / path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    for path, content in base["files"].items():
        (folder / path).write_bytes(content)
        mode = 0o755 if content.startswith(b"#!") else 0o600 if "shadow" in path else 0o644
        (folder / path).chmod(mode)
    for path, target in base["symlinks"].items():
        (folder / path).symlink_to(target)
    for path in base["hidden"]:
        os.mknod(folder / path, stat.S_IFCHR, 0)  # overlayfs's whiteout


@cache
def fingerprint() -> str:
    """Changes when an image that was built on this machine may no longer run on it."""
    release = Path("/etc/os-release")
    known = (sys.version, sys.base_prefix, release.read_text() if release.is_file() else "")
    return hashlib.sha256("\0".join(known).encode()).hexdigest()


def _accounts() -> dict[str, bytes]:
    """The machine's accounts, each without a password and readable by whoever builds."""
    files = {"etc/subuid": b"", "etc/subgid": b""}
    for name, shadow, line in (
        ("passwd", "shadow", "{}:*:19000:0:99999:7:::\n"),
        ("group", "gshadow", "{}:*::\n"),
    ):
        path = Path("/etc", name)
        content = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        names = [entry.split(":")[0] for entry in content.splitlines() if ":" in entry]
        files[f"etc/{name}"] = content.encode()
        files[f"etc/{shadow}"] = "".join(line.format(entry) for entry in names).encode()
    return files


def _resolver(base: BaseImage) -> None:
    # systemd-resolved keeps the file below /run, which a container does not see.
    path = Path("/etc/resolv.conf")
    if path.is_symlink() and path.is_file():
        base["files"]["etc/resolv.conf"] = path.read_bytes()


def _python(base: BaseImage, prefix: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if prefix == Path("/usr"):
        # Debian's interpreter: the names that the official image has at /usr/local/bin.
        for name in ("python", "python3", version):
            if not Path("/usr/local/bin", name).exists():
                base["symlinks"][f"usr/local/bin/{name}"] = f"/usr/bin/{version}"
        return
    base["python"] = str(prefix)
    _programs(base, prefix)
    packages = prefix / "lib" / version / "site-packages"
    if packages.is_dir():
        base["hidden"] += [
            f"usr/local/lib/{version}/site-packages/{entry.name}"
            for entry in sorted(packages.iterdir())
            if not _PACKAGES.fullmatch(entry.name)
        ]
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        _shared_library(base, str(sysconfig.get_config_var("INSTSONAME")))


def _shared_library(base: BaseImage, name: str) -> None:
    """Leads every place where the loader looks to the interpreter's own library.

    The interpreter names its own prefix, which is elsewhere inside; the loader then takes the
    distribution's library of the same name, which is another patch release of Python.
    """
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or "")
    for folder in ("lib", "lib64", f"lib/{multiarch}"):
        if Path("/usr", folder).is_dir():
            base["symlinks"][f"usr/{folder.rstrip('/')}/{name}"] = f"/usr/local/lib/{name}"


def _programs(base: BaseImage, prefix: Path) -> None:
    """Hides what packages installed, and lets pip's scripts find the interpreter inside."""
    for entry in sorted((prefix / "bin").iterdir()):
        name = f"usr/local/bin/{entry.name}"
        if not _PROGRAMS.fullmatch(entry.name):
            base["hidden"].append(name)
        elif entry.is_file() and not entry.is_symlink():
            with entry.open("rb") as file:
                if file.read(2) != b"#!":
                    continue
                content = b"#!" + file.read()
            line, newline, rest = content.partition(b"\n")
            moved = line.replace(os.fsencode(prefix), b"/usr/local")
            base["files"][name] = moved + newline + rest
