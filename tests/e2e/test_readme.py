"""The README's commands with plain tools, run as they stand there."""

from __future__ import annotations

import re
import subprocess

from tests.e2e.world import REPOSITORY, World


def test_plain_tools_meet_the_sandbox(world: World, preview: str) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    (block,) = re.findall(r"^```console\n(eval .*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert "service=pr-42" in block
    script = f"set -euo pipefail\n{block.replace('pr-42', preview)}"
    output = subprocess.run(
        ["bash", "-c", script],
        cwd=world.checkout,
        env=world.environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert preview in output  # the stack, and its namespace
    count = re.search(r"^\s+(\d+)$", output, re.MULTILINE)
    assert count is not None
    assert int(count.group(1)) >= world.settings.seed_rows
    assert re.search(rf"{preview} at \w+, healthy", output), output
