"""The file ``scrub.yaml``: written from a draft, and extended where a person has edited it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from contract.app.model import App
from contract.app.read import AppFileError, read_app
from contract.written import WrittenError, as_json
from contract.yaml_reader import read
from previews.adoption.scrub_draft import Draft, Line, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_HEAD = """\
# How a copy of staging's data is scrubbed: one rule for each column of each table.
# Drafted from {origin}. Nothing of it is in force: the scrub refuses the file
# until a person has checked every line and removed the next one.
reviewed: false
"""
_REVIEWED = re.compile(r"^reviewed:.*$", re.MULTILINE)
_DRAFTED = re.compile(r"^# Drafted from .*\. Nothing of it is in force", re.MULTILINE)
_NOT_REVIEWED = re.compile(r"^reviewed:\s*(false|no|off)\b", re.MULTILINE | re.IGNORECASE)
_OPEN_RULE = re.compile(r"how:\s*[\"']?review\b")
_AMBIGUOUS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


def scrub_path(folder: Path) -> Path:
    """Return the path of an app's rules, whether or not its preview.yaml can be read."""
    try:
        app = read_app(folder)
    except AppFileError:
        app = App()
    return folder / app.database.scrub


def open_rules(text: str) -> int | None:
    """Return how many columns of a draft have no rule; None for rules that a person reviewed."""
    count = sum(len(_OPEN_RULE.findall(line.partition("#")[0])) for line in text.splitlines())
    return count if count or _NOT_REVIEWED.search(text) else None


def render(draft: Draft) -> str:
    """Return a draft as the text of a file."""
    lines = [_HEAD.format(origin=draft.origin)]
    lines += [f"# {note}" for note in draft.notes]
    tables = {name: lines for name, lines in draft.tables.items() if _rules(lines)}
    lines.append("tables:" if tables else "tables: {}")
    for label, columns in sorted(tables.items()):
        lines += [*_table(label, columns), ""]
    return "\n".join(lines).rstrip() + "\n"


def _rules(lines: Mapping[str, Line]) -> dict[str, Line]:
    return {name: line for name, line in lines.items() if line.rule}


def _table(label: str, columns: Mapping[str, Line], indent: str = "  ") -> Iterator[str]:
    yield f"{indent}{key(label)}:"
    yield f"{indent}  columns:"
    for name, line in columns.items():
        yield _column(name, line, f"{indent}    ")


def _column(name: str, line: Line, indent: str) -> str:
    if not line.rule:
        return f"{indent}# {' '.join(name.split())}: {line.about}"
    return f"{indent}{key(name)}: {line.rule}  # {line.about}"


def key(name: str) -> str:
    """Write a name as a key of YAML; in quotes wherever YAML could read something else."""
    plain = re.fullmatch(r"[A-Za-z_][\w.]*", name, re.ASCII)
    return name if plain and name.lower() not in _AMBIGUOUS else json.dumps(name)


@dataclass(frozen=True)
class Extended:
    """A file with lines for the columns that it lacked.

    Attributes:
        text: Its content; as it was if it lacked none.
        added: Columns that it lacked.
        gone: Columns and tables that it has rules for, and that are not there.
        written: False if the lines have to be added by hand, since the file has another form.
    """

    text: str
    added: tuple[Place, ...]
    gone: tuple[str, ...]
    written: bool = True


def extend(text: str, draft: Draft) -> Extended:
    """Add lines for the columns that a file lacks, and mark it as not reviewed for them.

    Nothing that is there is changed, a comment included.

    Raises:
        ValueError: The file is no YAML, or has no mapping of tables.
    """
    former = _read(text)
    added = tuple(lacking(former, draft))
    gone = tuple(superfluous(former, draft))
    if not added:
        return Extended(text, (), gone)
    extended = _with_lines(text, draft, added)
    expected: dict[str, Any] = {**former, "reviewed": False, "tables": {**_tables(former)}}
    for label, name in added:
        table = dict(expected["tables"].get(label) or {})
        rule = _parsed(draft.tables[label][name].rule)
        table["columns"] = {**(table.get("columns") or {}), name: rule}
        expected["tables"][label] = table
    try:
        written = _read(extended) == expected
    except ValueError:
        written = False
    return Extended(extended if written else text, added, gone, written=written)


