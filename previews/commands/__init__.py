"""One module for each command: its function `command` is registered under the module's name.

A module `reset_db` becomes `previews reset-db`. A new module needs no other registration.
"""

from __future__ import annotations

import importlib
import pkgutil

import typer


def names() -> list[str]:
    """Return the modules of this package that contain a command, sorted."""
    return sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )


def register(app: typer.Typer) -> None:
    """Add every command to the app."""
    for name in names():
        module = importlib.import_module(f"{__name__}.{name}")
        app.command(name.replace("_", "-"))(module.command)
