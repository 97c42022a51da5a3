"""``python -m service.prepare``: as master, create the roles of migrations and application.

Runs before the migrations, from the trusted image, and can be repeated. It is one transaction,
whose result is checked before the commit, so it succeeds as a whole or changes nothing.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2

from service.database.connection import connect
from service.prepare import ownership, proof, roles
from service.prepare.errors import PrepareError
from service.settings import ConfigurationError, PrepareSettings, load

if TYPE_CHECKING:
    from psycopg2.extensions import connection
    from pydantic import SecretStr

# Any number that nobody else locks; two Jobs at once then run one after the other.
ADVISORY_LOCK = 0x70726570


def prepare(settings: PrepareSettings) -> None:
    """Create the roles with the least privileges that they need, and prove it.

    Raises:
        PrepareError: The result would not be safe; nothing was changed.
        psycopg2.Error: A statement failed; nothing was changed.
    """
    with closing(_connect(settings, settings.master_user, settings.master_password)) as master:
        _change(master, settings)
    for user, password in (
        (settings.migrator_user, settings.migrator_password),
        (settings.app_user, settings.app_password),
    ):
        _connect(settings, user, password).close()
        _report(f"{user} can log in")


def _change(master: connection, settings: PrepareSettings) -> None:
    migrator, app = settings.migrator_user, settings.app_user
    with master, master.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        roles.ensure(cursor, migrator, settings.migrator_password)
        roles.ensure(cursor, app, settings.app_password)
        _report(f"roles {migrator} and {app} exist")
        roles.join(cursor, migrator)
        moved = ownership.take_over(cursor, migrator)
        _report(f"{migrator} owns all objects of the schema, {moved} of them newly")
        roles.grant(cursor, settings.name, migrator, app)
        proof.check(cursor, settings.name, migrator, app)
    _report("grants are set and checked")


def _connect(settings: PrepareSettings, user: str, password: SecretStr) -> connection:
    return connect(settings.login(user, password), application="service-prepare")


def _report(line: str) -> None:
    sys.stdout.write(f"prepare: {line}\n")
    sys.stdout.flush()


def _report_failure(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """Prepare the database.

    Returns:
        Exit code: 0 on success, 1 if nothing was changed, 2 for an invalid environment.
    """
    try:
        prepare(load(PrepareSettings))
    except ConfigurationError as error:
        _report_failure(str(error))
        return 2
    except (PrepareError, psycopg2.Error) as error:
        _report_failure(f"prepare: {' '.join(str(error).split())}")
        return 1
    _report("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
