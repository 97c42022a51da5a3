"""Draft of ``scrub.yaml``: a rule for each column that can be read, none of them in force.

The draft begins with ``reviewed: false``, which the scrub refuses, and a column whose content the
name and the type don't tell has ``how: review``, which no scrub knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from previews.adoption.tables import Column, Tables

_HEAD = """\
# How a copy of staging's data is scrubbed: one rule for each column of each table.
# Drafted from {origin}, without a database. Nothing of it is in force: the scrub refuses the file
# until a person has checked every line and removed the next one.
reviewed: false
"""
_TEXT = frozenset(
    {
        "String", "Text", "Unicode", "UnicodeText", "VARCHAR", "CHAR", "TEXT", "AutoString", "str",
        "CITEXT", "EmailStr", "EmailType",
    }
)  # fmt: skip
_NAMES = (
    (r"e_?mail", "email"),
    (r"user_?name|login|handle|nick", "username"),
    (r"first_?name|given_?name", "first-name"),
    (r"last_?name|sur_?name|family_?name", "last-name"),
    (r"phone|mobile|fax", "phone"),
    (r"company|organi[sz]ation|employer", "company"),
    (r"address|street", "address"),
    (r"(^|_)ip(_|$)|ip_?address", "ip"),
    (r"url|avatar|image|photo|picture|website|link", "url"),
    (r"full_?name|display_?name|real_?name|contact", "person"),
)
_SECRET = re.compile(
    r"passw|hash|token|secret|salt|api_?key|signature|otp|refresh|session", re.IGNORECASE
)
_PEOPLE = re.compile(
    r"user|account|customer|person|people|member|contact|author|employee", re.IGNORECASE
)


def _keep(why: str) -> str:
    return f'{{how: keep, why: "{why}"}}'


_BY_TYPE = (
    (r"bool(ean)?", "", _keep("yes or no, which identifies nobody")),
    (r".*(date|time).*", r"birth|dob|born", "{how: fake, kind: year}"),
    (r".*(date|time).*", "", _keep("a time by which lists are ordered")),
    (r"inet", "", "{how: fake, kind: ip}"),
    (r".*enum", "", _keep("one of few words, by its type")),
    (
        r"(big|small)?int(eger)?",
        r"(^|_)(id|count|version|quantity|position|order|rank|attempts)$",
        _keep("a number that identifies nobody by itself"),
    ),
    (r"uuid", "id$", _keep("random, and unknown outside of staging")),
)


def draft(tables: Tables) -> str:
    """Return the draft as text."""
    lines = [_HEAD.format(origin=tables.origin or "nothing: no table could be read")]
    if tables.unread:
        lines += [
            "# Not readable, so tables and columns may be missing, which the scrub then names:",
            *(f"#   {place}" for place in tables.unread[:20]),
        ]
    lines.append("tables:" if tables.columns else "tables: {}")
    for table, columns in sorted(tables.columns.items()):
        if not columns:
            continue
        lines += [f"  {_key(table)}:", "    columns:"]
        for name, column in columns.items():
            rule = f"      {_key(name)}: {_rule(table, name, column)}"
            lines.append(f"{rule}  # review: {column.kind or 'type unknown'}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _key(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_][\w.]*", name)
    ambiguous = name.lower() in {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
    return name if plain and not ambiguous else f'"{name}"'


def _rule(table: str, name: str, column: Column) -> str:
    kind = column.kind
    if table == "alembic_version":
        return _keep("a revision's number, from the source")
    if kind in _TEXT:
        return _of_text(table, name, column)
    if column.key:
        return _keep("a key without a meaning outside of the database")
    for type_pattern, name_pattern, rule in _BY_TYPE:
        fits = re.fullmatch(type_pattern, kind, re.IGNORECASE)
        if fits and re.search(name_pattern, name, re.IGNORECASE):
            return rule
    return "{how: review}"


def _of_text(table: str, name: str, column: Column) -> str:
    if _SECRET.search(name):
        return "{how: hash}"
    for pattern, kind in _NAMES:
        if re.search(pattern, name, re.IGNORECASE) and not column.key:
            return f"{{how: fake, kind: {kind}}}"
    if name == "name" and _PEOPLE.search(table):
        return "{how: fake, kind: person}"
    if column.key:
        # A key in text may be a name or an address, and a fake has to fit all that refer to it.
        return "{how: review}"
    return "{how: fake, kind: text}"
