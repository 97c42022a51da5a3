"""Programs that the tests need and that are published as Go modules."""

from __future__ import annotations

import subprocess
from pathlib import Path
from threading import Event

from rich.console import Console

from sandbox.settings import Settings
from sandbox.tools.cache import Cache
from sandbox.tools.compiler import find_compiler
from sandbox.tools.progress import display
from sandbox.tools.released import Release, download

_BUILD_SECONDS = 600


def published_program(
    module: str, version: str, release: Release, settings: Settings | None = None
) -> Path:
    """The program of a module: downloaded or built, once, and kept beside the tools.

    Args:
        module: Path of its main package, whose last part names the program.
        version: Its version, without the ``v``.
        release: What is downloaded, where it is pinned and can be had.
        settings: Where the tools are kept; the environment's without it.
    """
    cache = Cache((settings or Settings()).cache)
    program = module.rpartition("/")[2]
    name = f"{program}-{version}"
    with display(Console(stderr=True)) as report_for:
        report = report_for(name)
        with cache.making(name, report.message) as folder:
            if folder is not None and download(release, folder, report, Event()):
                report.done("downloaded")
            elif folder is not None:
                compiler = find_compiler(cache, report)
                report.step("building from its published module")
                subprocess.run(
                    [compiler.go, "install", "-trimpath", "-ldflags=-s -w", f"{module}@v{version}"],
                    env={**compiler.environment(), "GOBIN": str(folder)},
                    cwd=folder,
                    check=True,
                    timeout=_BUILD_SECONDS,
                )
                report.done("built")
    return cache.root / name / program
