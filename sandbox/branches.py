"""Database server that previews in mode ``branch`` share; created once, like staging."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from previews.clients import Clients
from sandbox import show, staging
from sandbox.containers.locks import hold
from sandbox.settings import Settings
from sandbox.system import write_atomically


def ensure(settings: Settings, clients: Clients, console: Console) -> None:
    """Create the shared database server, unless it exists.

    An interrupted run is repeated from its beginning; each step can be run twice. If several
    callers find none at once, one creates it and the others wait.

    Raises:
        PreviewsError: A step fails.
    """
    with hold(settings.home / "branches.lock"):
        if not is_ready(settings):
            _make(settings, clients, console)


def _make(settings: Settings, clients: Clients, console: Console) -> None:
    began = time.monotonic()
    console.print("creating the database server that previews in mode branch share (only once)")
    staging.enable_branches(settings)
    staging.up(settings, clients)
    serving = clients.refresh().run().serving
    write_atomically(_finished(settings), f"{serving}\n")
    show.done(console, serving, f"ready for branches after {time.monotonic() - began:.1f} s")


def is_ready(settings: Settings) -> bool:
    """Return True if the server exists and previews get databases from it."""
    return _finished(settings).exists()


def _finished(settings: Settings) -> Path:
    return settings.home / "branches.finished"
