"""Database server that previews in mode ``branch`` share; created once, like staging."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from contract.stack_name import PLATFORM_APP, AppName
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
    app = clients.settings.app_name
    if not app.is_platform:
        # The platform declares the two kinds of objects that each app's controller works on.
        own = clients.settings.model_copy(update={"app": None})
        ensure(settings, Clients(own, next_commands=clients.next_commands), console)
    with hold(settings.home / f"{app.branches_namespace}.lock"):
        if not is_ready(settings, app):
            _make(settings, clients, console)


def _make(settings: Settings, clients: Clients, console: Console) -> None:
    began = time.monotonic()
    console.print("creating the database server that previews in mode branch share (only once)")
    app = clients.settings.app_name
    staging.enable_branches(settings, app)
    staging.up(settings, clients)
    serving = clients.refresh().run().serving
    write_atomically(_finished(settings, app), f"{serving}\n")
    show.done(console, serving, f"ready for branches after {time.monotonic() - began:.1f} s")


def is_ready(settings: Settings, app: AppName = PLATFORM_APP) -> bool:
    """Return True if the server exists and previews get databases from it."""
    return _finished(settings, app).exists()


def _finished(settings: Settings, app: AppName) -> Path:
    return settings.home / f"{app.branches_namespace}.finished"
