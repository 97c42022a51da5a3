"""Names of infra's folders."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "infra"


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    """A policy pack's server runs in this folder, which is then first on sys.path."""
    names = {path.stem for path in FOLDER.iterdir()}
    assert "stacks" in names
    assert names & (sys.stdlib_module_names - {"__main__"}) == set()
