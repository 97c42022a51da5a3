"""The server that previews in mode ``branch`` share, brought up once like staging."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from previews.clients import Clients
from sandbox import show, staging
from sandbox.containers.locks import hold
from sandbox.processes import write_atomically
from sandbox.settings import Settings


def ensure(settings: Settings, clients: Clients, console: Console) -> None:
    """Have staging hand databases out, from a server that it has, unless it does already.

    What was begun and interrupted is gone through again; each step can be run twice. Of several
    that find none at once, one makes it and the others wait.

    Raises:
        PreviewsError: When a step fails.
    """
    with hold(settings.home / "branches.lock"):
        if not are_handed_out(settings):
            _make(settings, clients, console)


def _make(settings: Settings, clients: Clients, console: Console) -> None:
    began = time.monotonic()
    console.print("a server is made first, that previews in this mode share")
    staging.want_branches(settings)
    staging.up(settings, clients)
    serving = clients.refresh().run().serving
    write_atomically(_finished(settings), f"{serving}\n")
    show.done(console, serving, f"hands out databases after {time.monotonic() - began:.1f} s")


def are_handed_out(settings: Settings) -> bool:
    """Whether previews get databases in this mode."""
    return _finished(settings).exists()


def _finished(settings: Settings) -> Path:
    return settings.home / "branches.finished"
