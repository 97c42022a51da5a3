"""A Go command with the output that a test wants, and a report that records."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.tools.compiler import Compiler


@dataclass
class RecordingReport:
    """Records all calls."""

    steps: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    built: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    def step(self, what: str) -> None:
        self.steps.append(what)

    def expect(self, packages: Collection[str]) -> None:
        self.expected.extend(packages)

    def compiled(self, package: str) -> None:
        self.built.append(package)

    def downloaded(self, size: int, total: int) -> None:
        self.sizes.append((size, total))

    def message(self, text: str) -> None:
        self.messages.append(text)

    def done(self, result: str) -> None:
        self.results.append(result)


def script(path: Path, body: str) -> Path:
    """An executable Python script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nimport os, sys\n{textwrap.dedent(body)}")
    path.chmod(0o755)
    return path


def fake_go(folder: Path, body: str = "", version: str = "go1.26.8") -> Compiler:
    """A ``go`` that answers ``env`` with ``version`` and otherwise runs ``body``."""
    answer = {
        "GOVERSION": version,
        "GOMODCACHE": str(folder / "modules"),
        "GOCACHE": str(folder / "build"),
    }
    head = (
        "import json\n"
        "arguments = sys.argv[1:]\n"
        f"if arguments[0] == 'env':\n    print(json.dumps({answer!r}))\n    sys.exit(0)\n"
    )
    go = script(folder / "go", head + textwrap.dedent(body))
    return Compiler(go, version, folder / "modules", folder / "build")


# Lists three packages, two of them to be compiled, and "links" a file.
BUILDS = """
if arguments[0] == "list":
    print("go: downloading example.com/a v1.0.0")
    print("example.com/a\\n\\nsandbox/main")
elif arguments[0] == "build":
    print("example.com/a\\nsandbox/main")
    output = next(a for a in arguments if a.startswith("-o=")).removeprefix("-o=")
    open(output, "w").write("binary")
    os.chmod(output, 0o755)
"""
