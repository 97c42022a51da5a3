"""Both Dockerfiles keep hadolint's rules, without an exception."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"
STRICT = ("--failure-threshold", "style", "--no-color")


def hadolint(dockerfile: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HADOLINT, *STRICT, "-"],
        input=dockerfile,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "database/Dockerfile"])
def test_the_dockerfile_is_clean_and_silences_nothing(dockerfile: str) -> None:
    text = (ROOT / dockerfile).read_text()
    found = hadolint(text)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert "hadolint ignore" not in text
    assert not list(ROOT.glob(".hadolint.*"))


def test_what_is_wrong_would_be_told() -> None:
    text = (ROOT / "Dockerfile").read_text()
    found = hadolint(text + "RUN cd /tmp && sudo true\n")
    assert found.returncode == 1
    assert {"DL3003", "DL3004"} <= {line.split()[1] for line in found.stdout.splitlines()}
