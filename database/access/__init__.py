"""The two roles of a database: what each may do, and the proof that it may do no more."""

from __future__ import annotations

from database.access.errors import AccessError
from database.access.grant import grant_access

__all__ = ["AccessError", "grant_access"]
