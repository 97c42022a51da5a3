from __future__ import annotations

import json

from previews.migration_report import MARK, MigrationReport, find, markdown
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


def test_no_secret_is_shown() -> None:
    step = WRITTEN.steps[0].model_copy(update={"title": "password=hunter2hunter2"})
    leaking = WRITTEN.model_copy(update={"steps": (step,), "added": ("token: abcdef123",)})
    shown = markdown(MigrationReport.model_validate(leaking.model_dump()))
    assert "hunter2" not in shown
    assert "abcdef123" not in shown
