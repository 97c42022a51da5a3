"""Access to a database: its extensions, its two roles, ownership, grants, and their proof.

It is one transaction, whose result is checked before the commit, so it succeeds as a whole or
changes nothing. It can be repeated, before and after migrations.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from database.access import extensions, ownership, proof, roles, schemas
from database.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg2.extensions import connection
    from pydantic import SecretStr

    from database.settings import AccessSettings

# Any number that nobody else locks; two Jobs at once then run one after the other.
ADVISORY_LOCK = 0x70726570


def grant_access(settings: AccessSettings, report: Callable[[str], None]) -> None:
    """Create the roles with the least privileges that they need, and prove it.

    Args:
        settings: The master, the two roles, and the extensions that the app needs.
        report: Writes a line of progress.

    Raises:
        AccessError: The result would not be safe, or an extension can't be had; nothing was
            changed.
        psycopg2.Error: A statement failed; nothing was changed.
    """
    with closing(_connect(settings, settings.master_user, settings.master_password)) as master:
        _change(master, settings, report)
    for user, password in (
        (settings.migrator_user, settings.migrator_password),
        (settings.app_user, settings.app_password),
    ):
        _connect(settings, user, password).close()
        report(f"{user} can log in")


def _change(master: connection, settings: AccessSettings, report: Callable[[str], None]) -> None:
    migrator, app = settings.migrator_user, settings.app_user
    with master, master.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
        if extensions.create(cursor, settings.extensions):
            report(f"extensions {', '.join(settings.extensions)} exist")
        roles.ensure(cursor, migrator, settings.migrator_password)
        roles.ensure(cursor, app, settings.app_password)
        report(f"roles {migrator} and {app} exist")
        roles.join(cursor, migrator)
        found = schemas.of_the_app(cursor)
        moved = ownership.take_over(cursor, found, migrator)
        report(f"{migrator} owns all objects of {', '.join(found)}, {moved} of them newly")
        roles.grant(cursor, settings.name, found, migrator, app)
        proof.check(cursor, settings.name, found, migrator, app)
    report("grants are set and checked")


def _connect(settings: AccessSettings, user: str, password: SecretStr) -> connection:
    return connect(settings.login(user, password), application="database-access")
