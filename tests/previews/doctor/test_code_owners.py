from __future__ import annotations

from pathlib import Path

import pytest

from previews.doctor.code_owners import without_owner
from previews.doctor.expected import GUARDED

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("pattern", "owned", "free"),
    [
        ("*", ["a", "a/b/c"], []),
        ("*.py", ["a.py", "a/b.py"], ["a.pyc"]),
        ("/infra/", ["infra/a", "infra/a/b"], ["infra", "x/infra/a"]),
        ("infra/", ["infra/a", "x/infra/a"], ["infra"]),
        ("infra", ["infra", "infra/a", "x/infra/a"], ["infrared"]),
        ("/docs/*", ["docs/a"], ["docs/a/b", "x/docs/a"]),
        ("docs/*", ["docs/a"], ["docs/a/b", "x/docs/a"]),
        ("docs/**", ["docs/a", "docs/a/b"], ["docs"]),
        ("**/logs", ["logs", "a/logs", "a/logs/b"], ["catalogs"]),
        ("/a?c", ["abc", "abc/d"], ["a/c", "ac"]),
        ("/.github/workflows/preview.yml", [".github/workflows/preview.yml"], ["preview.yml"]),
    ],
)
def test_a_pattern_matches_as_github_documents_it(
    pattern: str, owned: list[str], free: list[str]
) -> None:
    assert without_owner(f"{pattern} @acme/platform", (*owned, *free)) == tuple(free)


def test_the_last_line_that_matches_decides() -> None:
    text = "# infra/ @nobody\n* @acme/all # everything\n/apps/ @ann\n/apps/free\n"
    assert without_owner(text, ("x", "apps/a", "apps/free", "infra/a")) == ("apps/free",)


def test_an_empty_file_owns_nothing() -> None:
    assert without_owner("\n# nothing\n", ("a",)) == ("a",)


def test_this_repository_owns_what_runs_with_a_credential() -> None:
    text = (ROOT / ".github" / "CODEOWNERS").read_text()
    assert without_owner(text, GUARDED) == ()
    assert without_owner(text, ("service/app.py", "docs/lifecycle.md")) != ()


def test_every_guarded_file_exists() -> None:
    assert [path for path in GUARDED if not (ROOT / path).exists()] == []


def test_the_file_names_no_path_that_is_not_there() -> None:
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert patterns
    assert [each for each in patterns if not list(ROOT.glob(each.strip("/")))] == []
