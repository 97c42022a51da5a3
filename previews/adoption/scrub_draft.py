"""Draft of ``scrub.yaml``: a rule for each column, none of them in force.

It is made of the migrated schema; without one, of the tables that the source declares. The draft
begins with ``reviewed: false``, which the scrub refuses, and a column whose content neither name,
type nor constraint tells has ``how: review``, which no scrub knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from contract.schema import ColumnSchema, DatabaseSchema
    from previews.adoption.migrations import Column, Tables

Family = Literal[
    "address", "boolean", "enum", "integer", "number", "other", "text", "time", "unknown", "uuid"
]
Place = tuple[str, str]
"""Label of a table, and name of a column."""

_TEXT_IN_SOURCE = frozenset(
    {
        "String", "Text", "Unicode", "UnicodeText", "VARCHAR", "CHAR", "TEXT", "AutoString", "str",
        "CITEXT", "EmailStr", "EmailType",
    }
)  # fmt: skip
_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"text|varchar|bpchar|citext|name", "text"),
    (r"bool(ean)?", "boolean"),
    (r".*(date|time).*", "time"),
    (r"inet", "address"),
    (r"(big|small)?int(eger)?|int[248]", "integer"),
    (r"numeric|float[48]", "number"),
    (r"uuid", "uuid"),
)
_NAMES = (
    (r"e_?mail", "email"),
    (r"user_?name|login|handle|nick", "username"),
    (r"first_?name|given_?name", "first-name"),
    (r"last_?name|sur_?name|family_?name", "last-name"),
    (r"phone|mobile|fax", "phone"),
    (r"company|organi[sz]ation|employer", "company"),
    (r"(^|_)ip(_|$)|ip_?address", "ip"),
    (r"address|street", "address"),
    (r"url|avatar|image|photo|picture|website|link", "url"),
    (r"full_?name|display_?name|real_?name|contact", "person"),
)
_SECRET = re.compile(
    r"passw|hash|token|secret|salt|api_?key|signature|otp|refresh|session", re.IGNORECASE
)
_TOKEN = re.compile(r"token|secret|api_?key", re.IGNORECASE)
_PEOPLE = re.compile(
    r"user|account|customer|person|people|member|contact|author|employee", re.IGNORECASE
)
# The form in which PostgreSQL keeps `CHECK (status IN ('new', 'old'))` of one column or a domain.
_ONE_OF_WORDS = re.compile(
    r"""CHECK\ \(+ (?P<name>[\w$]+ | "(?:[^"]|"")+") \)? (?:::[\w ]+)? \ =\ ANY\ \(+
    ARRAY\[ '(?:[^']|'')*'(?:::[\w ]+)? (?:,\ '(?:[^']|'')*'(?:::[\w ]+)?)* \]
    \)* (?:::[\w ]+\[\])? \)+""",
    re.VERBOSE,
)
# Lengths of UUIDs with and without hyphens, ULIDs, ObjectIds and nanoids.
_RANDOM_KEY = re.compile(r"(character varying|character)\((36|32|26|24|21)\)")
REVIEW = "{how: review}"


def _keep(why: str) -> str:
    return f'{{how: keep, why: "{why}"}}'


_FAMILIES_OF_KEYS = frozenset({"boolean", "integer", "number", "time", "unknown", "uuid"})
_BY_FAMILY: tuple[tuple[Family, str, str], ...] = (
    ("enum", "", _keep("one of few words, by its type")),
    ("boolean", "", _keep("yes or no, which identifies nobody")),
    ("time", r"birth|dob|born", "{how: fake, kind: year}"),
    ("time", "", _keep("a time by which lists are ordered")),
    ("address", "", "{how: fake, kind: ip}"),
    (
        "integer",
        r"(^|_)(id|count|version|quantity|position|order|rank|attempts)$",
        _keep("a number that identifies nobody by itself"),
    ),
    ("uuid", _TOKEN.pattern, "{how: fake, kind: uuid}"),
    ("uuid", "id$", _keep("random, and unknown outside of staging")),
    ("other", _SECRET.pattern, "{how: hash}"),
)


@dataclass(frozen=True)
class Line:
    """A line of the draft: the rule of a column, and what a person reviews it by.

    Attributes:
        rule: The rule as YAML; empty for a column that needs none.
        about: Type and constraints, or why it needs no rule.
    """

    rule: str
    about: str


@dataclass
class Draft:
    """The proposed rules.

    Attributes:
        origin: Their source, as a phrase.
        notes: Further lines for the head of the file.
        tables: Lines of each table, by names of columns.
    """

    origin: str
    notes: tuple[str, ...] = ()
    tables: dict[str, dict[str, Line]] = field(default_factory=dict)

    def add(self, place: Place, line: Line) -> None:
        """Add a line."""
        self.tables.setdefault(place[0], {})[place[1]] = line


@dataclass(frozen=True)
class _Subject:
    """A column that a rule is proposed for.

    Attributes:
        fakes: Kinds that it can store; None if the source doesn't tell.
        limited: True if a constraint limits its values.
        one_of_words: True if that is a list of words.
    """

    place: Place
    family: Family
    type: str
    key: bool
    about: str
    fakes: frozenset[str] | None = None
    hashable: bool = True
    unique: bool = False
    limited: bool = False
    one_of_words: bool = False

    def stores(self, kind: str) -> bool:
        return self.fakes is None or kind in self.fakes


def draft_of_schema(schema: DatabaseSchema) -> Draft:
    """Propose rules for the schema of a migrated database."""
    notes = [
        *(
            f"{table.label} is a foreign table, which no scrub reaches: drop it in a migration"
            for table in schema.tables
            if table.kind == "foreign table"
        ),
        *(
            f"{label} belongs to extension {extension} and needs no rule"
            for label, extension in schema.extension_tables.items()
        ),
    ]
    made = Draft("the migrated schema", tuple(notes))
    pairs = [
        ((key.table, mine), (key.target, theirs))
        for key in schema.foreign_keys
        for mine, theirs in zip(key.columns, key.target_columns, strict=True)
    ]
    refers = dict(pairs)
    subjects: dict[Place, _Subject] = {}
    for table, column in schema.columns_to_classify():
        place = (table.label, column.name)
        subjects[place] = _of_schema(place, column, refers)
    rules = {place: _rule(subject) for place, subject in subjects.items()}
    for group in _joined([pair for pair in pairs if subjects.keys() >= {*pair}]):
        rules |= _same(group, refers, subjects, rules)
    for table in schema.tables:
        for column in table.columns:
            place = (table.label, column.name)
            if place in subjects:
                made.add(place, Line(rules[place], f"review: {subjects[place].about}"))
            elif table.partition_of is None and column.generated:
                made.add(place, Line("", "generated from other columns, so it needs no rule"))
    return made


def draft_of_source(tables: Tables) -> Draft:
    """Propose rules for the tables that were read in the source."""
    notes = [
        "Tables and columns may be missing: on a sandbox `make adopt`, elsewhere `previews adopt",
        "--schema` drafts it from the migrated schema, which has all of them.",
    ]
    if tables.unread:
        notes += ["Not readable:", *(f"  {place}" for place in tables.unread[:20])]
    origin = f"{tables.origin or 'nothing: no table could be read'}, without a database"
    made = Draft(origin, tuple(notes))
    for label, columns in sorted(tables.columns.items()):
        for name, column in columns.items():
            subject = _of_source((label, name), column)
            made.add((label, name), Line(_rule(subject), f"review: {subject.about}"))
    return made


def _of_schema(place: Place, column: ColumnSchema, refers: Mapping[Place, Place]) -> _Subject:
    target = refers.get(place)
    words = (
        " ".join(column.type.split()),
        "primary key" if column.primary else "",
        "unique" if column.unique and not column.primary else "",
        f"refers to {'.'.join(target)}" if target else "",
        "limited by a CHECK" if column.checks else "",
    )
    return _Subject(
        place=place,
        family=_family(column),
        type=column.type,
        key=column.primary or place in refers or place in refers.values(),
        about=", ".join(word for word in words if word).replace("\n", " "),
        fakes=frozenset(column.fakes),
        hashable=column.hashable,
        unique=column.unique,
        limited=bool(column.checks),
        one_of_words=any(_lists_words(check, column.name) for check in column.checks),
    )


def _lists_words(check: str, name: str) -> bool:
    """Return whether a constraint is a list of a column's possible words, and nothing else."""
    found = _ONE_OF_WORDS.fullmatch(check)
    own = {name, "VALUE", '"' + name.replace('"', '""') + '"'}
    return found is not None and found["name"] in own