def lacking(content: Mapping[str, Any], draft: Draft) -> Iterator[Place]:
    """Yield the columns of a draft that a file's content has no rule for."""
    tables = _tables(content)
    for label, lines in sorted(draft.tables.items()):
        table = tables.get(label) or {}
        if "truncate" in table:
            continue
        for name in _rules(lines):
            if name not in (table.get("columns") or {}):
                yield label, name


def superfluous(content: Mapping[str, Any], draft: Draft) -> Iterator[str]:
    """Yield tables and columns that a file has rules for and a draft has not.

    Those that are marked ``leaving`` are expected to go.
    """
    for label, table in _tables(content).items():
        if label not in draft.tables:
            if not (isinstance(table, dict) and table.get("leaving")):
                yield str(label)
            continue
        columns = table.get("columns") if isinstance(table, dict) else None
        for name, rule in (columns or {}).items():
            leaving = isinstance(rule, dict) and rule.get("leaving")
            if name not in _rules(draft.tables[label]) and not leaving:
                yield f"{label}.{name}"


def read_rules(text: str | bytes) -> dict[str, Any]:
    """Return the content of a file with rules.

    Raises:
        ValueError: It is no YAML, or has no mapping of tables.
    """
    return _read(text)


def _read(text: str | bytes) -> dict[str, Any]:
    try:
        content = _parsed(text)
    except WrittenError as error:
        raise ValueError(error.located) from error
    if content is None:
        content = {}
    if not isinstance(content, dict) or not isinstance(content.get("tables") or {}, dict):
        raise ValueError("expected a mapping with the key `tables`")  # noqa: TRY004 - of the text
    for table in (content.get("tables") or {}).values():
        if table is not None and not isinstance(table, dict):
            raise ValueError("expected a mapping for each table")
    return content


def _parsed(text: str | bytes) -> Any:
    """Return the content as the scrub reads it, with its anchors."""
    return as_json(read(text.encode() if isinstance(text, str) else text, aliases=True)[1])


def _tables(content: Mapping[str, Any]) -> dict[Any, Any]:
    return content.get("tables") or {}


def _with_lines(text: str, draft: Draft, added: tuple[Place, ...]) -> str:
    """Return a text with a line for each added column, below the others of its table."""
    lines = text.removesuffix("\n").split("\n")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    tables = _child(root, "tables")
    inserts: list[tuple[int, list[str]]] = []
    new_tables: list[str] = []
    by_table: dict[str, dict[str, Line]] = {}
    for label, name in added:
        by_table.setdefault(label, {})[name] = draft.tables[label][name]
    for label, columns in by_table.items():
        place = _child(_child(tables, label), "columns")
        if isinstance(place, yaml.MappingNode) and place.value and not place.flow_style:
            indent = " " * place.start_mark.column
            inserts.append((_end(place), [_column(*pair, indent) for pair in columns.items()]))
        else:
            new_tables += _table(label, columns, _indent(tables))
    if new_tables:
        if isinstance(tables, yaml.MappingNode) and tables.value:
            inserts.append((_end(tables), new_tables))
        elif tables is not None:
            first = tables.start_mark.line
            lines[first] = re.sub(r":.*", ":", lines[first])
            inserts.append((first + 1, new_tables))
        else:
            inserts.append((len(lines), ["tables:", *new_tables]))
    for number, new in sorted(inserts, key=lambda one: one[0], reverse=True):
        lines[number:number] = new
    result = "\n".join(lines) + "\n"
    result = _DRAFTED.sub(f"# Drafted from {draft.origin}. Nothing of it is in force", result)
    if _REVIEWED.search(result):
        return _REVIEWED.sub("reviewed: false", result, count=1)
    start = root.start_mark.line if root is not None else len(lines)
    head = "# Columns were added below, marked `review`: check them, then remove the next line."
    lines = result.removesuffix("\n").split("\n")
    lines[start:start] = [head, "reviewed: false"]
    return "\n".join(lines) + "\n"


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for one, value in node.value if one.value == name), None)


def _indent(tables: yaml.Node | None) -> str:
    filled = isinstance(tables, yaml.MappingNode) and tables.value and not tables.flow_style
    return " " * tables.start_mark.column if filled and tables else "  "


def _end(node: yaml.Node) -> int:
    """Return the number of the line below a node, comments and empty lines after it aside."""
    if (
        isinstance(node, yaml.MappingNode | yaml.SequenceNode)
        and not node.flow_style
        and node.value
    ):
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    return (
        int(mark.line) if mark.column == 0 and mark.line > node.start_mark.line else mark.line + 1
    )
