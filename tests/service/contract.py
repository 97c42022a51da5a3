"""The committed contract: what clients were promised, and what a change does to them.

``python -m tests.service.contract`` compares, ``python -m tests.service.contract --write``
accepts. oasdiff, found on the PATH or run by Go, reports breaking changes.
"""

from __future__ import annotations

import difflib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from service.app import create_app
from service.settings import BuildInformation, DatabaseSettings, Settings

CONTRACT = Path(__file__).parents[2] / "openapi.json"
ACCEPT = "python -m tests.service.contract --write"
OASDIFF = "github.com/oasdiff/oasdiff@v1.35.0"
BREAKING = "BREAKING"


def current() -> dict[str, Any]:
    """The contract of this code."""
    nowhere = DatabaseSettings(host="none", name="none", user="none", password="none")
    return create_app(Settings(), nowhere, BuildInformation()).openapi()


def dump(contract: dict[str, Any]) -> str:
    """As it is committed: in a stable order, a line each."""
    return json.dumps(contract, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def differences(before: str, after: str) -> str:
    """What changed between two contracts; empty when nothing did.

    Args:
        before: As committed.
        after: Of this code.

    Returns:
        oasdiff's changelog, headed by whether clients break, then the lines that differ.
    """
    if before == after:
        return ""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "committed", "this code", lineterm="", n=2
    )
    return "\n".join([_changelog(before, after), *lines, "", f"Meant? Then: {ACCEPT}"])


def oasdiff() -> list[str] | None:
    """The command that runs oasdiff, or None without it and without Go."""
    if shutil.which("oasdiff"):
        return ["oasdiff"]
    return ["go", "run", OASDIFF] if shutil.which("go") else None


def _changelog(before: str, after: str) -> str:
    command = oasdiff()
    if command is None:
        return "Without oasdiff or Go, it is unknown whether clients break."
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("committed.json", "this-code.json")]
        for path, text in zip(paths, (before, after), strict=True):
            path.write_text(text)

        def run(verb: str, *options: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, verb, *map(str, paths), *options],
                capture_output=True,
                text=True,
                check=False,
            )

        done = run("changelog", "--format", "text")
        if done.returncode != 0:
            return f"oasdiff failed: {done.stderr.strip()}"
        breaks = run("breaking", "--fail-on", "ERR").returncode != 0
    head = f"{BREAKING} for clients." if breaks else "No client breaks."
    return f"{head}\n{done.stdout.strip()}"


def main() -> int:
    """Compare, or accept with ``--write``.

    Returns:
        Exit code: 0 when the committed contract is this code's.
    """
    after = dump(current())
    if sys.argv[1:] == ["--write"]:
        CONTRACT.write_text(after)
        return 0
    report = differences(CONTRACT.read_text() if CONTRACT.exists() else "", after)
    sys.stdout.write(report)
    return 1 if report else 0


if __name__ == "__main__":
    sys.exit(main())
