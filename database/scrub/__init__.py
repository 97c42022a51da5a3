"""Replaces what is real people's in a copy of staging's database, and proves that it did."""

from __future__ import annotations

from database.scrub.errors import RulesError, ScrubError
from database.scrub.proofs import prove
from database.scrub.rules import Rules, load
from database.scrub.scrubbing import Summary, run

__all__ = ["Rules", "RulesError", "ScrubError", "Summary", "load", "prove", "run"]
