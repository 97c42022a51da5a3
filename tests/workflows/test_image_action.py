"""A variable that nobody set is named, instead of what fails because of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

ACTION = Path(__file__).resolve().parents[2] / ".github" / "actions" / "image" / "action.yml"


def run(repository: str) -> subprocess.CompletedProcess[str]:
    first, *_ = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    assert first["env"] == {"REPOSITORY": "${{ inputs.repository }}"}
    return subprocess.run(
        ["/bin/bash", "-e", "-c", first["run"]],
        env={"REPOSITORY": repository},
        capture_output=True,
        text=True,
        check=False,
    )


# The second is what the database's image has where the variable is empty.
@pytest.mark.parametrize("repository", ["", "-database", "previews"])
def test_an_empty_repository_ends_the_step(repository: str) -> None:
    ended = run(repository)
    assert ended.returncode == 1
    assert "IMAGE_REPOSITORY is empty" in ended.stdout
    assert "pulumi stack output platform -s staging" in ended.stdout


def test_a_repository_is_taken() -> None:
    ended = run("123456789012.dkr.ecr.eu-west-1.amazonaws.com/previews")
    assert (ended.returncode, ended.stdout) == (0, "")
