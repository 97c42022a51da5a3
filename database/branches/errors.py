"""Why a database could not be made, handed over or dropped."""

from __future__ import annotations


class BranchError(Exception):
    """The message says what is wrong, and what to do.

    Attributes:
        reason: One word in CamelCase, for the condition of a Kubernetes object.
    """

    reason = "Failed"


class BusyError(BranchError):
    """Something else is at work on the server; the same again, a moment later, may succeed."""

    reason = "Waiting"


class FullError(BranchError):
    """The server holds as many databases as its connections allow for."""

    reason = "Full"


class LostError(BranchError):
    """A database that was handed over is not there any more."""

    reason = "Lost"


class NotReadyError(BranchError):
    """Something that has to be there first is not there yet."""

    reason = "Waiting"
