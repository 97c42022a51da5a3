"""How the RDS backend, which is kept on disk, finds the servers, which are not."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.aws.rds.models import DBSnapshot
from sandbox.aws.rds.store import Store

if TYPE_CHECKING:
    from sandbox.aws.rds.lifecycle import Lifecycle

_current: list[Lifecycle] = []


@dataclass(frozen=True)
class Pending:
    """A snapshot, and the job that makes it."""

    snapshot: DBSnapshot
    job: Future[None]


def use(lifecycle: Lifecycle) -> None:
    """Have all RDS backends of this process use these servers."""
    _current[:] = [lifecycle]


def lifecycle() -> Lifecycle:
    """The servers of this process."""
    return _current[0]


def store() -> Store:
    """The records of this process."""
    return Store()
