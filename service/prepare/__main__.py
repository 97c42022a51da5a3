"""``python -m service.prepare``: as master, make the roles of migrations and application.

Runs before the migrations, from an image that is trusted, and can be run again. Either
all of it holds afterwards or nothing was changed: it is one transaction, and what it is
for is checked before it is committed.
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
    """Make the roles, give them what they need and no more, and prove it.

    Raises:
        PrepareError: Something would be left unsafe; nothing was changed.
        psycopg2.Error: The database refused; nothing was changed.
    """
    with closing(_connect(settings, settings.master_user, settings.master_password)) as master:
        _change(master, settings)
    for user, password in (
        (settings.migrator_user, settings.migrator_password),
        (settings.app_user, settings.app_password),
    ):
        _connect(settings, user, password).close()
        _say(f"{user} can log in")


def _change(master: connection, settings: PrepareSettings) -> None:
    migrator, app = settings.migrator_user, settings.app_user
    with master, master.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        roles.ensure(cursor, migrator, settings.migrator_password)
        roles.ensure(cursor, app, settings.app_password)
        _say(f"roles {migrator} and {app} are there")
        roles.join(cursor, migrator)
        moved = ownership.take_over(cursor, migrator)
        _say(f"{migrator} owns everything in the schema, {moved} of it new to it")
        roles.grant(cursor, settings.name, migrator, app)
        proof.check(cursor, settings.name, migrator, app)
    _say("grants are as they should be")


def _connect(settings: PrepareSettings, user: str, password: SecretStr) -> connection:
    return connect(settings.login(user, password), application="service-prepare")


def _say(line: str) -> None:
    sys.stdout.write(f"prepare: {line}\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """Prepare.

    Returns:
        Exit code: 0 when all of it holds, 1 when nothing was changed, 2 for a wrong environment.
    """
    try:
        prepare(load(PrepareSettings))
    except ConfigurationError as error:
        _complain(str(error))
        return 2
    except (PrepareError, psycopg2.Error) as error:
        _complain(f"prepare: {' '.join(str(error).split())}")
        return 1
    _say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
