"""Proof, inside the transaction, that the roles have no other privileges than intended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from database.access.errors import AccessError
from database.access.ownership import foreign_objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_VIOLATIONS = {
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
    "PUBLIC may connect": (
        "EXISTS (SELECT FROM pg_database, aclexplode(datacl) AS acl"
        " WHERE datname = %(database)s AND acl.grantee = 0)"
    ),
}
_VIOLATIONS_IN_A_SCHEMA = {
    "{app} may create in schema {schema}": "has_schema_privilege(%(app)s, %(schema)s, 'CREATE')",
    "{app} may empty or alter a table of schema {schema}": (
        "EXISTS (SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE nspname = %(schema)s AND relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND has_table_privilege(%(app)s, pg_class.oid, 'TRUNCATE, REFERENCES, TRIGGER'))"
    ),
    "PUBLIC may use schema {schema}": (
        "EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) AS acl"
        " WHERE nspname = %(schema)s AND acl.grantee = 0)"
    ),
}


def check(cursor: Cursor, database: str, schemas: Sequence[str], migrator: str, app: str) -> None:
    """Raise if a role has more privileges than it needs.

    Raises:
        AccessError: Names each violation.
    """
    names = {"app": app, "migrator": migrator, "database": database}
    wrong = _found(cursor, _VIOLATIONS, names)
    for schema in schemas:
        wrong += _found(cursor, _VIOLATIONS_IN_A_SCHEMA, names | {"schema": schema})
    wrong += [
        f"{each.kind.lower()} {each.name} still belongs to {each.owner}"
        for each in foreign_objects(cursor, schemas, migrator)
    ]
    if wrong:
        msg = f"the database would not be safe, so nothing was changed: {'; '.join(wrong)}"
        raise AccessError(msg)


def _found(cursor: Cursor, violations: dict[str, str], names: dict[str, str]) -> list[str]:
    found = []
    for violation, condition in violations.items():
        cursor.execute(f"SELECT {condition}", names)
        row = cursor.fetchone()
        if row is None or row[0]:
            found.append(violation.format(**names))
    return found
