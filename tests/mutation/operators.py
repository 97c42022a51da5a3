"""The faults that mutants have: Cosmic Ray's own, and three kinds that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain

import parso
from cosmic_ray.operators.binary_operator_replacement import operators as arithmetic
from cosmic_ray.operators.boolean_replacer import (
    AddNot,
    ReplaceAndWithOr,
    ReplaceFalseWithTrue,
    ReplaceOrWithAnd,
    ReplaceTrueWithFalse,
)
from cosmic_ray.operators.break_continue import ReplaceBreakWithContinue, ReplaceContinueWithBreak
from cosmic_ray.operators.comparison_operator_replacement import operators as comparisons
from cosmic_ray.operators.exception_replacer import ExceptionReplacer
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.unary_operator_replacement import operators as unary
from cosmic_ray.operators.zero_iteration_for_loop import ZeroIterationForLoop
from parso.tree import NodeOrLeaf

# Any other replacement is one of these again, or makes no difference (`is` for `==` on an enum).
_BOUNDS = ["Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt"]
_COMPARISONS = [*_BOUNDS, "Lt_GtE", "GtE_Lt", "Gt_LtE", "LtE_Gt"]
_COMPARISONS += ["Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"]
# What no caller can tell: types, how a class stores its fields, and what is shown as an example.
_UNSEEN_ARGUMENTS = {"frozen", "slots", "kw_only", "repr", "examples"}
_GUARDS = ("return_stmt", "raise_stmt", "continue_stmt", "keyword")


class _Replacement(Operator):
    """An operator that writes other text in place of a node, at most once a node."""

    def positions(self, node: NodeOrLeaf) -> Iterator[str]:
        """Yield the text of each mutant of the node."""
        raise NotImplementedError

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[object, object]]:
        for _ in self.positions(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        text = list(self.positions(node))[index]
        return parso.parse(f"{_prefix(node)}{text}")

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class FirstOnly(_Replacement):
    """A loop or a comprehension that ends after the first element."""

    def positions(self, node: NodeOrLeaf) -> Iterator[str]:
        parent = node.parent
        if parent is None or parent.type not in {"for_stmt", "sync_comp_for"}:
            return
        if parent.children.index(node) == 3:
            yield f"list({_text(node)})[:1]"


class WithoutGuard(_Replacement):
    """A branch that is never taken, of those that leave a function or an iteration early."""

    def positions(self, node: NodeOrLeaf) -> Iterator[str]:
        parent = node.parent
        if parent is None or parent.type != "if_stmt" or parent.children.index(node) != 1:
            return
        suite = parent.children[3]
        statements = [child for child in suite.children if child.type == "simple_stmt"]
        if len(statements) == 1 and statements[0].children[0].type in _GUARDS:
            yield "False"


class WithoutElement(_Replacement):
    """A table, a list or a call's sum of conditions that lacks one of its elements."""

    def positions(self, node: NodeOrLeaf) -> Iterator[str]:
        if node.type in {"and_test", "or_test"}:
            word = " and " if node.type == "and_test" else " or "
            parts = [_text(child) for child in node.children[::2]]
            yield from (_joined(parts, skipped, word) for skipped in range(len(parts)))
        elif node.type in {"testlist_comp", "dictorsetmaker"}:
            parts = _elements(node)
            yield from (
                _joined(parts, n, ", ") + "," for n in range(len(parts) if parts[1:] else 0)
            )


def _elements(node: NodeOrLeaf) -> list[str]:
    """Return the text of each element of a display, none for a comprehension."""
    if any(child.type in {"comp_for", "sync_comp_for"} for child in node.children):
        return []
    groups: list[list[str]] = [[]]
    for child in node.children:
        if child.type == "operator" and child.value == ",":
            groups.append([])
        else:
            groups[-1].append(_text(child))
    return [" ".join(group) for group in groups if group]


def _joined(parts: list[str], skipped: int, word: str) -> str:
    return word.join(part for n, part in enumerate(parts) if n != skipped)


def _text(node: NodeOrLeaf) -> str:
    return str(node.get_code(include_prefix=False))


def _prefix(node: NodeOrLeaf) -> str:
    return str(node.get_first_leaf().prefix)


def _named(replacements: list[str]) -> list[type[Operator]]:
    return [
        operator
        for operator in comparisons()
        if operator.__name__.removeprefix("ReplaceComparisonOperator_") in replacements
    ]


@cache
def random_operators() -> tuple[Operator, ...]:
    """Return what Cosmic Ray can do to a program."""
    kinds = chain(
        _named(_COMPARISONS),
        arithmetic(),
        unary(),
        (AddNot, ReplaceAndWithOr, ReplaceOrWithAnd, ReplaceTrueWithFalse, ReplaceFalseWithTrue),
        (ReplaceBreakWithContinue, ReplaceContinueWithBreak),
        (ExceptionReplacer, NumberReplacer, ZeroIterationForLoop),
    )
    return tuple(kind() for kind in kinds)


@cache
def aimed_operators() -> tuple[Operator, ...]:
    """Return what tests overlook: a bound, the second of several, the way that changes nothing."""
    kinds = (*_named(_BOUNDS), NumberReplacer, FirstOnly, WithoutGuard, WithoutElement)
    return tuple(kind() for kind in kinds)


def is_seen(node: NodeOrLeaf) -> bool:
    """Return false for a node that no caller can tell from another."""
    if node.type == "if_stmt" and _text(node.children[1]) == "TYPE_CHECKING":
        return False
    inner, outer = node, node.parent
    while outer is not None:
        # A parameter's type, a variable's, a function's result.
        if outer.type == "tfpdef" or (outer.type == "funcdef" and inner is outer.annotation):
            return False
        if outer.type == "annassign" and inner is outer.children[1]:
            return False
        if outer.type == "argument" and _text(outer.children[0]) in _UNSEEN_ARGUMENTS:
            return False
        inner, outer = outer, outer.parent
    return True
