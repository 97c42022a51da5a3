"""Python interpreters of other versions than the sandbox's own, for base images that name one.

An interpreter is taken from this machine (pyenv, uv, GitHub's tool cache, the PATH), else
downloaded once into the tools' cache: by uv, which has its builds' checksums, or from a Go module
that embeds the same builds without headers, where the Go proxy is reached and uv's host is not.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from uv import find_uv_bin

from sandbox.errors import SandboxError
from sandbox.tools.cache import Cache
from sandbox.tools.compiler import find_compiler
from sandbox.tools.progress import display

_MODULE: Final = "github.com/kluctl/go-embed-python"
_MODULES: Final = {
    "3.10": ("v0.0.0-3.10.16-20241219-1", "h1:bfJRrtWlbdrPtwXXXZzA95yj2Pr9AvSbxDEm8YvbaP0="),
    "3.11": ("v0.0.0-3.11.11-20241219-1", "h1:yVXFTxa6cvhLC6TwkDEHmNaiWlDyaFEGiXd1DQdoeOU="),
    "3.12": ("v0.0.0-3.12.3-20240415-2", "h1:JcYhVgX7jFN8QcoBxx8/kLxUyeUzE/JnGf5ntulNPPM="),
    "3.13": ("v0.0.0-3.13.1-20241219-1", "h1:x1cSEj4Ug5mpuZgUHLvUmlc5r//KHFn6iYiRSrRcVy4="),
    "3.14": ("v0.0.0-3.14.6-20260610-1", "h1:oGUS7++Wm3LgxUfD6AmJgKbKQD2wdQFO9PzyJv6T+E4="),
}
"""Version and checksum of the module for each Python."""
_GO_NAMES: Final = {"x86_64": "linux-amd64", "aarch64": "linux-arm64"}
_FORMAT: Final = 1  # Of what is made below from a module.
_FOLDERS: Final = (
    "{PYENV_ROOT:~/.pyenv}/versions",
    "{UV_PYTHON_INSTALL_DIR:~/.local/share/uv/python}",
    "{RUNNER_TOOL_CACHE:/opt/hostedtoolcache}/Python",
)
_QUESTION: Final = (
    "import json, ssl, sqlite3, sys, zlib;"
    "print(json.dumps([sys.base_prefix, sys.version, sys.version_info[:3], sys.prefix]))"
)
_DOWNLOAD_SECONDS: Final = 600
# What ``python -m venv`` runs; the module's builds have none.
_ENSUREPIP: Final = """\
import pathlib, runpy, sys

wheel = next(pathlib.Path(__file__).parent.glob("_bundled/pip-*.whl"))
sys.path.insert(0, str(wheel))
sys.argv = ["pip", "install", "--no-cache-dir", "--no-index", "--no-deps", str(wheel)]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Interpreter:
    """An installed Python.

    Attributes:
        prefix: Folder with ``bin/python3.x`` and ``lib/python3.x``.
        build: ``sys.version``.
        release: Its three numbers.
    """

    prefix: Path
    build: str
    release: tuple[int, ...]

    @property
    def minor(self) -> str:
        """Version without the patch release: ``3.13``."""
        return f"{self.release[0]}.{self.release[1]}"


def own() -> Interpreter:
    """Return the interpreter that runs the sandbox."""
    return Interpreter(Path(sys.base_prefix), sys.version, tuple(sys.version_info[:3]))


def find(minor: str, cache: Path, log: Callable[[str], None]) -> Interpreter | None:
    """Return an interpreter of a version such as ``3.13``, downloaded if need be, or None.

    Args:
        minor: Version without the patch release.
        cache: The tools' cache.
        log: Called with a line when something is downloaded.
    """
    if own().minor == minor:
        return own()
    found = list(_installed(minor))
    if found:
        return max(found, key=lambda one: one.release)
    return _downloaded(minor, Cache(cache), log)


def uv() -> Path:
    """Return uv's program, which is locked with the sandbox's own packages."""
    return Path(find_uv_bin())


def _installed(minor: str) -> Iterator[Interpreter]:
    programs = []
    for place in _FOLDERS:
        name, _, default = place[1:].partition("}")[0].partition(":")
        folder = Path(os.environ.get(name, default) + place.partition("}")[2]).expanduser()
        # GitHub's tool cache has a folder for the architecture below the version.
        programs += [*folder.glob(f"*{minor}.*/bin/python{minor}")]
        programs += [*folder.glob(f"{minor}.*/x64/bin/python{minor}")]
    on_path = shutil.which(f"python{minor}")
    for program in [*programs, *([Path(on_path)] if on_path else [])]:
        interpreter = inspect(program)
        # The distribution's shares its prefix with everything else, so it can't be shown alone.
        if interpreter and interpreter.minor == minor and interpreter.prefix != Path("/usr"):
            yield interpreter


def inspect(program: Path) -> Interpreter | None:
    """Run a Python program, and return the interpreter, or None if it does not work."""
    try:
        answer = subprocess.run(
            [program, "-I", "-c", _QUESTION], capture_output=True, check=True, timeout=30
        )
        base, build, release, _ = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(Path(base), build, tuple(release))


