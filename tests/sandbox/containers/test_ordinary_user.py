"""The room's tests once more, without root: 12 s of a machine that does nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.ordinary_user import AS_ORDINARY_USER

pytestmark = pytest.mark.sandbox


@pytest.mark.skipif(os.geteuid() != 0, reason="they run without root as they are")
def test_images_are_built_and_containers_run_without_root(tmp_path: Path) -> None:
    folder = Path(__file__).parent
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    done = subprocess.run(
        [*AS_ORDINARY_USER, *pytest_, f"--basetemp={tmp_path / 'tests'}", str(folder)],
        cwd=folder.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
