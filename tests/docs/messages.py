"""Error messages for docs/runbook.md, read from the code that raises them.

Values that exist only at run time (a number, an address, another program's output) appear as "…"
in the tables.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = "…"
_NOTHING = f"{PLACEHOLDER} :;,."


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        place: File and line that raise it.
        what: The thing that failed.
        why: The cause; empty if the message has only `what`.
        remedy: The remedy; empty likewise.
    """

    place: str
    what: str
    why: str = ""
    remedy: str = ""


class _Module:
    """A module's code, and the possible values of its expressions."""

    def __init__(self, file: Path, others: Sequence[_Module] = ()) -> None:
        self._file = file
        self._others = others
        self._tree = ast.parse(file.read_text())
        self._parents: dict[ast.AST, ast.AST] = {}
        self._calls: list[ast.Call] = []
        self._calls_of: dict[str, list[ast.Call]] = {}
        for node in ast.walk(self._tree):
            self._parents |= dict.fromkeys(ast.iter_child_nodes(node), node)
            if isinstance(node, ast.Call):
                self._calls.append(node)
                self._calls_of.setdefault(_called(node), []).append(node)

    def calls(self, name: str | None = None) -> list[ast.Call]:
        """Return every call, or those of a function or method of that name."""
        return self._calls if name is None else self._calls_of.get(name, [])

    def place(self, node: ast.Call) -> str:
        return f"{self._file.relative_to(ROOT)}:{node.lineno}"

    def text(self, node: ast.expr) -> str:
        """Return the possible texts of an expression in one line."""
        wordings = dict.fromkeys(
            " ".join(each.split()) for each in self._wordings(node, frozenset())
        )
        known = [each.rstrip(".") for each in wordings if each.strip(_NOTHING)]
        return "; or ".join(known) or PLACEHOLDER

    def _wordings(self, node: ast.expr, above: frozenset[str]) -> list[str]:
        """Return the possible texts of an expression, found through the names in ``above``."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                texts = (p.value if isinstance(p, ast.Constant) else PLACEHOLDER for p in parts)
                return ["".join(map(str, texts))]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                both = self._wordings(left, above), self._wordings(right, above)
                return ["".join(each) for each in itertools.product(*both)]
            case ast.IfExp() | ast.BoolOp():
                return [w for branch in _branches(node) for w in self._wordings(branch, above)]
            case ast.Name(id=name) if name not in above:
                below = above | {name}
                return [
                    each
                    for module, value in self._given(node, name)
                    for each in module._wordings(value, below)
                ]
        return [PLACEHOLDER]

    def _given(self, node: ast.AST, name: str) -> list[tuple[_Module, ast.expr]]:
        """Return the values that are assigned to a name or passed for it as an argument."""
        function = self._function_around(node)
        here = _assigned(function, name) if function else []
        there = self._arguments(function, name) if function else []
        return [*((self, v) for v in here), *there] or [
            (self, value) for value in _assigned(self._tree, name)
        ]

    def _function_around(self, node: ast.AST) -> ast.FunctionDef | None:
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, ast.FunctionDef):
                return node
        return None

    def _arguments(self, function: ast.FunctionDef, name: str) -> list[tuple[_Module, ast.expr]]:
        """Return the arguments that all modules pass for a parameter of a function."""
        positional = [a.arg for a in function.args.args if a.arg not in {"self", "cls"}]
        if name not in {*positional, *(a.arg for a in function.args.kwonlyargs)}:
            return []
        found: list[tuple[_Module, ast.expr]] = []
        for module in self._others:
            for call in module.calls(function.name):
                # A method of the same name elsewhere is another one's.
                if not (module is self or isinstance(call.func, ast.Name)):
                    continue
                found += [(module, word.value) for word in call.keywords if word.arg == name]
                if name in positional and len(call.args) > positional.index(name):
                    found.append((module, call.args[positional.index(name)]))
        return found


def structured(*rooms: str) -> list[Message]:
    """Return the messages with subject, cause and remedy, in the order of their files."""
    return [
        Message(
            module.place(call),
            module.text(call.args[0]),
            why=module.text(_keyword(call, "why")),
            remedy=module.text(_keyword(call, "remedy")),
        )
        for module in _modules(rooms)
        for call in module.calls()
        if {"why", "remedy"} <= {word.arg for word in call.keywords} and call.args
    ]


def sentences(*rooms: str, errors: frozenset[str]) -> list[Message]:
    """Messages of errors that are one text, by the names of their classes."""
    return [
        Message(module.place(call), module.text(call.args[0]))
        for module in _modules(rooms)
        for call in module.calls()
        if _called(call) in errors and call.args and module.text(call.args[0]) != PLACEHOLDER
    ]


def table(messages: Sequence[Message]) -> str:
    """As Markdown; a message that several places raise stands once."""
    if all(not each.why for each in messages):
        rows = [f"| {_cell(each.what)} |" for each in messages]
        head = ["| message |", "|---|"]
    else:
        rows = [f"| {_cell(m.what)} | {_cell(m.why)} | {_cell(m.remedy)} |" for m in messages]
        head = ["| message | meaning | remedy |", "|---|---|---|"]
    return "\n".join([*head, *sorted(set(rows))])


def _modules(rooms: Sequence[str]) -> list[_Module]:
    modules: list[_Module] = []
    for room in rooms:
        path = ROOT / room
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        modules += [_Module(file, modules) for file in files]
    return modules


def _branches(node: ast.IfExp | ast.BoolOp) -> list[ast.expr]:
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values


def _keyword(call: ast.Call, name: str) -> ast.expr:
    return next(word.value for word in call.keywords if word.arg == name)


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


def _assigned(scope: ast.AST, name: str) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


def _cell(text: str) -> str:
    """Escape all markup except code, in which Markdown escapes nothing."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(parts))
