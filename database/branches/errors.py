"""Errors of creating, assigning and dropping databases."""

from __future__ import annotations


class BranchError(Exception):
    """Failure of an operation on a shared server; the message contains cause and remedy.

    Attributes:
        reason: One word in CamelCase, for the condition of a Kubernetes object.
    """

    reason = "Failed"


class ServerBusyError(BranchError):
    """Conflict with other work on the server; a retry a moment later may succeed."""

    reason = "Waiting"


class ServerFullError(BranchError):
    """Refusal because the server's connections don't suffice for one more database."""

    reason = "ServerFull"


class DatabaseMissingError(BranchError):
    """Absence of a database that was provisioned and is still recorded."""

    reason = "DatabaseMissing"


class NotReadyError(BranchError):
    """Absence of something that is needed first, such as a Secret or a reachable server."""

    reason = "Waiting"
