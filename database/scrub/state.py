"""State of a scrub in the database itself, from which the next run resumes a killed one.

It is in a schema of its own, which only the master can read: the salt until the end, the
columns that are done, foreign keys to be restored, and the mark of a finished proof, which
clones of a scrubbed database inherit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from database.access.schemas import STATE_SCHEMA
from database.scrub.errors import ScrubError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import ForeignKey, Table

_TABLES = {"salt", "done", "uncompacted", "foreign_keys", "finished"}
# Any number that nobody else locks; two scrubs at once then run one after the other.
ADVISORY_LOCK = 0x73637275

# The server generates the salt, which never leaves it: it is in no statement's text, which
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
    """Return whether this database, or the one it was cloned from, was scrubbed and proven."""
    cursor.execute("SELECT to_regclass('scrub.finished') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return False
    cursor.execute("SELECT EXISTS (SELECT FROM scrub.finished)")
    return cursor.fetchone() == (True,)


def refuse_if_begun(cursor: Cursor) -> None:
    """Refuse a database whose scrub has begun and was never proven.

    Raises:
        ScrubError: It is a copy, with personal data left in it.
    """
    cursor.execute("SELECT to_regclass('scrub.salt') IS NOT NULL")
    if cursor.fetchone() == (True,) and not is_finished(cursor):
        msg = (
            "the scrub of this database has begun and was never proven, so it is a copy with"
            " personal data in it, and nobody may connect. Prepare it with PREPARE_CONTENT=copy"
        )
        raise ScrubError(msg)


def begin(cursor: Cursor) -> None:
    """Create the state, unless it exists.

    Raises:
        ScrubError: The application has a schema of that name, whose tables would be skipped.
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
            f"schema {STATE_SCHEMA} belongs to the application, but the scrub stores its state in"
            " one of that name: rename the application's"
        )
        raise ScrubError(msg)
    cursor.execute(_CREATE)


def use_salt(cursor: Cursor) -> None:
    """Copy the salt to a setting of this transaction, from which the fakes read it."""
    cursor.execute("SELECT set_config('scrub.salt', salt, true) FROM scrub.salt")


def done(cursor: Cursor) -> dict[tuple[str, str], str]:
    """Return the columns that are done, with the fingerprints of their rules."""
    cursor.execute("SELECT relation, attribute, rule FROM scrub.done")
    return {(relation, attribute): rule for relation, attribute, rule in cursor.fetchall()}


def mark_done(cursor: Cursor, table: Table, rules: dict[str, str]) -> None:
    """Record columns as done, in the transaction that scrubs them."""
    for attribute, rule in rules.items():
        cursor.execute(
            "INSERT INTO scrub.done VALUES (%s, %s, %s)"
            " ON CONFLICT (relation, attribute) DO UPDATE SET rule = excluded.rule",
            (table.label, attribute, rule),
        )


def mark_uncompacted(cursor: Cursor, table: Table) -> None:
    """Record that the file of a table still contains old rows."""
    cursor.execute(
        "INSERT INTO scrub.uncompacted VALUES (%s) ON CONFLICT DO NOTHING", (table.label,)
    )


def mark_compacted(cursor: Cursor, label: str) -> None:
    """Record that the old rows of a table were removed."""
    cursor.execute("DELETE FROM scrub.uncompacted WHERE relation = %s", (label,))


def uncompacted(cursor: Cursor) -> set[str]:
    """Return the tables whose files still contain old rows."""
    cursor.execute("SELECT relation FROM scrub.uncompacted")
    return {label for (label,) in cursor.fetchall()}


def keep_foreign_key(cursor: Cursor, table: Table, key: ForeignKey) -> None:
    """Record a foreign key, in the transaction that drops it."""
    cursor.execute(
        "INSERT INTO scrub.foreign_keys VALUES (%s, %s, %s)",
        (table.label, key.name, key.definition),
    )


def kept_foreign_keys(cursor: Cursor) -> list[tuple[str, str, str]]:
    """Return the foreign keys to be restored: table, name, definition."""
    cursor.execute("SELECT relation, name, definition FROM scrub.foreign_keys ORDER BY 1, 2")
    return cursor.fetchall()


def forget_foreign_keys(cursor: Cursor) -> None:
    """Delete the record of foreign keys, after they were restored."""
    cursor.execute("DELETE FROM scrub.foreign_keys")


def finish(cursor: Cursor) -> None:
    """Delete the salt with its file, and mark the database as scrubbed and proven."""
    cursor.execute(
        "DROP TABLE IF EXISTS scrub.salt, scrub.done, scrub.uncompacted, scrub.foreign_keys;"
        "INSERT INTO scrub.finished SELECT WHERE NOT EXISTS (SELECT FROM scrub.finished)"
    )
