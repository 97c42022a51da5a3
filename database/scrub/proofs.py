"""Proof that the scrub worked: conditions that no row may fulfil.

There are two kinds, each of which finds what the other misses. A column with fakes contains
only values of their pattern. And no column of any table, whatever its rule, contains text that
looks like a real email address, a real phone number or a token.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from psycopg2.sql import SQL, Composable, Identifier, Literal

from database.scrub import catalogue, engine, state, words
from database.scrub.classification import TableTask, classify
from database.scrub.errors import REMEDY, ScrubError
from database.scrub.fakes import FAKE_KINDS
from database.scrub.rules import Constant, Fake, Hash, Keep, Null, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg2.extensions import connection
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import Column, Table
    from database.scrub.rules import ColumnRule, Rules


class ForbiddenText(NamedTuple):
    """Text that no column may contain.

    Attributes:
        hint: A fast regular expression of PostgreSQL, which matches all that `pattern` does.
        pattern: The regular expression that decides.
    """

    hint: str
    pattern: str


_TEST_DOMAINS = "|".join(domain.replace(".", r"\.") for domain in words.MAIL_DOMAINS)
_END = r"(?![[:alnum:]-]|\.[[:alnum:]])"
_TEST_PHONES = "|".join(
    f"{prefix[1:]}[0-9]{{{digits}}}(?![0-9])" for prefix, digits in words.PHONE_RANGES
)

FORBIDDEN_TEXTS = {
    "an email address outside of example.com, .net and .org": ForbiddenText(
        "@", rf"@(?!({_TEST_DOMAINS}){_END})[^[:space:]@]+\.[[:alpha:]]"
    ),
    "a phone number outside of the fictional ranges": ForbiddenText(
        r"\+", rf"\+(?!({_TEST_PHONES}))[1-9]([ ().-]{{0,2}}[0-9]){{7,14}}"
    ),
    "text that looks like a token": ForbiddenText(
        r"(_|pat-|xox|pypi-A|AIza|A[KS]IA|ya29|SG\.|eyJ|-----B|earer |\$)",
        r"(gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|[sr]k_live_|whsec_|npm_|pypi-AgE|AIza"
        r"|A[KS]IA|ya29\.|SG\.|dop_v1_|hf_)[A-Za-z0-9_.-]{16}"
        r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8}"
        r"|-----BEGIN [A-Z ]*PRIVATE KEY"
        r"|[Bb]earer [A-Za-z0-9_.~+/-]{20}"
        r"|\$(2[aby]|argon2(id|i|d)|scrypt)\$",
    ),
}

# Categories of types: numbers, times, intervals, booleans, network addresses, ranges and enums.
_NO_TEXT = set("NDTBIRE")


class _Check(NamedTuple):
    """A condition that no row may fulfil, and the finding if one does."""

    condition: Composable
    finding: str


def prove(database: connection, *more: connection, rules: Rules) -> None:
    """Search all tables for personal data, and mark the database as scrubbed if there is none.

    Afterwards the salt is deleted, and roles may be allowed to connect.

    Args:
        database: As for :func:`run`, which has finished.
        more: Further connections, which search other tables in parallel.
        rules: As for :func:`run`.

    Raises:
        ScrubError: Something was found. The message names columns and numbers of rows but no
            values, since it is shown in logs and pull requests.
    """
    with database, database.cursor() as cursor:
        if state.is_finished(cursor):
            return
        tasks = _tasks(cursor, rules)
        wrong = _not_done(cursor, tasks)
    databases = (database, *more)
    with ThreadPoolExecutor(len(databases)) as threads:
        shares = [tasks[start :: len(databases)] for start in range(len(databases))]
        for found in threads.map(_search_all, databases, shares):
            wrong += found
    with database, database.cursor() as cursor:
        engine.set_limits(cursor)
        wrong += _failed_proofs(cursor, rules)
        if wrong:
            msg = (
                "the proof failed, so connections stay disabled:"
                f" {'; '.join(sorted(wrong))}. {REMEDY}"
            )
            raise ScrubError(msg)
        state.finish(cursor)


def _tasks(cursor: Cursor, rules: Rules) -> list[TableTask]:
    """Return all tables with their rules, and materialized views, which have none."""
    tables = catalogue.read(cursor)
    tasks = classify(tables, catalogue.foreign_keys(cursor), rules)
    return tasks + [TableTask(table, truncate=False) for table in tables if table.kind == "m"]


def _not_done(cursor: Cursor, tasks: Sequence[TableTask]) -> list[str]:
    """Return the parts of the scrub that are not recorded as done."""
    cursor.execute("SELECT to_regclass('scrub.done') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return ["the database was not scrubbed: run the scrub first"]
    done = state.done(cursor)
    columns = [
        f"{task.table.label}.{name} was not scrubbed by its present rule"
        for task in tasks
        for name, rule in task.columns.items()
        if done.get((task.table.label, name)) != fingerprint(rule)
    ]
    files = [f"the file of {label} still contains old rows" for label in state.uncompacted(cursor)]
    keys = [
        f"foreign key {name} of {label} was not restored"
        for label, name, _ in state.kept_foreign_keys(cursor)
    ]
    return [f"{each}: run the scrub again" for each in columns + files + keys]


def _search_all(database: connection, tasks: Sequence[TableTask]) -> list[str]:
    found: list[str] = []
    for task in tasks:
        with database, database.cursor() as cursor:
            engine.set_limits(cursor)
            found += _search(cursor, task)
    return found


def _search(cursor: Cursor, task: TableTask) -> Iterator[str]:
    """Read a table once, and a second time only if something was found, to name the column."""
    for checks in (_table_checks(task), _column_checks(task)):
        found = _run_checks(cursor, task.table, list(checks))
        if not found:
            return
    yield from found


def _run_checks(cursor: Cursor, table: Table, checks: list[_Check]) -> list[str]:
    if not checks:
        return []
    counts = SQL(", ").join(
        SQL("count(*) FILTER (WHERE {})").format(check.condition) for check in checks
    )
    cursor.execute(SQL("SELECT {} FROM {}").format(counts, table.sql))
    (row,) = cursor.fetchall()
    return [
        f"{check.finding} ({count} rows)" for check, count in zip(checks, row, strict=True) if count
    ]


def _table_checks(task: TableTask) -> Iterator[_Check]:
    """Yield a check for each rule, and one for each forbidden text in all columns together."""
    table = task.table
    if task.truncate:
        yield _Check(SQL("true"), f"{table.label} is not empty")
        return
    yield from _rule_checks(task)
    texts = [engine.as_text(column) for column in table.columns.values() if _may_hold_text(column)]
    if texts:
        # Joined by a character that no pattern matches, so that no match spans two columns.
        row = SQL("concat_ws(E'\\x1f', {})").format(SQL(", ").join(texts))
        for name, forbidden in FORBIDDEN_TEXTS.items():
            yield _Check(_contains(row, forbidden), f"{table.label} contains {name}")


def _column_checks(task: TableTask) -> Iterator[_Check]:
    """Yield the same checks for each column separately."""
    table = task.table
    if task.truncate:
        yield from _table_checks(task)
        return
    yield from _rule_checks(task)
    for column in table.columns.values():
        if _may_hold_text(column):
            for name, forbidden in FORBIDDEN_TEXTS.items():
                yield _Check(
                    _contains(engine.as_text(column), forbidden),
                    f"{table.label}.{column.name} contains {name}",
                )


def _contains(text: Composable, forbidden: ForbiddenText) -> Composable:
    return SQL("({text} ~ {hint} AND {text} ~ {pattern})").format(
        text=text, hint=Literal(forbidden.hint), pattern=Literal(forbidden.pattern)
    )


def _rule_checks(task: TableTask) -> Iterator[_Check]:
    for name, rule in task.columns.items():
        condition = _condition(task.table.columns[name], rule)
        if condition is not None:
            violated = SQL("({}) IS NOT TRUE").format(condition)
            finding = f"{task.table.label}.{name} contains values that its rule does not make"
            yield _Check(violated, finding)


def _condition(column: Column, rule: ColumnRule) -> Composable | None:
    """Return a condition that all values made by the rule fulfil; None if there is none."""
    name = Identifier(column.name)
    match rule:
        case Keep():
            return None
        case Null():
            return SQL("{} IS NULL").format(name)
        case Constant():
            # As text: json has no equality.
            return SQL("{}::text IS NOT DISTINCT FROM ({})::text").format(
                name, engine.value(column, rule)
            )
        case Hash():
            text = SQL("encode({}, 'hex')") if column.base == "bytea" else SQL("{}::text")
            return SQL("{name} IS NULL OR {text} ~ '^[0-9a-f]{{16,64}} *$'").format(
                name=name, text=text.format(name)
            )
        case Fake(kind=kind):
            matches = FAKE_KINDS[kind].matches(engine.as_text(column))
            return SQL("{} IS NULL OR {}").format(name, matches)


def _may_hold_text(column: Column) -> bool:
    return column.category not in _NO_TEXT and column.base != "uuid"


def _failed_proofs(cursor: Cursor, rules: Rules) -> Iterator[str]:
    for assertion, query in rules.proofs.items():
        cursor.execute(SQL("SELECT FROM ({}) AS proof LIMIT 1").format(SQL(query)))
        if cursor.rowcount:
            yield f"{assertion}: its query in scrub.yaml returns rows"
