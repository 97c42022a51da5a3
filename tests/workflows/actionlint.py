"""actionlint, which is published as a Go module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.tools.recipes import ACTIONLINT, ACTIONLINT_VERSION
from tests.published_program import published_program

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.settings import Settings


def actionlint(settings: Settings | None = None) -> Path:
    """The program."""
    return published_program(
        "github.com/rhysd/actionlint/cmd/actionlint", ACTIONLINT_VERSION, ACTIONLINT, settings
    )
