"""What a job's failure does to its instance."""

from __future__ import annotations

import errno
import logging

from sandbox.aws.rds.models import DBInstance
from sandbox.aws.state import State
from sandbox.errors import SandboxError

_log = logging.getLogger(__name__)


class FailureShown:
    """Turns a job's failure into the status that AWS has for it, and a line in the log."""

    def __init__(self, state: State, instance: DBInstance) -> None:
        self._state = state
        self._instance = instance

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        _log.error(
            "database server of %s failed: %s",
            self._instance.db_instance_identifier,
            error,
            exc_info=None if isinstance(error, SandboxError | OSError) else error,
        )
        with self._state.change():
            become(self._instance, status_of(error))
        return isinstance(error, Exception)


def become(instance: DBInstance, status: str) -> None:
    """Set a status, unless a deletion was asked for meanwhile: it comes next."""
    if instance.status != "deleting":
        instance.status = status


def status_of(error: BaseException) -> str:
    """The status that RDS has for a failure."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "storage-full"
    if isinstance(error, SandboxError) and error.what.startswith("database address"):
        return "incompatible-network"
    return "failed"
