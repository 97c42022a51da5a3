from __future__ import annotations

import json
from typing import Any

import pytest

from previews.diagnosis.migration_report import MARK, MigrationReport, find, markdown
from service.gate.report import Lock, Report, Rows, Step

WRITTEN = Report(
    before="0002",
    head="0004",
    max_lock_seconds=2,
    long_locks_meant=False,
    steps=(
        Step(
            revision="0003",
            title="Regions",
            seconds=3.25,
            undone=True,
            locks=(
                Lock(
                    table="customers",
                    mode="AccessExclusiveLock",
                    blocks="reads and writes",
                    seconds=3.2,
                ),
            ),
            rows=(Rows(table="customers", rows=100_000, how="rewritten"),),
        ),
        Step(revision="0004", title="Index", seconds=0.1234, undone=False),
    ),
    removed=("column customers.region text",),
    added=("column customers.region character varying(9)",),
    refused=("step 0003 (Regions) would hold AccessExclusiveLock on customers for 3.2 s",),
)


def line(report: Report) -> str:
    return f"{MARK}{report.model_dump_json()}"


def test_what_the_job_writes_is_what_is_read() -> None:
    found = find(f"migrate: 2 to apply\n{line(WRITTEN)}\nmigrate: done\n")
    assert found is not None
    assert found.model_dump() == WRITTEN.model_dump()


def test_the_comment_tells_times_locks_rows_and_the_difference() -> None:
    found = find(line(WRITTEN))
    assert found is not None
    assert markdown(found) == (
        "**Migration** from `0002` to `0004` **is refused**: a lock is held longer than 2 s.\n"
        "\n"
        "| step | time | others wait for | rows |\n"
        "|---|---|---|---|\n"
        "| `0003 Regions` | 3.2 s | `customers`: reads and writes, 3.2 s **too long**"
        " | `customers`: 100,000 rewritten |\n"
        "| `0004 Index` (outside of a transaction) | 123 ms | nothing | none |\n"
        "\n"
        "- `step 0003 (Regions) would hold AccessExclusiveLock on customers for 3.2 s`\n"
        "\n"
        "<details><summary>Schema: 1 lines removed, 1 added</summary>\n"
        "\n"
        "```diff\n"
        "- column customers.region text\n"
        "+ column customers.region character varying(9)\n"
        "```\n"
        "\n"
        "</details>\n"
    )


def test_without_steps_there_is_nothing_to_tell() -> None:
    empty = WRITTEN.model_copy(update={"steps": (), "removed": (), "added": (), "refused": ()})
    found = find(line(empty))
    assert found is not None
    assert markdown(found) == ""


def test_what_has_not_its_form_is_no_report() -> None:
    assert find("") is None
    assert find(f"{MARK}{{") is None
    assert find(f"{MARK}{json.dumps(WRITTEN.model_dump() | {'html': '<b>'})}") is None
    assert find(line(WRITTEN).replace("3.25", "-1")) is None
    assert find(f"x {line(WRITTEN)}") is None


def test_nothing_of_it_becomes_markup() -> None:
    evil = "@all ```\n</details>` | <img src=x> [x](http://x)"
    step = WRITTEN.steps[0].model_copy(update={"title": evil})
    hostile = WRITTEN.model_copy(
        update={"steps": (step,), "added": (evil,) * 100, "refused": (evil,), "head": evil}
    )
    shown = markdown(MigrationReport.model_validate_json(hostile.model_dump_json()))
    assert shown.count("```") == 2
    assert "… and 41 more lines" in shown
    outside_of_blocks = shown.split("```diff")[0]
    for text in outside_of_blocks.split("`")[::2]:
        assert not any(sign in text for sign in ("@", "<img", "[x]"))
    rows = [row for row in outside_of_blocks.splitlines() if row.startswith("|")]
    assert {row.count("|") for row in rows} == {5}


def test_a_refusal_is_told_where_no_step_was_looked_at_to_its_end() -> None:
    refused = MigrationReport.model_validate(WRITTEN.model_dump() | {"steps": ()})
    shown = markdown(refused)
    assert "**is refused**" in shown
    assert "| step |" not in shown


def test_a_report_that_would_fill_the_comment_is_cut_to_its_verdict() -> None:
    step = WRITTEN.steps[0].model_copy(update={"title": "x" * 4000})
    long = WRITTEN.model_copy(update={"steps": (step,) * 200})
    shown = markdown(MigrationReport.model_validate(long.model_dump()))
    assert shown.startswith("**Migration** from `0002` to `0004` **is refused**")
    assert len(shown) < 1000


def report(**changes: Any) -> MigrationReport:
    return MigrationReport.model_validate(WRITTEN.model_dump() | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"refused": ()}, "from `0002` to `0004` passes."),
        (
            {"refused": (), "long_locks_meant": True},
            "from `0002` to `0004` passes; long locks are intended.",
        ),
        (
            {"before": None, "max_lock_seconds": 0.5},
            "from an empty database to `0004` **is refused**: a lock is held longer than 0.5 s.",
        ),
    ],
)
def test_the_verdict_is_the_first_line(changes: dict[str, Any], words: str) -> None:
    assert markdown(report(**changes)).splitlines()[0] == f"**Migration** {words}"


