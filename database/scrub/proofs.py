"""Proof that the scrub worked: questions to which no row may be an answer.

Two kinds, of which each would find what the other overlooks. A column that was faked holds
nothing but fakes, by their form. And no column of any table, whatever its rule, holds what
looks like somebody's address or phone number, or like a token.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from psycopg2.sql import SQL, Composable, Identifier, Literal

from database.scrub import catalogue, engine, fakes, state
from database.scrub.classification import Work, classify
from database.scrub.errors import ScrubError
from database.scrub.rules import Constant, Fake, Hash, Keep, Null, fingerprint
from service.seed import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg2.extensions import connection
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from database.scrub.catalogue import Column, Table
    from database.scrub.rules import ColumnRule, Rules


class Shape(NamedTuple):
    """What may be found nowhere.

    Attributes:
        hint: A regular expression of PostgreSQL's that is quick, and matches whatever the other
            does.
        pattern: The one that decides.
    """

    hint: str
    pattern: str


_OUR_DOMAINS = "|".join(domain.replace(".", r"\.") for domain in words.MAIL_DOMAINS)
_END = r"(?![[:alnum:]-]|\.[[:alnum:]])"
_OUR_PHONES = "|".join(
    f"{prefix[1:]}[0-9]{{{digits}}}(?![0-9])" for prefix, digits in words.PHONE_RANGES
)

SHAPES = {
    "an address outside of example.com, .net and .org": Shape(
        "@", rf"@(?!({_OUR_DOMAINS}){_END})[^[:space:]@]+\.[[:alpha:]]"
    ),
    "a phone number outside of the fictional ranges": Shape(
        r"\+", rf"\+(?!({_OUR_PHONES}))[1-9]([ ().-]{{0,2}}[0-9]){{7,14}}"
    ),
    "what looks like a token": Shape(
        r"(_|pat-|xox|pypi-A|AIza|A[KS]IA|ya29|SG\.|eyJ|-----B|earer |\$)",
        r"(gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|[sr]k_live_|whsec_|npm_|pypi-AgE|AIza"
        r"|A[KS]IA|ya29\.|SG\.|dop_v1_|hf_)[A-Za-z0-9_.-]{16}"
        r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8}"
        r"|-----BEGIN [A-Z ]*PRIVATE KEY"
        r"|[Bb]earer [A-Za-z0-9_.~+/-]{20}"
        r"|\$(2[aby]|argon2(id|i|d)|scrypt)\$",
    ),
}

# Numbers, times, truth values, addresses of networks, ranges of them, and enumerations.
_NO_TEXT = set("NDTBIRE")


class _Question(NamedTuple):
    """A condition that no row may fulfil, and what it would mean."""

    condition: Composable
    meaning: str


def prove(database: connection, *more: connection, rules: Rules) -> None:
    """Look for what must not be there, and only then call the database scrubbed.

    Afterwards the salt is gone, and whoever prepares roles may let them in.

    Args:
        database: As for :func:`run`, which has ended.
        more: Further connections, which look through other tables at the same time.
        rules: As for :func:`run`.

    Raises:
        ScrubError: Something was found. Says in which column and in how many rows, and never
            what: the message ends up in logs and pull requests.
    """
    with database, database.cursor() as cursor:
        if state.is_finished(cursor):
            return
        works = _works(cursor, rules)
        wrong = _undone(cursor, works)
    databases = (database, *more)
    with ThreadPoolExecutor(len(databases)) as threads:
        shares = [works[start :: len(databases)] for start in range(len(databases))]
        for found in threads.map(_search_all, databases, shares):
            wrong += found
    with database, database.cursor() as cursor:
        engine.set_limits(cursor)
        wrong += _own_proofs(cursor, rules)
        if wrong:
            msg = f"not proven, and nobody may connect: {'; '.join(sorted(wrong))}"
            raise ScrubError(msg)
        state.finish(cursor)


def _works(cursor: Cursor, rules: Rules) -> list[Work]:
    """Every table with its rules, and what is a copy of tables, with none."""
    tables = catalogue.read(cursor)
    works = classify(tables, catalogue.foreign_keys(cursor), rules, exact=False)
    return works + [Work(table, truncate=False) for table in tables if table.kind == "m"]


def _undone(cursor: Cursor, works: Sequence[Work]) -> list[str]:
    """What the scrub itself does not call done."""
    cursor.execute("SELECT to_regclass('scrub.done') IS NOT NULL")
    if cursor.fetchone() != (True,):
        return ["nothing was scrubbed here: run the scrub first"]
    done = state.done(cursor)
    undone = [
        f"{work.table.label}.{name} was not scrubbed by its rule: run the scrub again"
        for work in works
        for name, rule in work.columns.items()
        if done.get((work.table.label, name)) != fingerprint(rule)
    ]
    waiting = [f"the old rows of {label} are still there" for label in state.uncompacted(cursor)]
    keys = [f"foreign key {name} of {label}" for label, name, _ in state.kept_foreign_keys(cursor)]
    return undone + waiting + [f"{key} was not put back: run the scrub again" for key in keys]


def _search_all(database: connection, works: Sequence[Work]) -> list[str]:
    found: list[str] = []
    for work in works:
        with database, database.cursor() as cursor:
            engine.set_limits(cursor)
            found += _search(cursor, work)
    return found


def _search(cursor: Cursor, work: Work) -> Iterator[str]:
    """Read a table once; a second time, to name the column, only where something was found."""
    for ask in (_questions(work), _precise_questions(work)):
        found = _ask(cursor, work.table, list(ask))
        if not found:
            return
    yield from found


def _ask(cursor: Cursor, table: Table, questions: list[_Question]) -> list[str]:
    if not questions:
        return []
    counts = SQL(", ").join(
        SQL("count(*) FILTER (WHERE {})").format(question.condition) for question in questions
    )
    cursor.execute(SQL("SELECT {} FROM {}").format(counts, table.sql))
    (row,) = cursor.fetchall()
    return [
        f"{question.meaning} ({count} rows)"
        for question, count in zip(questions, row, strict=True)
        if count
    ]


def _questions(work: Work) -> Iterator[_Question]:
    """One question for each form, and one for each shape of all columns together."""
    table = work.table
    if work.truncate:
        yield _Question(SQL("true"), f"{table.label} is not empty")
        return
    yield from _form_questions(work)
    texts = [engine.as_text(column) for column in table.columns.values() if _may_hold_text(column)]
    if texts:
        # A character that no shape has in it, so that none is found across two columns.
        row = SQL("concat_ws(E'\\x1f', {})").format(SQL(", ").join(texts))
        for what, shape in SHAPES.items():
            yield _Question(_matches(row, shape), f"{table.label} holds {what}")


def _precise_questions(work: Work) -> Iterator[_Question]:
    """The same of each column by itself."""
    table = work.table
    if work.truncate:
        yield from _questions(work)
        return
    yield from _form_questions(work)
    for column in table.columns.values():
        if _may_hold_text(column):
            for what, shape in SHAPES.items():
                yield _Question(
                    _matches(engine.as_text(column), shape),
                    f"{table.label}.{column.name} holds {what}",
                )


def _matches(text: Composable, shape: Shape) -> Composable:
    return SQL("({text} ~ {hint} AND {text} ~ {pattern})").format(
        text=text, hint=Literal(shape.hint), pattern=Literal(shape.pattern)
    )


def _form_questions(work: Work) -> Iterator[_Question]:
    for name, rule in work.columns.items():
        condition = _form(work.table.columns[name], rule)
        if condition is not None:
            holds_not = SQL("({}) IS NOT TRUE").format(condition)
            yield _Question(holds_not, f"{work.table.label}.{name} holds what is no fake")


def _form(column: Column, rule: ColumnRule) -> Composable | None:
    """What holds of every value that the rule has made; None where nothing needs to."""
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
            holds = fakes.form(kind).holds(engine.as_text(column))
            return SQL("{} IS NULL OR {}").format(name, holds)


def _may_hold_text(column: Column) -> bool:
    return column.category not in _NO_TEXT and column.base != "uuid"


def _own_proofs(cursor: Cursor, rules: Rules) -> Iterator[str]:
    """The project's own claims."""
    for claim, query in rules.proofs.items():
        cursor.execute(SQL("SELECT FROM ({}) AS proof LIMIT 1").format(SQL(query)))
        if cursor.rowcount:
            yield f"{claim}: its query in database/scrub.yaml returns rows"
