"""What a scrub remembers in the database itself, so that a killed one is gone on with.

It lies in a schema of its own, which the master alone can look into: the salt until the
end, the columns that are done, foreign keys that wait to be put back, and that all was
proven. A clone of a scrubbed database carries the last with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from database.scrub.catalogue import STATE_SCHEMA
from database.scrub.errors import ScrubError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import ForeignKey, Table

_TABLES = {"salt", "done", "uncompacted", "foreign_keys", "finished"}
# Any number that nobody else locks; two scrubs at once then run one after the other.
ADVISORY_LOCK = 0x73637275

# The salt is made by the server and never leaves it: no statement's text holds it, which
# logs and pg_stat_statements would keep. 244 of its bits are random.
_CREATE = """
CREATE SCHEMA IF NOT EXISTS scrub;
REVOKE ALL ON SCHEMA scrub FROM PUBLIC;
CREATE TABLE IF NOT EXISTS scrub.finished (at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS scrub.done (
    relation text, attribute text, rule text NOT NULL, PRIMARY KEY (relation, attribute));
CREATE TABLE IF NOT EXISTS scrub.uncompacted (relation text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS scrub.foreign_keys (
    relation text, name text, definition text NOT NULL, PRIMARY KEY (relation, name));
CREATE TABLE IF NOT EXISTS scrub.salt (salt text NOT NULL);
INSERT INTO scrub.salt
SELECT encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex')
WHERE NOT EXISTS (SELECT FROM scrub.salt);
"""


def is_finished(cursor: Cursor) -> bool:
    """Whether this database, or the one it is a clone of, was scrubbed and proven."""
    cursor.execute("SELECT to_regclass('scrub.finished') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return False
    cursor.execute("SELECT EXISTS (SELECT FROM scrub.finished)")
    return cursor.fetchone() == (True,)


def begin(cursor: Cursor) -> None:
    """Make what is remembered, unless it is there.

    Raises:
        ScrubError: A schema of that name is somebody else's, whose tables would be missed.
    """
    cursor.execute(
        "SELECT pg_get_userbyid(nspowner) = current_user, array("
        " SELECT relname::text FROM pg_class WHERE relnamespace = n.oid AND relkind <> 'i')"
        " FROM pg_namespace AS n WHERE nspname = %s",
        (STATE_SCHEMA,),
    )
    found = cursor.fetchone()
    if found is not None and (not found[0] or set(found[1]) - _TABLES):
        msg = (
            f"schema {STATE_SCHEMA} is the application's own, and the scrub keeps its notes in"
            " one of that name: rename it"
        )
        raise ScrubError(msg)
    cursor.execute(_CREATE)


def use_salt(cursor: Cursor) -> None:
    """Lay the salt into this transaction's settings, where the fakes look for it."""
    cursor.execute("SELECT set_config('scrub.salt', salt, true) FROM scrub.salt")


def done(cursor: Cursor) -> dict[tuple[str, str], str]:
    """The columns that are done, with the rule by which they were."""
    cursor.execute("SELECT relation, attribute, rule FROM scrub.done")
    return {(relation, attribute): rule for relation, attribute, rule in cursor.fetchall()}


def mark_done(cursor: Cursor, table: Table, rules: dict[str, str]) -> None:
    """Remember columns, in the transaction that scrubs them."""
    for attribute, rule in rules.items():
        cursor.execute(
            "INSERT INTO scrub.done VALUES (%s, %s, %s)"
            " ON CONFLICT (relation, attribute) DO UPDATE SET rule = excluded.rule",
            (table.label, attribute, rule),
        )


def mark_uncompacted(cursor: Cursor, table: Table) -> None:
    """Remember that a table's old rows are still in its file."""
    cursor.execute(
        "INSERT INTO scrub.uncompacted VALUES (%s) ON CONFLICT DO NOTHING", (table.label,)
    )


def mark_compacted(cursor: Cursor, label: str) -> None:
    """Remember that they are gone."""
    cursor.execute("DELETE FROM scrub.uncompacted WHERE relation = %s", (label,))


def uncompacted(cursor: Cursor) -> set[str]:
    """Tables whose old rows are still in their files."""
    cursor.execute("SELECT relation FROM scrub.uncompacted")
    return {label for (label,) in cursor.fetchall()}


def keep_foreign_key(cursor: Cursor, table: Table, key: ForeignKey) -> None:
    """Remember a foreign key, in the transaction that drops it."""
    cursor.execute(
        "INSERT INTO scrub.foreign_keys VALUES (%s, %s, %s)",
        (table.label, key.name, key.definition),
    )


def kept_foreign_keys(cursor: Cursor) -> list[tuple[str, str, str]]:
    """Foreign keys that wait to be put back: table, name, definition."""
    cursor.execute("SELECT relation, name, definition FROM scrub.foreign_keys ORDER BY 1, 2")
    return cursor.fetchall()


def forget_foreign_keys(cursor: Cursor) -> None:
    """They are back."""
    cursor.execute("DELETE FROM scrub.foreign_keys")


def finish(cursor: Cursor) -> None:
    """Throw the salt away, with its file, and remember that all is done and proven."""
    cursor.execute(
        "DROP TABLE IF EXISTS scrub.salt, scrub.done, scrub.uncompacted, scrub.foreign_keys;"
        "INSERT INTO scrub.finished SELECT WHERE NOT EXISTS (SELECT FROM scrub.finished)"
    )
