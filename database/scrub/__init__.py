"""Replacement of personal data in a copy of staging's database, and the proof of it."""

from __future__ import annotations

from database.scrub.errors import RulesError, ScrubError
from database.scrub.proofs import prove
from database.scrub.rules import Rules, load
from database.scrub.scrubbing import Summary, run, scrub_and_prove

__all__ = [
    "Rules",
    "RulesError",
    "ScrubError",
    "Summary",
    "load",
    "prove",
    "run",
    "scrub_and_prove",
]
