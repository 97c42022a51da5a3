"""Files whose changes a preview has to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.app.changes import first_relevant
from contract.app.read import AppFileError, parse_app, read_app


@pytest.mark.parametrize(
    ("glob", "matches", "others"),
    [
        ("app", ["app", "app/main.py", "app/a/b.py"], ["application.py", "my/app/main.py"]),
        ("app/*.py", ["app/main.py"], ["app/a/b.py", "app/main.pyc"]),
        ("**/*.py", ["main.py", "a/b/c.py"], ["main.pyc", "a/py"]),
        ("app/**", ["app/main.py", "app/a/b.py"], ["app", "apps/main.py"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z/y"], ["a/bz", "z"]),
        ("v?.txt", ["v1.txt"], ["v10.txt", "v/.txt"]),
        ("a.b+c", ["a.b+c"], ["aXb+c", "a.bbc"]),
        ("./app/../lib", ["lib/x"], ["app/x"]),
    ],
)
def test_a_glob(glob: str, matches: list[str], others: list[str]) -> None:
    app = parse_app(Path("preview.yaml"), f'image: {{ paths: ["{glob}"] }}'.encode())
    assert [one for one in matches if first_relevant(app, ".", [one]) is None] == []
    assert [one for one in others if first_relevant(app, ".", [one])] == []
    # Relative to the folder of preview.yaml, wherever that is.
    assert [one for one in matches if first_relevant(app, "x", [f"x/{one}"]) is None] == []
    assert first_relevant(app, "x", matches) is None


@pytest.mark.parametrize("glob", ["!app", "[ab]", "{a,b}", "/app", "a\\\\b", "a\\nb", ""])
def test_another_form_is_refused(glob: str) -> None:
    with pytest.raises(AppFileError, match=r"image\.paths"):
        parse_app(Path("preview.yaml"), f'image: {{ paths: ["{glob}"] }}'.encode())


def test_a_glob_outside_of_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    home = tmp_path / "backend"
    home.mkdir()
    for glob, fine in (("../shared/*.py", True), ("../../*.py", False), ("../../other/x*", False)):
        (home / "preview.yaml").write_text(f'image: {{ paths: ["{glob}"] }}')
        if fine:
            assert read_app(home).image.paths == (glob,)
            continue
        with pytest.raises(AppFileError, match=r"image\.paths: .* leads out of the git repository"):
            read_app(home)
