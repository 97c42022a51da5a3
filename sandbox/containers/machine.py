"""This machine as the base image of every Dockerfile.

It looks like ``python:3.x-slim``: it has the distribution's programs, and Python and pip at
``/usr/local``, but no user's data and no other installed packages. ``/var``, ``/home``, ``/root``
and ``/opt`` are empty, except for the list of Debian's installed packages, which apt reads.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import TypedDict

from sandbox.containers.layers import hide, remove_tree, whiteout

# Links into /usr on some distributions, folders on others.
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc")
# State of the package manager, which must fit /usr.
_PACKAGE_STATE = ("var/lib/dpkg",)
_ACCOUNT_FILES = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
_LAST_STATIC_ID = {"passwd": 99, "group": 100}  # Of Debian: the same on every machine.
_NOBODY = 65534
_FORMAT = 3  # Version of the folder that is created below; another version gets another folder.
_SKELETON = (
    *("dev", "proc", "sys", "run", "home", "opt", "srv", "mnt", "media", "usr", "etc"),
    *("var", "var/cache", "var/lib", "var/log", "var/spool"),
)
# Packages of the official Python image, and files of the interpreter itself.
PACKAGES = re.compile(r"(pip|setuptools|wheel|_distutils_hack|distutils-precedence|README)\b.*")
PROGRAMS = re.compile(r"(python|pip|pydoc|idle|2to3|easy_install|wheel)[\d.]*(-config|t)?")


class BaseImage(TypedDict):
    """Files of this machine that make up the base image.

    Attributes:
        folders: Folders shown from the machine ("usr", "etc"), each by an overlay of its own.
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
    """Describe the machine, once for all containers of this process."""
    root = Path("/")
    links = {
        name: str((root / name).readlink()) for name in _TOP_LEVEL if (root / name).is_symlink()
    }
    shown = (*_TOP_LEVEL, *_PACKAGE_STATE)
    folders = [name for name in shown if name not in links and (root / name).is_dir()]
    base = BaseImage(
        folders=folders,
        links=links,
        python=None,
        files=_accounts(),
        symlinks={},
        # Locks and backups that only the machine's root may write; useradd creates its own.
        hidden=["etc/.pwd.lock", *(f"etc/{name}-" for name in _ACCOUNT_FILES)],
    )
    _resolver(base)
    _python(base, Path(sys.base_prefix))
    return base


def parts_of(base: BaseImage) -> list[str]:
    """Return the folders with an overlay of their own besides the root (""), parents first."""
    return [*base["folders"], *(["usr/local"] if base["python"] else [])]


def lent_folder(part: str) -> str:
    """Return the host's folder that is mounted in a container at ``part``."""
    return (part == "usr/local" and base_image()["python"]) or f"/{part}"


def cache_folder() -> Path:
    """Return the folder, in the tools' cache, of what is made from the machine's files."""
    cache = Path(os.environ.get("SANDBOX_CACHE", "~/.cache/preview-sandbox")).expanduser()
    return cache.resolve() / "machine"


def hide_machine(layer: Path) -> None:
    """Let a layer hide all of the machine's files, for an image FROM scratch."""
    base = base_image()
    for part in parts_of(base):
        (layer / part).mkdir(mode=0o755, parents=True)
        hide(layer / part)
    for name in base["links"]:
        whiteout(layer / name)


@cache
def base_folder() -> Path:
    """Return a folder with an empty root's skeleton, and replacements of the machine's files.

    It is kept in the tools' cache, since it is the same for every checkout.
    """
    base = base_image()
    name = hashlib.sha256(repr((_FORMAT, sorted(base.items()))).encode()).hexdigest()[:16]
    folder = cache_folder() / name / "base"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        made.chmod(0o755)
        _make_skeleton(made, base)
        _make_replacements(made, base)
        try:
            made.rename(folder)
        except OSError:  # Another process created it first.
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
    (folder / "var/run").symlink_to("../run")  # Relative to the root while it is assembled.
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
        whiteout(folder / path)


@cache
def fingerprint() -> str:
    """Return a hash that changes when images built on this machine may no longer run on it."""
    release = Path("/etc/os-release")
    content = release.read_text() if release.is_file() else ""
    parts = (str(_FORMAT), sys.version, sys.base_prefix, content)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _accounts() -> dict[str, bytes]:
    """Return the machine's account files, as an image has them.

    Without passwords, readable by the builder, and without people's and services' accounts, whose
    ids a Dockerfile gives to its own.
    """
    files = {"etc/subuid": b"", "etc/subgid": b""}
    overrides = Path("/var/lib/dpkg/statoverride")  # dpkg needs the accounts that it names.
    named = set(overrides.read_text().split()) if overrides.is_file() else set[str]()
    for name, shadow, line in (
        ("passwd", "shadow", "{}:*:19000:0:99999:7:::\n"),
        ("group", "gshadow", "{}:*::\n"),
    ):
        path = Path("/etc", name)
        content = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        entries = [entry.split(":") for entry in content.splitlines() if entry.count(":") > 1]
        kept = [entry for entry in entries if _is_of_the_system(name, entry, named)]
        if name == "group":
            kept = [[*entry[:3], ""] for entry in kept]
        files[f"etc/{name}"] = "".join(f"{':'.join(entry)}\n" for entry in kept).encode()
        files[f"etc/{shadow}"] = "".join(line.format(entry[0]) for entry in kept).encode()
    return files


def _is_of_the_system(file: str, entry: list[str], named: set[str]) -> bool:
    number = int(entry[2]) if entry[2].isdecimal() else _NOBODY
    is_static = number <= _LAST_STATIC_ID[file] or number == _NOBODY
    return is_static or entry[0] in {"_apt", *named}


def _resolver(base: BaseImage) -> None:
    # With systemd-resolved it is a link to /run, which a container does not see.
    path = Path("/etc/resolv.conf")
    if path.is_symlink() and path.is_file():
        base["files"]["etc/resolv.conf"] = path.read_bytes()


def _python(base: BaseImage, prefix: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if prefix == Path("/usr"):
        # For Debian's interpreter: the official image's names in /usr/local/bin.
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
            if not PACKAGES.fullmatch(entry.name)
        ]
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        _shared_library(base, str(sysconfig.get_config_var("INSTSONAME")))


def _shared_library(base: BaseImage, name: str) -> None:
    """Link each path where the loader searches to the interpreter's own library.

    The interpreter refers to its prefix, which has another path inside. The loader would then use
    the distribution's library of the same name, another patch release of Python.
    """
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or "")
    for folder in ("lib", "lib64", f"lib/{multiarch}"):
        if Path("/usr", folder).is_dir():
            base["symlinks"][f"usr/{folder.rstrip('/')}/{name}"] = f"/usr/local/lib/{name}"


def _programs(base: BaseImage, prefix: Path) -> None:
    """Hide programs of installed packages, and adapt pip's scripts to the interpreter's path."""
    for entry in sorted((prefix / "bin").iterdir()):
        name = f"usr/local/bin/{entry.name}"
        if not PROGRAMS.fullmatch(entry.name):
            base["hidden"].append(name)
        elif entry.is_file() and not entry.is_symlink():
            with entry.open("rb") as file:
                if file.read(2) != b"#!":
                    continue
                content = b"#!" + file.read()
            line, newline, rest = content.partition(b"\n")
            moved = line.replace(os.fsencode(prefix), b"/usr/local")
            base["files"][name] = moved + newline + rest
