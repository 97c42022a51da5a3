"""Proof, inside the transaction, that the roles have no other privileges than intended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.prepare.errors import PrepareError
from service.prepare.ownership import foreign_objects

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_VIOLATIONS = {
    "{app} may create in schema public": "has_schema_privilege(%(app)s, 'public', 'CREATE')",
    "{app} may create in the database": "has_database_privilege(%(app)s, %(database)s, 'CREATE')",
    "{app} may make temporary tables": "has_database_privilege(%(app)s, %(database)s, 'TEMP')",
    "{app} belongs to another role": (
        "EXISTS (SELECT FROM pg_auth_members WHERE member = %(app)s::regrole)"
    ),
    "{migrator} belongs to another role": (
        "EXISTS (SELECT FROM pg_auth_members WHERE member = %(migrator)s::regrole)"
    ),
    "{app} owns something": (
        "EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass"
        " AND refobjid = %(app)s::regrole AND deptype = 'o'"
        " AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = %(database)s)))"
    ),
    "{app} may empty or alter a table": (
        "EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND has_table_privilege(%(app)s, oid, 'TRUNCATE, REFERENCES, TRIGGER'))"
    ),
    "PUBLIC may use schema public": (
        "EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) AS acl"
        " WHERE nspname = 'public' AND acl.grantee = 0)"
    ),
    "PUBLIC may connect": (
        "EXISTS (SELECT FROM pg_database, aclexplode(datacl) AS acl"
        " WHERE datname = %(database)s AND acl.grantee = 0)"
    ),
}


def check(cursor: Cursor, database: str, migrator: str, app: str) -> None:
    """Raise if a role has more privileges than it needs.

    Raises:
        PrepareError: Names each violation.
    """
    wrong = []
    for violation, condition in _VIOLATIONS.items():
        cursor.execute(
            f"SELECT {condition}", {"app": app, "migrator": migrator, "database": database}
        )
        row = cursor.fetchone()
        if row is None or row[0]:
            wrong.append(violation.format(app=app, migrator=migrator))
    wrong += [
        f"{kind.lower()} {name} still belongs to {owner}"
        for kind, name, owner in foreign_objects(cursor, migrator)
    ]
    if wrong:
        msg = f"the database would not be safe, so nothing was changed: {'; '.join(wrong)}"
        raise PrepareError(msg)
