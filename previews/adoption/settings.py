"""Environment variables that an app reads: fields of settings classes, and look-ups by name."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from previews.adoption.source import argument, called, dotted, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from previews.adoption.source import Module, Source

_OTHERS = ("test", "dev", "local", "ci")
_TYPES = re.compile(r"(Dsn|Url|SecretStr)$")
_READERS = frozenset({"config", "env", "getenv"})


@dataclass(frozen=True)
class Variable:
    """A variable of the environment.

    Attributes:
        name: Its name.
        kind: Annotation of its type, as the source has it; empty if there is none.
        default: Its default as text; empty for one that can't be read.
        required: True if the app does not start without it.
        where: File and line that read it.
    """

    name: str
    kind: str
    default: str
    required: bool
    where: str


@dataclass(frozen=True)
class _Naming:
    prefix: str = ""
    delimiter: str = ""
    case_sensitive: bool = False


def variables(source: Source) -> dict[str, Variable]:
    """Return the variables that the source reads, by name; a required one hides an optional."""
    found: dict[str, Variable] = {}
    for variable in (*_fields(source), *_lookups(source)):
        known = found.get(variable.name)
        if known is None or (variable.required and not known.required):
            found[variable.name] = variable
    return found


def refusals(source: Source) -> Iterator[tuple[str, str, list[str]]]:
    """Yield validators of settings that may refuse to start: their name, place and fields."""
    for module in source.own:
        for owner in module.classes.values():
            if not _is_settings(source, module, owner):
                continue
            names = {
                node.target.id
                for node in owner.body
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            }
            for node in owner.body:
                if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
                    continue
                if any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                    used = {
                        inner.attr
                        for inner in ast.walk(node)
                        if isinstance(inner, ast.Attribute) and dotted(inner.value) == "self"
                    }
                    if used & names:
                        yield node.name, f"{module.path}:{node.lineno}", sorted(used & names)


def _fields(source: Source) -> Iterator[Variable]:
    for module in source.own:
        for owner in module.classes.values():
            bases = list(_bases(source, module, owner))
            if not any("BaseSettings" in map(_last, one.bases) for _, one in bases):
                continue
            if any(
                owner.name.lower().startswith(word) or owner.name.lower().endswith(word)
                for word in _OTHERS
            ):
                continue
            naming = _Naming()
            for place, one in reversed(bases):
                naming = _naming(source, place, one, naming)
            for place, one in bases:
                yield from _of_class(source, place, one, naming, naming.prefix)


def _bases(
    source: Source, module: Module, owner: ast.ClassDef
) -> Iterator[tuple[Module, ast.ClassDef]]:
    """Yield a class and those of the source that it inherits from."""
    waiting, seen = [(module, owner)], set[str]()
    while waiting:
        place, one = waiting.pop(0)
        if f"{place.path}:{one.name}" in seen:
            continue
        seen.add(f"{place.path}:{one.name}")
        yield place, one
        inherited = (_class(source, place, dotted(base)) for base in one.bases)
        waiting += [one for one in inherited if one is not None]


def _class(source: Source, module: Module, name: str) -> tuple[Module, ast.ClassDef] | None:
    resolved = source.resolve(module, name) if name else None
    found = resolved[0].classes.get(resolved[1]) if resolved else None
    return (resolved[0], found) if resolved and found else None


def _naming(source: Source, module: Module, owner: ast.ClassDef, naming: _Naming) -> _Naming:
    """Return how a class names its variables, from ``model_config`` or a class ``Config``."""
    given: dict[str, ast.expr] = {}
    for node in owner.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if dotted(target) == "model_config":
                given |= {one.arg: one.value for one in node.value.keywords if one.arg}
        if isinstance(node, ast.ClassDef) and node.name == "Config":
            for inner in node.body:
                if isinstance(inner, ast.Assign):
                    given[dotted(inner.targets[0])] = inner.value
    prefix = text(source, module, given.get("env_prefix"))
    delimiter = text(source, module, given.get("env_nested_delimiter"))
    sensitive = given.get("case_sensitive")
    return _Naming(
        naming.prefix if prefix is None else prefix,
        naming.delimiter if delimiter is None else delimiter,
        sensitive.value is True if isinstance(sensitive, ast.Constant) else naming.case_sensitive,
    )


def _of_class(
    source: Source, module: Module, owner: ast.ClassDef, naming: _Naming, before: str
) -> Iterator[Variable]:
    for node in owner.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        field, kind = node.target.id, ast.unparse(node.annotation)
        if field in {"model_config", "Config"} or kind.startswith("ClassVar"):
            continue
        nested = _class(source, module, dotted(node.annotation))
        if nested is not None and naming.delimiter and not _is_settings(source, *nested):
            inner = f"{before}{field}{naming.delimiter}"
            yield from _of_class(source, *nested, naming, inner)
            continue
        if nested is not None and _is_settings(source, *nested):
            continue  # It reads its own variables, and is found by itself.
        value = node.value
        name = f"{before}{field}"
        if isinstance(value, ast.Call) and called(value) == "Field":
            name = _alias(value) or name
            given = argument(value, "default", 0)
            made = argument(value, "default_factory")
            value = given if made is None else made
            if isinstance(value, ast.Constant) and value.value is Ellipsis:
                value = None
        elif isinstance(value, ast.Constant) and value.value is Ellipsis:
            value = None
        yield Variable(
            name if naming.case_sensitive else name.upper(),
            kind,
            _shown(source, module, value),
            value is None and not _may_be_none_without_default(kind, module),
            f"{module.path}:{node.lineno}",
        )


def _may_be_none_without_default(kind: str, module: Module) -> bool:
    """Return whether a field without a default is optional, as pydantic 1 has it."""
    known = module.imports.get("BaseSettings")
    return kind.startswith("Optional[") and known is not None and known[0] == "pydantic"


def _is_settings(source: Source, module: Module, owner: ast.ClassDef) -> bool:
    return any("BaseSettings" in map(_last, one.bases) for _, one in _bases(source, module, owner))


def _alias(field: ast.Call) -> str | None:
    for name in ("validation_alias", "alias", "env"):
        value = argument(field, name)
        if isinstance(value, ast.Call) and value.args:
            value = value.args[0]
        if isinstance(value, ast.List) and value.elts:
            value = value.elts[0]
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None


def _lookups(source: Source) -> Iterator[Variable]:
    """Yield ``os.environ[..]``, ``os.getenv(..)``, and calls of the usual readers."""
    for module in source.own:
        for node in ast.walk(module.tree):
            name: ast.expr | None = None
            default: ast.expr | None = None
            required = False
            kind = ""
            if isinstance(node, ast.Subscript) and _last(node.value) == "environ":
                name, required = node.slice, isinstance(node.ctx, ast.Load)
            elif isinstance(node, ast.Call):
                reader, before = _last(node.func), _before(node.func)
                if reader == "getenv" or (reader == "get" and _last(before) == "environ"):
                    name, default = argument(node, "key", 0), argument(node, "default", 1)
                elif _reads(module, node):
                    name = argument(node, "key", 0)
                    default = argument(node, "default")
                    required = default is None
                    kind = dotted(cast) if (cast := argument(node, "cast")) is not None else ""
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield Variable(
                    name.value,
                    kind,
                    _shown(source, module, default),
                    required,
                    f"{module.path}:{getattr(node, 'lineno', 0)}",
                )


def _reads(module: Module, node: ast.Call) -> bool:
    """Return whether a call is of starlette's or decouple's ``config``, or of ``environs``."""
    first = dotted(node.func).partition(".")[0]
    if first not in _READERS:
        return False
    made = module.assigned.get(first)
    imported = module.imports.get(first, ("", None))[0]
    return imported == "decouple" or called(made) in {"Config", "Env"}


def _shown(source: Source, module: Module, value: ast.expr | None) -> str:
    """Write a default as an environment has it."""
    if isinstance(value, ast.Call) and value.args and _TYPES.search(called(value)):
        return _shown(source, module, value.args[0])
    if (read := text(source, module, value)) is not None:
        return read
    try:
        literal = None if value is None else ast.literal_eval(value)
    except (ValueError, SyntaxError):
        literal = None
    if literal is None:
        return ""
    if isinstance(literal, list | dict):
        return json.dumps(literal, default=str)
    return str(literal).lower() if isinstance(literal, bool) else str(literal)


def _last(node: ast.expr | None) -> str:
    return dotted(node).rpartition(".")[2] if node is not None else ""


def _before(node: ast.expr) -> ast.expr | None:
    return node.value if isinstance(node, ast.Attribute) else None
