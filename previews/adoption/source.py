"""The files of a repository, and its Python as syntax trees; nothing is imported or run."""

from __future__ import annotations

import ast
import os
import re
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from contract.app.read import is_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

_SKIPPED = frozenset(
    {
        "__pycache__",
        "build",
        "dist",
        "docs",
        "docs_src",
        "examples",
        "node_modules",
        "site-packages",
        "test",
        "tests",
        "venv",
    }
)
_LARGEST = 1024 * 1024
_MOST_FILES = 5000
_NEWER = (
    (re.compile(r"^(\s*)type\s+(\w+)(?:\[.*?\])?\s*=(.*)"), r"\1\2 =\3"),
    (re.compile(r"^(\s*(?:async\s+)?(?:class|def)\s+\w+)\[.*?\](?=\s*[:(])"), r"\1"),
    (re.compile(r"^(\s*except\*?\s+)([^(:]+?,[^(:]+?)(:|\s+as\s)"), r"\1(\2)\3"),
    (re.compile(r"\b[rR]?[fF]([\"']).*\1"), '""'),
)
"""Syntax newer than this Python's, and older syntax that declares the same names.

In order: aliases and parameters of types (3.12), exceptions without parentheses (3.14), quotes
within f-strings (3.12).
"""


@dataclass(frozen=True)
class Module:
    """A Python file.

    Attributes:
        path: Path relative to the repository.
        tree: Its syntax tree.
        mentions: Of the words ``FastAPI`` and ``mount`` those in its text; what mentions neither
            need not be searched for an app.
    """

    path: Path
    tree: ast.Module
    mentions: frozenset[str]

    @cached_property
    def imports(self) -> dict[str, tuple[str, str | None]]:
        """Imported names, wherever in the file the import stands.

        Each has the module's dotted name, with leading dots for a relative one, and the name in
        it; None for the module itself.
        """
        found: dict[str, tuple[str, str | None]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    found[alias.asname or alias.name] = (module, alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name
                    found[name] = (alias.name, None)
        return found

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """Values of the names that the module's own statements assign."""
        found: dict[str, ast.expr] = {}
        for node in statements(self.tree.body):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found[target.id] = node.value
            elif (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and node.value is not None
            ):
                found[node.target.id] = node.value
        return found

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions of the module itself."""
        return {
            node.name: node
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Classes of the module itself."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    def defines(self, name: str) -> bool:
        """Return whether the file itself assigns, defines or imports a name."""
        known = (self.assigned, self.functions, self.classes, self.imports)
        return any(name in names for names in known)


@dataclass
class Source:
    """The Python files below a folder.

    Attributes:
        root: The repository.
        scope: The app's folder, relative to it: only its files are the app's own.
        modules: Files by their path relative to the repository.
        unread: Files that are no Python of this version, with the reason.
    """

    root: Path
    scope: Path = Path()
    modules: dict[Path, Module] = field(default_factory=dict)
    unread: dict[Path, str] = field(default_factory=dict)

    @property
    def own(self) -> list[Module]:
        """Files of the app's folder."""
        return [one for one in self.modules.values() if one.path.is_relative_to(self.scope)]

    @cached_property
    def _named(self) -> dict[tuple[str, ...], list[Module]]:
        """Files by the last one and the last two parts of their paths."""
        found: dict[tuple[str, ...], list[Module]] = {}
        for module in self.modules.values():
            for end in {module.path.parts[-1:], module.path.parts[-2:]}:
                found.setdefault(end, []).append(module)
        return found

    def find(self, dotted: str, near: Module) -> Module | None:
        """Return the file of a module's dotted name, as another file imports it.

        Of several with the name it is the one whose folder is nearest to the other file's.
        """
        level = len(dotted) - len(dotted.lstrip("."))
        tail = Path(*dotted.lstrip(".").split(".")) if dotted.strip(".") else Path()
        if level:
            base = near.path.parent
            for _ in range(level - 1):
                base = base.parent
            places = [base / tail]
            return next((self._at(place) for place in places if self._at(place)), None)
        folders = [near.path.parent, *near.path.parent.parents]
        for folder in folders:
            if found := self._at(folder / tail):
                return found
        ends = (*tail.parts[:-1], f"{tail.name}.py"), (*tail.parts, "__init__.py")
        matches = [
            module
            for end in ends
            for module in self._named.get(end[-2:], ())
            if module.path.parts[-len(end) :] == end
        ]
        return min(matches, key=lambda module: _distance(module.path, near.path), default=None)

    def resolve(self, module: Module, name: str, depth: int = 0) -> tuple[Module, str] | None:
        """Follow imports to the file that defines a name; ``a.b`` is looked up step by step.

        Returns:
            The file and the name in it; an empty name for the file itself. None if it is not in
            the repository.
        """
        if depth > 10:  # noqa: PLR2004 - imports in a circle
            return None
        first, _, rest = name.partition(".")
        if first in module.assigned or first in module.functions or first in module.classes:
            return (module, name)
        if first not in module.imports:
            longest = next((key for key in module.imports if name.startswith(f"{key}.")), None)
            if longest is None:
                return None
            first, rest = longest, name[len(longest) + 1 :]
        dotted, inner = module.imports[first]
        target = self.find(dotted, module)
        # A package may export a name that a file of it has, too: `from app.items import router`.
        if inner is not None and (target is None or not target.defines(inner)):
            separator = "" if dotted.endswith(".") else "."
            if found := self.find(f"{dotted}{separator}{inner}", module):
                return self.resolve(found, rest, depth + 1) if rest else (found, "")
        if target is None:
            return None
        wanted = ".".join(part for part in (inner, rest) if part)
        return self.resolve(target, wanted, depth + 1) if wanted else (target, "")

    def _at(self, place: Path) -> Module | None:
        return self.modules.get(place.with_suffix(".py")) or self.modules.get(place / "__init__.py")


def files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted; no link leads out of it."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED and not name.startswith(".")
        )
        for name in sorted(names):
            path = Path(here, name)
            if path.is_file() and not path.is_symlink():
                yield path


def read_text(root: Path, path: Path) -> str | None:
    """Return the text of a file of a repository, with replacements for what is no UTF-8.

    Args:
        root: The repository, or a folder of it.
        path: The file.

    Returns:
        None for what is no file of it that can be read: a folder, a link that leads nowhere or out
        of it, a pipe, a file of more than 1 MiB.
    """
    try:
        if not is_inside(root, path) or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")
    except (OSError, ValueError):
        return None


def read_source(root: Path, folder: Path) -> Source:
    """Read the Python files below a folder, without tests and installed packages."""
    source = Source(root)
    for path in files(folder):
        if path.suffix != ".py" or path.name.startswith("test_") or path.name == "conftest.py":
            continue
        if len(source.modules) >= _MOST_FILES or path.stat().st_size > _LARGEST:
            continue
        relative = path.relative_to(root)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                content = path.read_bytes()
                mentions = frozenset(
                    word for word in ("FastAPI", "mount") if word.encode() in content
                )
                source.modules[relative] = Module(relative, _parsed(content), mentions)
        except (SyntaxError, ValueError, RecursionError) as error:
            source.unread[relative] = f"{type(error).__name__}: {error}"
    return source


def _parsed(content: bytes) -> ast.Module:
    """Parse a file, also one for a Python that is newer than this one.

    Raises:
        SyntaxError: It is no Python, or a newer one than `_NEWER` knows.
    """
    try:
        return ast.parse(content)
    except SyntaxError as error:
        first = error
    lines = content.decode(errors="replace").splitlines()
    for _ in lines:
        try:
            return ast.parse("\n".join(lines))
        except SyntaxError as error:
            number = (error.lineno or 0) - 1
            line = lines[number] if 0 <= number < len(lines) else ""
            older = next((new for old, by in _NEWER if (new := old.sub(by, line)) != line), None)
            if older is None:
                raise first from None
            lines[number] = older
    raise first


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, those within ``if``, ``try`` and ``with`` too."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody"):
            inner = getattr(node, part, None)
            if inner and not isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
            ):
                yield from statements(inner)


