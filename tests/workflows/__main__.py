"""``python -m tests.workflows``: lint the workflows with zizmor (as an auditor) and actionlint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.workflows.actionlint import actionlint

PROJECT = Path(__file__).parents[2]


def main() -> int:
    """Run both, and return the worse exit code."""
    zizmor = [
        str(Path(sys.executable).with_name("zizmor")),
        "--offline",
        "--persona=auditor",
        ".github",
    ]
    return max(
        subprocess.run(command, cwd=PROJECT, check=False).returncode
        for command in (zizmor, [str(actionlint())])
    )


if __name__ == "__main__":
    sys.exit(main())
