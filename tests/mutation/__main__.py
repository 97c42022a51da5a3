"""``make mutate``: try faults in the modules without I/O, and list those that no test notices.

Each mutant is one fault in one module of ``[tool.mutation.modules]``, tried in a process of its
own by the tests named beside it there; no file is changed. The same seed chooses the same faults.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Annotated

import pytest
import typer
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.mutation.operators import aimed_operators, is_seen, random_operators

PROJECT = Path(__file__).parents[2]
_CPU_SECONDS = 120  # A mutant may never end; its tests take a few seconds.
_WORKERS = 2
_PYTEST = [
    "-x",
    "-q",
    "--no-header",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:schemathesis",  # A second of each mutant's, and only the service's tests need it.
    "-p",
    "no:xdist",
    "--timeout=300",
    "-m",
]
_PYTEST += ["not sandbox and not e2e"]


class Kind(StrEnum):
    """A choice of faults, with the share of them that may stay unnoticed."""

    RANDOM = "random"
    AIMED = "aimed"

    @property
    def operators(self) -> Sequence[Operator]:
        """The faults to choose from."""
        return random_operators() if self is Kind.RANDOM else aimed_operators()

    @property
    def bound(self) -> float:
        """The greatest share that may survive."""
        return 0.02 if self is Kind.RANDOM else 0.20


@dataclass(frozen=True)
class Module:
    """A module, and the tests that must notice a fault in it."""

    path: str
    tests: tuple[str, ...]

    @property
    def source(self) -> str:
        """Its code, without a fault."""
        return (PROJECT / self.path).read_text()


@dataclass(frozen=True)
class Mutant:
    """One fault in a module."""

    module: Module
    line: int
    fault: str
    source: str

    @property
    def change(self) -> tuple[str, str]:
        """The first line that differs, before and after."""
        before, after = self.module.source.splitlines(), self.source.splitlines()
        differing = (
            n for n, pair in enumerate(zip(before, after, strict=False)) if len({*pair}) > 1
        )
        n = next(differing, min(len(before), len(after)) - 1)
        return before[n].strip(), after[n].strip()


def modules(table: dict[str, list[str]]) -> list[Module]:
    """Return the modules that a table of pyproject.toml names.

    Raises:
        typer.BadParameter: A module or a test isn't there.
    """
    found = []
    for pattern, tests in table.items():
        paths = sorted(PROJECT.glob(pattern))
        missing = [test for test in tests if not (PROJECT / test).exists()]
        if not paths or missing:
            raise typer.BadParameter(
                f"pyproject.toml, [tool.mutation.modules]: there is no {missing or pattern}"
            )
        found += [Module(str(path.relative_to(PROJECT)), tuple(tests)) for path in paths]
    return found


def chosen(candidates: Sequence[Module], kind: Kind, seed: int, count: int) -> Iterator[Mutant]:
    """Yield as many mutants as asked for: a place each, and one of the faults possible there."""
    places: dict[tuple[Module, object], list[tuple[Operator, int]]] = {}
    for module in candidates:
        tree = get_ast(module.source)
        for operator in kind.operators:
            occurrence = -1
            for node in ast_nodes(tree):
                for begin, _ in operator.mutation_positions(node):
                    occurrence += 1
                    if is_seen(node):
                        places.setdefault((module, begin), []).append((operator, occurrence))
    chance = random.Random(seed)
    order = chance.sample(list(places), len(places))
    for module, begin in order:
        if count == 0:
            return
        operator, occurrence = chance.choice(places[module, begin])
        source = mutate_code(module.source, operator, occurrence)
        if source and _compiles(source):
            yield Mutant(module, begin[0], type(operator).__name__, source)
            count -= 1


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def survivors(mutants: Sequence[Mutant], report: Console) -> Iterator[Mutant]:
    """Yield the mutants whose tests pass all the same."""
    tried = _tried([(mutant.module, mutant.source) for mutant in mutants])
    for done, (place, passed) in enumerate(tried, start=1):
        mutant = mutants[place]
        mark = "survived" if passed else "noticed"
        where = f"{mutant.module.path}:{mutant.line}"
        report.print(f"{done}/{len(mutants)} {mark}: {where} {mutant.fault}")
        if passed:
            yield mutant


def unsound(candidates: Sequence[Module]) -> list[str]:
    """Return the modules whose tests fail without a fault: they would notice everything."""
    tried = _tried([(module, module.source) for module in candidates])
    return [candidates[place].path for place, passed in tried if not passed]


def _tried(jobs: Sequence[tuple[Module, str]]) -> Iterator[tuple[int, bool]]:
    """Yield each job's place and whether its tests passed, in the order in which they end."""
    running: dict[int, int] = {}
    waiting = list(enumerate(jobs))
    while waiting or running:
        while waiting and len(running) < _WORKERS:
            place, (module, source) = waiting.pop(0)
            running[_started(module, source)] = place
        process, status = os.wait()
        _end_group(process)
        yield running.pop(process), os.waitstatus_to_exitcode(status) == pytest.ExitCode.OK


def _started(module: Module, source: str) -> int:
    """Run a module's tests on other code of it, in a process of their own."""
    process = os.fork()
    if process:
        return process
    os.setsid()  # What a test starts ends with it.
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    _put_in_place(module, source)
    os._exit(pytest.main([*module.tests, *_PYTEST]))


def _put_in_place(module: Module, source: str) -> None:
    """Have the import of a module find other code."""
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        if Path(self.path) == PROJECT / module.path:
            return compile(source, self.path, "exec")
        return original(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def _end_group(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _table(mutants: Sequence[Mutant]) -> Table:
    table = Table("where", "fault", "before", "after", show_lines=True)
    for mutant in mutants:
        where = f"{mutant.module.path}:{mutant.line}"
        table.add_row(where, mutant.fault, *(escape(line) for line in mutant.change))
    return table


def main(
    seed: Annotated[int, typer.Option(help="Chooses the faults.")] = 1,
    count: Annotated[int, typer.Option(help="How many mutants to try at most.", min=1)] = 100,
    kind: Annotated[
        Kind, typer.Option(help="Any fault, or those that tests overlook.")
    ] = Kind.RANDOM,
    only: Annotated[str, typer.Option(help="Only modules whose path contains this.")] = "",
) -> None:
    """Try mutants, and fail when more survive than may."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["mutation"]
    candidates = [module for module in modules(settings["modules"]) if only in module.path]
    report = Console(highlight=False, width=160)
    mutants = list(chosen(candidates, kind, seed, count))
    for name in settings["preload"]:
        import_module(name)
    if wrong := unsound(list(dict.fromkeys(mutant.module for mutant in mutants))):
        raise typer.BadParameter(f"these tests fail without a fault: {', '.join(wrong)}")
    left = list(survivors(mutants, report))
    if left:
        report.print(_table(left))
    share = len(left) / len(mutants)
    report.print(
        f"seed {seed}, {kind}: {len(left)} of {len(mutants)} survived"
        f" ({share:.1%}; at most {kind.bound:.0%})"
    )
    if share > kind.bound:
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