def test_each_lock_and_each_table_of_a_step_is_told() -> None:
    lock, rows = WRITTEN.steps[0].locks[0].model_dump(), WRITTEN.steps[0].rows[0].model_dump()
    step = WRITTEN.steps[0].model_dump() | {
        "seconds": 1,
        # Exactly as long as it may be, and a little longer.
        "locks": (lock | {"seconds": 2, "blocks": "writes"}, lock | {"seconds": 2.01}),
        "rows": (rows, rows | {"table": "a|b", "rows": 999, "how": "changed"}),
    }
    row = next(line for line in markdown(report(steps=(step,))).splitlines() if "0003" in line)
    assert row == (
        "| `0003 Regions` | 1.0 s | `customers`: writes, 2.0 s"
        "<br>`customers`: reads and writes, 2.0 s **too long**"
        " | `customers`: 100,000 rewritten<br>`a¦b`: 999 changed |"
    )


@pytest.mark.parametrize(("seconds", "words"), [(0.999, "999 ms"), (1, "1.0 s"), (0, "0 ms")])
def test_a_time_below_a_second_is_in_thousandths(seconds: float, words: str) -> None:
    step = WRITTEN.steps[1].model_dump() | {"seconds": seconds}
    assert f" | {words} | " in markdown(report(steps=(step,)))


@pytest.mark.parametrize(("lines", "more"), [(59, None), (60, None), (61, 1), (62, 2)])
def test_as_much_of_the_difference_is_shown_as_can_be_read(lines: int, more: int | None) -> None:
    shown = markdown(report(added=[f"line {n}" for n in range(lines - 1)]))
    inside = shown.partition("```diff\n")[2].partition("\n```")[0].splitlines()
    assert inside[-1] == (f"+ line {lines - 2}" if more is None else f"  … and {more} more lines")
    assert len(inside) == min(lines, 61)


@pytest.mark.parametrize("which", ["added", "removed"])
def test_a_difference_of_one_kind_alone_is_shown(which: str) -> None:
    shown = markdown(report(**{"added": (), "removed": (), which: ("a line",)}))
    assert f"{'+' if which == 'added' else '-'} a line" in shown
    assert "```diff" not in markdown(report(added=(), removed=()))


@pytest.mark.parametrize(("length", "cut"), [(300, False), (301, True)])
def test_a_long_line_is_cut_at_its_end(length: int, cut: bool) -> None:
    shown = markdown(report(refused=("x" * length,)))
    assert f"- `{'x' * 300}{'…' if cut else ''}`\n" in shown


def test_the_last_report_of_a_log_counts_though_it_is_none() -> None:
    other = WRITTEN.model_copy(update={"head": "0009"})
    found = find(f"{line(other)}\n{line(WRITTEN)}\nmigrate: done")
    assert found is not None
    assert found.head == "0004"
    assert find(f"{line(WRITTEN)}\n{MARK}garbled\n") is None


LIMITS: list[tuple[str, Any, Any]] = [
    ("head", "x" * 4000, "x" * 4001),
    ("max_lock_seconds", 86_400, 86_401),
    ("max_lock_seconds", 0, -0.1),
    ("steps", 200, 201),
    ("removed", 2000, 2001),
    ("added", 2000, 2001),
    ("refused", 200, 201),
]


@pytest.mark.parametrize(("name", "most", "beyond"), LIMITS)
def test_a_report_is_bounded(name: str, most: Any, beyond: Any) -> None:
    def holds(value: Any) -> bool:
        one: Any = WRITTEN.steps[1].model_dump() if name == "steps" else "x"
        given = [one] * value if isinstance(WRITTEN.model_dump()[name], tuple) else value
        text = json.dumps(WRITTEN.model_dump() | {name: given})
        return find(f"{MARK}{text}") is not None

    assert holds(most)
    assert not holds(beyond)


@pytest.mark.parametrize(("part", "most", "beyond"), [("locks", 200, 201), ("rows", 200, 201)])
def test_a_step_is_bounded(part: str, most: int, beyond: int) -> None:
    step = WRITTEN.steps[0].model_dump()

    def holds(count: int) -> bool:
        steps = [step | {part: [step[part][0]] * count}]
        return find(f"{MARK}{json.dumps(WRITTEN.model_dump() | {'steps': steps})}") is not None

    assert holds(most)
    assert not holds(beyond)
    step = {**step, "rows": [step["rows"][0] | {"rows": 0}]}
    assert holds(1)
    step = {**step, "rows": [step["rows"][0] | {"rows": -1}]}
    assert not holds(1)


def test_a_report_that_just_fits_the_comment_is_shown() -> None:
    def length(rest: int) -> int:
        refused = ["x" * 290] * 66 + ["x" * rest]
        return len(markdown(report(refused=refused)))

    short = length(1)
    assert length(20_000 - short + 1) == 20_000
    assert length(20_000 - short + 2) < 1000


def test_no_secret_is_shown() -> None:
    step = WRITTEN.steps[0].model_copy(update={"title": "password=hunter2hunter2"})
    leaking = WRITTEN.model_copy(update={"steps": (step,), "added": ("token: abcdef123",)})
    shown = markdown(MigrationReport.model_validate(leaking.model_dump()))
    assert "hunter2" not in shown
    assert "abcdef123" not in shown