def targets(node: ast.AST) -> list[ast.expr]:
    """Return what a statement assigns to; nothing if it is no assignment."""
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def dotted(node: ast.expr) -> str:
    """Return ``a.b.c`` of a name or an attribute; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def called(node: ast.expr | None) -> str:
    """Return the last part of the name of the function that an expression calls."""
    return dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def argument(node: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    """Return an argument of a call, by its name or its position."""
    for keyword in node.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and len(node.args) > position:
        return node.args[position]
    return None


def text(source: Source, module: Module, node: ast.expr | None, depth: int = 0) -> str | None:
    """Return the text that an expression is, as far as it can be read: None if not.

    It follows names, f-strings, ``+``, and the default of a settings class's field.
    """
    if node is None or depth > 10:  # noqa: PLR2004 - names in a circle
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    inner: list[ast.expr] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        inner = [node.left, node.right]
    elif isinstance(node, ast.JoinedStr):
        inner = [one.value if isinstance(one, ast.FormattedValue) else one for one in node.values]
    if inner:
        parts = [text(source, module, part, depth + 1) for part in inner]
        return None if None in parts else "".join(filter(None, parts))
    name = dotted(node)
    found = source.resolve(module, name) if name else None
    if found and found[1] in found[0].assigned:
        return text(source, found[0], found[0].assigned[found[1]], depth + 1)
    if isinstance(node, ast.Name) and found is None:
        # A parameter usually has the name of the setting that it is passed.
        return _default_of_a_field(source, node.id)
    # `settings.prefix` and `get_settings().prefix` are fields, wherever the object is made.
    return _default_of_a_field(source, node.attr) if isinstance(node, ast.Attribute) else None


def _default_of_a_field(source: Source, name: str) -> str | None:
    """Return a field's default text, if all classes that have the field agree."""
    values = set[str]()
    for module in source.own:
        for owner in module.classes.values():
            for node in owner.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    matches, value = node.target.id == name, node.value
                elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    matches, value = node.targets[0].id == name, node.value
                else:
                    continue
                if isinstance(value, ast.Call):
                    value = argument(value, "default", 0)
                if matches and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    values.add(value.value)
    return values.pop() if len(values) == 1 else None


def _distance(one: Path, other: Path) -> tuple[int, int]:
    shared = sum(1 for _ in os.path.commonpath([f"/{one}", f"/{other}"]).split("/"))
    return (-shared, len(one.parts))
