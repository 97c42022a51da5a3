from __future__ import annotations

import pytest

from tests.workflows.expressions import evaluate, holds

CONTEXT = {"event.name": "push", "steps.a.outcome": "success", "inputs.now": "false", "n.m-k": "42"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("pr-${{ n.m-k }}", "pr-42"),
        ("${{ none.such || n.m-k }}/${{ event.name }}", "42/push"),
        ("${{ none.such }}", ""),
    ],
)
def test_names_are_replaced(text: str, expected: str) -> None:
    assert evaluate(text, CONTEXT) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", True),
        ("event.name == 'push'", True),
        ("event.name == 'pull' || steps.a.outcome == 'success'", True),
        ("event.name == 'push' && steps.a.outcome == 'skipped'", False),
        ("!inputs.now && steps.a.outcome == 'success'", True),
        ("inputs.now", False),
        ("n.m-k", True),
        ("failure()", False),
        ("always() && n.m-k", True),
    ],
)
def test_conditions_hold_or_not(condition: str, *, expected: bool) -> None:
    assert holds(condition, CONTEXT) is expected


def test_after_a_failure_only_what_asks_for_it_runs() -> None:
    assert not holds("", CONTEXT, failed=True)
    assert not holds("event.name == 'push'", CONTEXT, failed=True)
    assert holds("failure() && event.name == 'push'", CONTEXT, failed=True)
    assert not holds("failure() && event.name == 'pull'", CONTEXT, failed=True)
    assert holds("always()", CONTEXT, failed=True)


def test_what_is_not_read_here_is_refused() -> None:
    with pytest.raises(AssertionError, match="not read here"):
        holds("endsWith(event.name, 'x')", CONTEXT)
