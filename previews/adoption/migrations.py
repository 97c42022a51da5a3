"""Alembic's configuration, and the tables that its migrations or the models make, as read."""

from __future__ import annotations

import ast
import re
import tomllib
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from previews.adoption.source import argument, called, dotted, files, read_text, targets, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from previews.adoption.source import Module, Source

_OVERRIDES = re.compile(
    r"set_(main|section)_option|environ|getenv|create_(async_)?engine|settings|\bget_url"
    r"|\[[\"']sqlalchemy\.url[\"']\]\s*="
)
_SQL_CHANGES = re.compile(r"\b(create|alter|drop)\s+table\b", re.IGNORECASE)
_OPERATIONS = frozenset(
    {
        "add_column",
        "alter_column",
        "create_table",
        "drop_column",
        "drop_table",
        "rename_table",
    }
)


@dataclass(frozen=True)
class Alembic:
    """Alembic's configuration.

    Attributes:
        ini: Path of its file, relative to the repository.
        scripts: Folder of env.py, relative to it.
        fixed_url: Line of the URL in the ini file, if env.py takes it from there; 0 if there is
            none at all.
        rewrites: True if env.py replaces the driver in the URL.
    """

    ini: Path
    scripts: Path
    fixed_url: int | None
    rewrites: bool


def find_alembic(root: Path, folder: Path) -> Alembic | None:
    """Return Alembic's configuration: that in the app's folder, or above it."""
    places = [root / folder, *sorted(path.parent for path in files(root / folder))]
    places += [root / one for one in folder.parents]
    for place in places:
        ini = place / "alembic.ini"
        parser = ConfigParser(interpolation=None)
        try:
            settings = read_text(root, ini)
            if settings is None:
                continue
            parser.read_string(settings)
        except IniError:
            continue
        given = parser.get("alembic", "script_location", fallback="") or _of_pyproject(root, place)
        scripts = (
            (place / given.replace("%(here)s", ".").partition(":")[2])
            if ":" in given
            else (place / given.replace("%(here)s", "."))
        )
        env = scripts.resolve() / "env.py"
        if not env.resolve().is_relative_to(root) or not env.is_file():
            continue
        text = read_text(root, env)
        if text is None:
            continue
        code = "\n".join(line.partition("#")[0] for line in text.splitlines())
        url = parser.get("alembic", "sqlalchemy.url", fallback="")
        fixed = None if _OVERRIDES.search(code) or "$" in url else _line(settings, "sqlalchemy.url")
        return Alembic(
            ini.relative_to(root),
            env.parent.relative_to(root),
            fixed,
            "asyncpg" in code and "replace(" in code,
        )
    return None


def _of_pyproject(root: Path, place: Path) -> str:
    """Return the folder of the scripts that ``[tool.alembic]`` names, for Alembic from 1.16."""
    try:
        found: object = tomllib.loads(read_text(root, place / "pyproject.toml") or "")
    except (ValueError, RecursionError):  # Also a number of thousands of digits.
        found = None
    for key in ("tool", "alembic", "script_location"):
        found = cast("dict[str, object]", found).get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) and found else "alembic"


def _line(text: str, word: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(word)), 0)


@dataclass(frozen=True)
class Column:
    """A column: its type as the source names it, and what it is beside."""

    kind: str
    key: bool = False
    nullable: bool = False


@dataclass
class Tables:
    """Tables that were read.

    Attributes:
        columns: Columns of each table, by name.
        origin: Their source: `migrations`, `models`; empty if there were none.
        unread: Places whose tables can't be read, ``file:line``.
    """

    columns: dict[str, dict[str, Column]] = field(default_factory=dict)
    origin: str = ""
    unread: list[str] = field(default_factory=list)


def read_tables(source: Source, migrations: Sequence[Module]) -> Tables:
    """Read tables from the migrations; from the models where no migration makes one."""
    tables = Tables()
    for module in _in_order(migrations):
        _migration(source, module, tables)
    if tables.columns:
        tables.origin = "migrations"
        tables.columns["alembic_version"] = {"version_num": Column("String", key=True)}
        return tables
    for module in source.own:
        for owner in module.classes.values():
            _model(source, module, owner, tables)
    if tables.columns:
        tables.origin = "models"
        if migrations:
            tables.columns["alembic_version"] = {"version_num": Column("String", key=True)}
    return tables


