"""actionlint, which is published as a Go module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.published_program import published_program

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.settings import Settings

VERSION = "1.7.12"


def actionlint(settings: Settings | None = None) -> Path:
    """The program."""
    return published_program("github.com/rhysd/actionlint/cmd/actionlint", VERSION, settings)