def _family(column: ColumnSchema) -> Family:
    if column.kind == "enum":
        return "enum"
    return _family_named(column.base) if column.kind == "base" else "other"


def _family_named(name: str) -> Family:
    found = (one for pattern, one in _FAMILIES if re.fullmatch(pattern, name, re.IGNORECASE))
    return next(found, "other")


def _of_source(place: Place, column: Column) -> _Subject:
    kind = column.kind
    family: Family = _family_named(kind)
    if kind in _TEXT_IN_SOURCE:
        family = "text"
    elif kind.lower().endswith("enum"):
        family = "enum"
    elif family in {"other", "text"}:
        family = "unknown"
    return _Subject(place, family, kind, column.key, kind or "type unknown")


def _rule(subject: _Subject) -> str:
    """Propose the rule of a column by its table, type, constraints and name."""
    table, name = subject.place
    if table.rpartition(".")[2] == "alembic_version":
        return _keep("a revision's number, from the source")
    if subject.one_of_words:
        return _keep("one of few words, by its constraint")
    if subject.family == "text":
        return _of_text(subject)
    if subject.key and subject.family in _FAMILIES_OF_KEYS and not _TOKEN.search(name):
        return _keep("a key without a meaning outside of the database")
    for family, pattern, rule in _BY_FAMILY:
        if family == subject.family and re.search(pattern, name, re.IGNORECASE):
            return rule if _possible(subject, rule) else REVIEW
    return REVIEW