def _downloaded(minor: str, cache: Cache, log: Callable[[str], None]) -> Interpreter | None:
    version, _ = _MODULES.get(minor, ("", ""))
    for name, make in (
        (f"python-{minor}-uv", _install_by_uv),
        (f"python-{minor}-{version}-{_FORMAT}", _install_from_module),
    ):
        program = Path("bin", f"python{minor}")
        folder = cache.finished(name)
        if folder is None:
            try:
                with cache.making(name, log) as making:
                    if making is not None:
                        make(minor, making, cache, log)
                        if not inspect(making / program):
                            raise _Unavailable("it does not run")
            except _Unavailable as error:
                log(f"Python {minor}: {error}")
                continue
            folder = cache.root / name
        interpreter = inspect(folder / program)
        if interpreter is not None:
            return interpreter
    return None


class _Unavailable(Exception):  # noqa: N818 - a place, not a failure
    """An interpreter can't be had from one of the places."""


def _install_by_uv(minor: str, folder: Path, cache: Cache, log: Callable[[str], None]) -> None:
    del cache
    log(f"downloading Python {minor} with uv")
    environment = {**os.environ, "UV_HTTP_RETRIES": "0", "UV_PYTHON_DOWNLOADS": "manual"}
    options = ["--no-config", "--no-bin", "--install-dir", str(folder / "all")]
    _run([uv(), "python", "install", *options, minor], environment)
    [installed] = [path for path in (folder / "all").glob("cpython-*") if not path.is_symlink()]
    for entry in installed.iterdir():
        entry.rename(folder / entry.name)
    shutil.rmtree(folder / "all")


def _install_from_module(
    minor: str, folder: Path, cache: Cache, log: Callable[[str], None]
) -> None:
    architecture = _GO_NAMES.get(platform.machine())
    if minor not in _MODULES or architecture is None:
        raise _Unavailable("no module of its build is known for this machine")
    version, checksum = _MODULES[minor]
    log(f"downloading Python {minor} from the Go module {_MODULE}")
    try:
        with display(Console(quiet=True)) as report_for:
            compiler = find_compiler(cache, report_for("Go"))
    except SandboxError as error:
        raise _Unavailable(str(error.why)) from error
    # The checksum is compared below, so the public database of checksums is not asked.
    environment = {**compiler.environment(), "GONOSUMDB": _MODULE}
    answer = _run(
        [compiler.go, "mod", "download", "-json", f"{_MODULE}@{version}"], environment, cwd="/"
    )
    described = json.loads(answer)
    if described["Sum"] != checksum:
        raise SandboxError(
            f"download of {_MODULE} {version}",
            why=f"its checksum is {described['Sum']}, expected {checksum}",
            remedy="don't use it: its publisher, the proxy or an attacker replaced it",
        )
    _unpack(Path(described["Dir"]) / "python/internal/data" / architecture, folder)
    _add_pip(minor, folder)


def _unpack(data: Path, folder: Path) -> None:
    for entry in json.loads((data / "files.json").read_text())["files"]:
        source, target = data / entry["name"], folder / entry["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if "symlink" in entry:
            target.symlink_to(entry["symlink"])
        elif entry["perm"] >> 31:  # Go's bit of a folder.
            target.mkdir(exist_ok=True)
        else:
            packed = source.with_name(f"{source.name}.gz")
            compressed = entry.get("compressed", False)
            content = gzip.decompress(packed.read_bytes()) if compressed else source.read_bytes()
            target.write_bytes(content)
            target.chmod(entry["perm"] & 0o777)


def _add_pip(minor: str, folder: Path) -> None:
    library = folder / "lib" / f"python{minor}"
    python = str(folder / "bin" / f"python{minor}")
    for script in (folder / "bin").glob("pip*"):
        script.unlink()
    # Packages that the official images have.
    packages = ["pip", *(["setuptools", "wheel"] if minor in {"3.10", "3.11"} else [])]
    options = ["--system", "--break-system-packages", "--link-mode=copy", "--python", python]
    _run([uv(), "pip", "install", *options, *packages], dict(os.environ))
    bundled = library / "ensurepip" / "_bundled"
    bundled.mkdir(parents=True, exist_ok=True)
    download = [python, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(bundled)]
    _run([*download, "pip"], dict(os.environ))
    (library / "ensurepip" / "__init__.py").touch()
    (library / "ensurepip" / "__main__.py").write_text(_ENSUREPIP)


def _run(command: list[Path | str], environment: dict[str, str], cwd: str | None = None) -> str:
    try:
        answer = subprocess.run(
            command,
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=True,
            timeout=_DOWNLOAD_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines()
        told = [re.sub(r"\s+", " ", line).strip() for line in lines]
        raise _Unavailable(f"{Path(command[0]).name} failed: {'; '.join(told[-3:])}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise _Unavailable(str(error)) from error
    return answer.stdout
