"""actionlint, which is published as a Go module: built once, and kept where the tools are."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rich.console import Console

from sandbox.settings import Settings
from sandbox.tools.cache import Cache
from sandbox.tools.compiler import find_compiler
from sandbox.tools.progress import display

VERSION = "1.7.12"
_MODULE = f"github.com/rhysd/actionlint/cmd/actionlint@v{VERSION}"
_BUILD_SECONDS = 300


def actionlint(settings: Settings | None = None) -> Path:
    """The program; built when it is not there, which takes half a minute."""
    cache = Cache((settings or Settings()).cache)
    name = f"actionlint-{VERSION}"
    with display(Console(stderr=True)) as shown:
        report = shown.report(name)
        with cache.making(name, report.say) as folder:
            if folder is not None:
                compiler = find_compiler(cache, report)
                report.step("building from its published module")
                subprocess.run(
                    [compiler.go, "install", "-ldflags=-s -w", _MODULE],
                    env={**compiler.environment(), "GOBIN": str(folder)},
                    cwd=folder,
                    check=True,
                    timeout=_BUILD_SECONDS,
                )
                report.done("built")
    return cache.root / name / "actionlint"
