"""``python -m service.migrate``: upgrade the schema to this image's version before a rollout.

Prints each step. A step that fails is rolled back and leaves the earlier ones applied; its error
is the last line, which Kubernetes shows as the Job's message.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.database.migration import migration_engine
from service.gate.gate import Gate, RefusedError
from service.settings import ConfigurationError, GateSettings, MigrationSettings, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

# Any number that nobody else locks; two Jobs at once then run one after the other.
ADVISORY_LOCK = 0x6D696772


class MigrationError(Exception):
    """Failure to upgrade the schema; the message contains cause and remedy."""


def alembic_config() -> Config:
    """Return Alembic's configuration, found by package and not by working directory."""
    config = Config()
    config.set_main_option("script_location", "service:migrations")
    return config


def migrate(connection: Connection, gate: Callable[..., Gate] | None = None) -> None:
    """Upgrade to the only head, printing each step.

    Args:
        connection: A connection that is not in a transaction.
        gate: Creates the gate that observes the steps; None to apply them unobserved.

    Raises:
        MigrationError: There are several heads, the database is ahead of this image, or a
            step failed.
        RefusedError: The gate refused a step.
    """
    config = alembic_config()
    scripts = ScriptDirectory.from_config(config)
    heads = scripts.get_heads()
    if len(heads) != 1:
        msg = (
            f"expected one head, found {len(heads)}: {', '.join(sorted(heads))}. "
            "Rebase the later migration on the other: set its down_revision."
        )
        raise MigrationError(msg)
    connection.execute(text("SET LOCAL lock_timeout = '60s'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.commit()
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    pending = _pending(scripts, heads[0], current)
    _report(
        f"database is at {current or 'no revision'}, this image at {heads[0]}: "
        f"{len(pending)} to apply"
    )
    watch = gate and gate(connection, pending=pending, before=current, head=heads[0])
    try:
        _Steps(config, pending, watch).apply(connection)
    finally:
        if watch:
            watch.write_report()


class _Steps:
    """The revisions to apply, reported one by one."""

    def __init__(self, config: Config, pending: list[tuple[str, str]], gate: Gate | None) -> None:
        self._config = config
        self._pending = pending
        self._gate = gate
        self._done = 0

    def apply(self, connection: Connection) -> None:
        if not self._pending:
            return
        if self._gate is not None:
            with self._reporting_failures(lambda: self._gate.tried if self._gate else 0):
                self._gate.try_out(self._config)
        self._config.attributes["connection"] = connection
        self._config.attributes["on_version_apply"] = self._applied
        with (
            self._reporting_failures(lambda: self._done),
            self._gate.applying() if self._gate else nullcontext(),
        ):
            command.upgrade(self._config, "head")

    @contextmanager
    def _reporting_failures(self, done: Callable[[], int]) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, CommandError) as error:
            revision, title = self._pending[min(done(), len(self._pending) - 1)]
            msg = f"step {revision} ({title}) failed and was undone: {_cause(error)}"
            raise MigrationError(msg) from error

    def _applied(self, **_: Any) -> None:
        revision, title = self._pending[self._done]
        if self._gate is not None:
            self._gate.step_applied(self._done)
        self._done += 1
        _report(f"{self._done}/{len(self._pending)} applied {revision} ({title})")


def _pending(scripts: ScriptDirectory, head: str, current: str | None) -> list[tuple[str, str]]:
    try:
        revisions = list(scripts.iterate_revisions(head, current or "base"))
    except RevisionError as error:
        msg = (
            f"the database is at revision {current}, which this image does not have: it was "
            "migrated by a later or another version. Deploy that version, or rebase onto it."
        )
        raise MigrationError(msg) from error
    return [(one.revision, (one.doc or "").rstrip(".")) for one in reversed(revisions)]


def _cause(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return " ".join(str(cause).split())


def _report(line: str) -> None:
    sys.stdout.write(f"migrate: {line}\n")
    sys.stdout.flush()


def _report_failure(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """Upgrade the schema.

    Returns:
        Exit code: 0 if the schema is at this image's version, 1 if not, 2 for an invalid
        environment.
    """
    try:
        settings, limits = load(MigrationSettings), load(GateSettings)
        gate = partial(Gate, settings=limits, login=settings) if limits.max_lock_seconds else None
        with migration_engine(settings).connect() as connection:
            migrate(connection, gate)
    except ConfigurationError as error:
        _report_failure(str(error))
        return 2
    except (MigrationError, RefusedError) as error:
        _report_failure(f"migrate: {error}")
        return 1
    except SQLAlchemyError as error:
        _report_failure(f"migrate: the database returned an error: {_cause(error)}")
        return 1
    _report("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
