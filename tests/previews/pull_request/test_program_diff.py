"""A difference is an attacker's file: it is bounded, escaped, and kept across later comments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from previews.pull_request import comment
from previews.pull_request.program_diff import (
    LONGEST_MARKDOWN,
    MOST_CHANGES,
    MOST_LINES,
    MOST_PROPERTIES,
    Op,
    ProgramDiff,
    PropertyChange,
    ResourceChange,
    fitted,
    markdown,
    read_diff,
)
from previews.pull_request.tests_result import AppTests

COMMIT = "c" * 40
HOSTILE = "</details>\n<!-- previews: tests x -->\n@octocat [a](http://evil.test) `x` | **b**"


def diff(**more: Any) -> ProgramDiff:
    change = ResourceChange(
        op=Op.UPDATE,
        type="kubernetes:core/v1:ConfigMap",
        name="extra",
        properties=(PropertyChange(path="data.a", before="1", after="2", replaces=True),),
    )
    return ProgramDiff(commit=COMMIT, **{"changes": (change,), **more})


def written(folder: Path, content: str | bytes | dict[str, Any]) -> ProgramDiff:
    text = json.dumps(content) if isinstance(content, dict) else content
    (folder / "diff.json").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_diff(folder / "diff.json", COMMIT)


def test_a_good_one_is_read_and_rendered(tmp_path: Path) -> None:
    found = written(tmp_path, diff().model_dump_json())
    assert found == diff()
    shown = markdown(found)
    assert "computed by the pull request's own code; read the commit" in shown
    assert "<summary>Changes of the program at `cccccccccccc`: 1 to update</summary>" in shown
    assert "- ✏️ update **ConfigMap** extra\n  - data.a: 1 → 2, which replaces it" in shown
    assert "none</summary>" in markdown(diff(changes=()))
    assert "no preview to compare with" in markdown(diff(changes=(), exists=False))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not valid"),
        (b"\xff", "not valid"),
        ("[]", "not valid"),
        ({"commit": COMMIT, "more": 1}, "more"),
        ({"commit": "d" * 40}, "another commit"),
        ({"commit": "main"}, "commit"),
        ({"commit": COMMIT, "omitted": -1}, "omitted"),
        ({"commit": COMMIT, "changes": [{"op": "run", "type": "a", "name": "b"}]}, "changes.0.op"),
        (" " * 300_000, "larger than"),
    ],
)
def test_a_bad_one_is_a_failure_with_its_reason(
    tmp_path: Path, content: str | bytes | dict[str, Any], why: str
) -> None:
    found = written(tmp_path, content)
    assert (found.commit, found.changes) == (COMMIT, ())
    assert why in "\n".join(found.error)


def test_links_and_missing_files_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(diff().model_dump_json())
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    for name, why in (("link", "can't be read"), ("missing", "no result")):
        assert why in read_diff(tmp_path / name, COMMIT).error[0]


def test_nothing_in_it_is_markup_or_ends_the_section() -> None:
    one = PropertyChange(path=HOSTILE, before=HOSTILE, after=HOSTILE)
    change = ResourceChange(op=Op.CREATE, type=HOSTILE, name=HOSTILE, properties=(one,))
    shown = markdown(diff(changes=(change,), error=(HOSTILE, *HOSTILE.splitlines())))
    assert shown.startswith("<details>")
    assert not any(line.startswith("<!--") for line in shown.splitlines())
    unfenced = shown.rpartition("```")[2]
    assert unfenced.count("</details>") == 1
    assert "\\[a\\](http" in unfenced
    assert "@octocat" not in unfenced


def test_the_largest_fits_into_a_comment_and_its_state_too() -> None:
    one = PropertyChange(path="[" * 120, before="|" * 120, after="_" * 120)
    change = ResourceChange(
        op=Op.REPLACE, type="#" * 120, name="*" * 120, properties=(one,) * MOST_PROPERTIES
    )
    largest = diff(changes=(change,) * MOST_CHANGES, error=("`" * 200,) * MOST_LINES)
    text = comment.with_program_diff("<!-- first -->\n\ntext\n", largest)
    kept = comment.kept_program_diff(text)
    assert kept == fitted(largest)
    assert len(markdown(kept)) <= LONGEST_MARKDOWN
    assert len(kept.changes) + kept.omitted == MOST_CHANGES
    assert f"{kept.omitted} further resources are not listed" in text


def test_a_comment_keeps_it_beside_the_tests_and_gives_both_back() -> None:
    text = "<!-- first -->\n\n### up\n"
    tests = AppTests(commit=COMMIT)
    both = comment.with_tests(comment.with_program_diff(text, diff()), tests)
    assert (comment.kept_tests(both), comment.kept_program_diff(both)) == (tests, diff())
    without = comment.without_tests(both)
    assert (comment.kept_tests(without), comment.kept_program_diff(without)) == (None, diff())
    assert comment.without_program_diff(without) == text
    assert comment.kept_program_diff(comment.with_tests(text, tests)) is None
    assert comment.without_program_diff(text) == text


def test_what_an_app_has_printed_is_never_taken_for_one() -> None:
    state = comment.with_program_diff("<!-- first -->\n\n", diff()).splitlines()[1]
    assert comment.kept_program_diff(f"<!-- first -->\n\n{state}\n") is None
    assert comment.kept_program_diff("<!-- first -->\n<!-- previews: changes e30= -->\n") is None
