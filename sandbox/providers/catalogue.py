"""The stand-ins that the server offers: each a ``base.Provider`` made of the settings."""

from __future__ import annotations

from sandbox.providers.base import Provider
from sandbox.settings import Settings


def stand_ins(settings: Settings) -> tuple[Provider, ...]:
    """One stand-in for each plugin of the program."""
    del settings
    return ()
