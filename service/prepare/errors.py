"""Why a database is not handed over."""

from __future__ import annotations


class PrepareError(Exception):
    """Something would be left unsafe; the message says what, and what to do."""