def _possible(subject: _Subject, rule: str) -> bool:
    """Return whether the scrub accepts a rule for a column, and its constraints the values."""
    kind = _kind(rule)
    if kind:
        return subject.stores(kind)
    return "how: hash" not in rule or (subject.hashable and not subject.limited)


def _kind(rule: str) -> str:
    """Return the kind of fakes of a rule; empty for other rules."""
    found = re.search(r"kind: ([a-z-]+)", rule)
    return found[1] if found else ""


def _of_text(subject: _Subject) -> str:
    table, name = subject.place
    if _SECRET.search(name):
        return "{how: hash}" if _possible(subject, "{how: hash}") else REVIEW
    if subject.key and subject.fakes is None:
        # A key in text may be a name or an address, and a fake has to fit all that refer to it.
        return REVIEW
    if subject.key and _RANDOM_KEY.fullmatch(subject.type):
        return _keep("random, by its length; check that it is no name or address")
    named = next((kind for pattern, kind in _NAMES if re.search(pattern, name, re.IGNORECASE)), "")
    if not named and name.lower() == "name" and _PEOPLE.search(table):
        named = "person"
    if named and subject.stores(named):
        return f"{{how: fake, kind: {named}}}"
    if subject.key or subject.limited or named == "email" or not subject.stores("text"):
        return REVIEW
    return "{how: fake, kind: text}"


def _joined(pairs: Sequence[tuple[Place, Place]]) -> Iterator[set[Place]]:
    """Yield the columns that foreign keys join, in groups."""
    groups: dict[Place, set[Place]] = {}
    for pair in pairs:
        group = set[Place]().union(*(groups.get(place, {place}) for place in pair))
        groups |= dict.fromkeys(group, group)
    yielded: list[set[Place]] = []
    for group in groups.values():
        if group not in yielded:
            yielded.append(group)
            yield group


def _same(
    group: set[Place],
    refers: Mapping[Place, Place],
    subjects: Mapping[Place, _Subject],
    rules: Mapping[Place, str],
) -> dict[Place, str]:
    """Return one rule for all columns that foreign keys join, so that they still match.

    It is that of a column that refers to none, unless another one of the group can't have it.
    """
    (root, *_) = sorted(group, key=lambda place: (place in refers, place))
    rule = rules[root]
    members = [subjects[place] for place in group]
    # A hash is as long as its column.
    cut = "how: hash" in rule and len({one.type for one in members}) > 1
    if cut or not all(_possible(one, rule) for one in members):
        rule = REVIEW
    if not rule.startswith("{how: keep"):
        return dict.fromkeys(group, rule)
    return {
        place: _keep(f"refers to {_plain(refers[place])}") if place in refers else rule
        for place in group
    }


def _plain(place: Place) -> str:
    """Return a place as it may stand within double quotes, and as short as a reason may be."""
    return re.sub(r"[^\w.-]", "_", ".".join(place))[:150]