def _in_order(migrations: Sequence[Module]) -> list[Module]:
    """Sort revisions so that each follows those that it revises."""
    below: dict[str, set[str]] = {}
    modules: dict[str, Module] = {}
    for module in migrations:
        revision = _constant(module.assigned.get("revision"))
        if revision:
            modules[revision[0]] = module
            below[revision[0]] = set(_constant(module.assigned.get("down_revision")))
    ordered: list[Module] = []
    done = set[str]()
    while waiting := [one for one in modules if one not in done]:
        ready = [one for one in waiting if not (below[one] - done) & modules.keys()] or waiting[:1]
        for one in sorted(ready):
            ordered.append(modules[one])
            done.add(one)
    return ordered


def _constant(node: ast.expr | None) -> list[str]:
    if isinstance(node, ast.Tuple):
        return [text for part in node.elts for text in _constant(part)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _migration(source: Source, module: Module, tables: Tables) -> None:
    """Apply what ``upgrade`` does, in the order of the calls, functions of the file included."""
    waiting = [module.functions[name] for name in ("upgrade",) if name in module.functions]
    seen = set[str]()
    batch: dict[str, str] = {}
    while waiting:
        function = waiting.pop(0)
        if function.name in seen:
            continue
        seen.add(function.name)
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        for node in ast.walk(function):
            if isinstance(node, ast.withitem) and called(node.context_expr) == "batch_alter_table":
                name = text(source, module, argument(node.context_expr, "table_name", 0))  # type: ignore[arg-type]
                if name and isinstance(node.optional_vars, ast.Name):
                    batch[node.optional_vars.id] = name
        for node in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
            own = module.functions.get(dotted(node.func))
            if own is not None:
                waiting.append(own)
            elif isinstance(node.func, ast.Attribute):
                holder = dotted(node.func.value)
                if holder == "op" or holder in batch:
                    _operation(source, module, node, batch.get(holder), tables)


def _operation(
    source: Source, module: Module, node: ast.Call, batch: str | None, tables: Tables
) -> None:
    name = dotted(node.func).rpartition(".")[2]
    where = f"{module.path}:{node.lineno}"
    shift = 0 if batch else 1
    if name == "execute" and _executes_tables(node):
        tables.unread.append(where)
    if name not in _OPERATIONS:
        return
    label = _label(source, module, node, batch)
    if label is None:
        tables.unread.append(where)
        return
    columns = tables.columns.setdefault(label, {})
    if name == "create_table":
        # Keys are named after the columns that they are made of.
        for given in sorted(node.args[1:], key=lambda one: called(one).endswith("Constraint")):
            inner = given.value if isinstance(given, ast.Starred) else given
            _columns(source, module, inner, columns, tables)
    elif name == "drop_table":
        tables.columns.pop(label)
    elif name == "rename_table":
        new = text(source, module, argument(node, "new_table_name", 1))
        tables.columns[new or label] = tables.columns.pop(label)
    elif name == "add_column" and (added := argument(node, "column", shift)) is not None:
        _columns(source, module, added, columns, tables)
    else:
        column = text(source, module, argument(node, "column_name", shift))
        renamed = text(source, module, argument(node, "new_column_name"))
        _change(name, column, renamed, columns)
        if column is None:
            tables.unread.append(where)


def _label(source: Source, module: Module, node: ast.Call, batch: str | None) -> str | None:
    """Return a table's name, with its schema in front if that is not ``public``."""
    schema = text(source, module, argument(node, "schema"))
    table = batch or text(source, module, argument(node, "table_name", 0))
    return f"{schema}.{table}" if schema and table and schema != "public" else table


def _change(name: str, column: str | None, renamed: str | None, columns: dict[str, Column]) -> None:
    """Apply ``drop_column`` and ``alter_column``."""
    if column is not None and name == "drop_column":
        columns.pop(column, None)
    elif renamed and column in columns:
        columns[renamed] = columns.pop(column)


def _executes_tables(node: ast.Call) -> bool:
    """Return whether a call holds SQL that changes tables, which is not read."""
    values = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return any(isinstance(one, str) and _SQL_CHANGES.search(one) is not None for one in values)


def _columns(
    source: Source, module: Module, node: ast.expr, columns: dict[str, Column], tables: Tables
) -> None:
    """Add the columns of an argument of ``create_table``: of a function's result all of its."""
    if called(node) == "Column" and isinstance(node, ast.Call):
        name = text(source, module, argument(node, "name", 0))
        if name is None:
            tables.unread.append(f"{module.path}:{node.lineno}")
        else:
            columns[name] = _column(node, node.args[1:])
    elif isinstance(node, ast.Call) and called(node) in module.functions:
        for inner in ast.walk(module.functions[called(node)]):
            if isinstance(inner, ast.Call) and called(inner) == "Column":
                _columns(source, module, inner, columns, tables)
    elif called(node) in {"PrimaryKeyConstraint", "ForeignKeyConstraint"}:
        for one in ast.walk(node):
            if isinstance(one, ast.Constant) and one.value in columns:
                columns[one.value] = replace(columns[one.value], key=True)
    elif not (isinstance(node, ast.Call) and called(node).endswith("Constraint")):
        tables.unread.append(f"{module.path}:{node.lineno}")


def _column(node: ast.Call, rest: Sequence[ast.expr], kind: str = "") -> Column:
    for given in (*rest, argument(node, "type_")):
        name = _type(given)
        if name in {"ForeignKey", "Identity", "Computed", "Sequence"} or not name:
            continue
        kind = name
        break
    references = any(called(one) == "ForeignKey" for one in node.args)
    references = references or argument(node, "foreign_key") is not None
    nullable = argument(node, "nullable")
    return Column(
        kind,
        key=_is_true(argument(node, "primary_key")) or references,
        nullable=not (isinstance(nullable, ast.Constant) and nullable.value is False),
    )


def _type(node: ast.expr | None) -> str:
    if node is None:
        return ""
    return called(node) if isinstance(node, ast.Call) else dotted(node).rpartition(".")[2]


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _model(source: Source, module: Module, owner: ast.ClassDef, tables: Tables) -> None:
    """Add the table of a class of SQLAlchemy or SQLModel, with the columns that it inherits."""
    is_sqlmodel = any(one.arg == "table" and _is_true(one.value) for one in owner.keywords)
    name = _table_name(source, module, owner)
    if name is None and not is_sqlmodel:
        return
    label = name or owner.name.lower()
    columns = tables.columns.setdefault(label, {})
    waiting, seen = [(module, owner)], set[str]()
    while waiting:
        place, one = waiting.pop(0)
        if one.name in seen:
            continue
        seen.add(one.name)
        for node in one.body:
            if found := _attribute(source, place, node, is_sqlmodel=is_sqlmodel):
                columns.setdefault(*found)
        for base in one.bases:
            resolved = source.resolve(place, dotted(base)) if dotted(base) else None
            inherited = resolved[0].classes.get(resolved[1]) if resolved else None
            if resolved and inherited:
                waiting.append((resolved[0], inherited))


def _table_name(source: Source, module: Module, owner: ast.ClassDef) -> str | None:
    for node in owner.body:
        if any(dotted(target) == "__tablename__" for target in targets(node)):
            return text(source, module, getattr(node, "value", None))
    return None


def _attribute(
    source: Source, module: Module, node: ast.stmt, *, is_sqlmodel: bool
) -> tuple[str, Column] | None:
    """Return the column that a statement of a model's body declares."""
    target: ast.expr
    if isinstance(node, ast.AnnAssign):
        target, value, annotation = node.target, node.value, ast.unparse(node.annotation)
    elif isinstance(node, ast.Assign):
        target, value, annotation = node.targets[0], node.value, ""
    else:
        return None
    maker = called(value)
    mapped = annotation.startswith(("Mapped[", "orm.Mapped["))
    is_field = is_sqlmodel and bool(annotation) and maker in {"", "Field"}
    if not isinstance(target, ast.Name) or target.id.startswith("__"):
        return None
    if maker in {"relationship", "Relationship"} or annotation.startswith("ClassVar"):
        return None
    if not (mapped or is_field or maker in {"Column", "mapped_column"}):
        return None
    inner = re.sub(r"^(orm\.)?Mapped\[(.*)\]$", r"\2", annotation)
    kind = re.sub(r"\s*\|\s*None|Optional\[(.*)\]", r"\1", inner).strip("\"'")
    name = target.id
    if not isinstance(value, ast.Call):
        return name, Column(kind)
    given = value.args
    if maker in {"Column", "mapped_column"} and given and isinstance(given[0], ast.Constant):
        name, given = text(source, module, given[0]) or name, given[1:]
    explicit = argument(value, "sa_type") or argument(value, "sa_column")
    if maker == "Field":
        given = [explicit] if explicit is not None else []
    return name, _column(value, given, kind.rpartition(".")[2] if "[" not in kind else kind)
