from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.containers.context import BuildContext, IgnoreRules
from sandbox.errors import SandboxError


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")


@pytest.mark.parametrize(
    ("rules", "path", "excluded"),
    [
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "folder/a.pyc", False),
        ("**/*.pyc", "a.pyc", True),
        ("**/*.pyc", "a/b/c.pyc", True),
        ("/folder", "folder/below/file", True),
        ("folder/", "folder/file", True),
        ("./folder", "folder", True),
        ("*\n!service", "service/app.py", False),
        ("*\n!service", "other/app.py", True),
        ("*\n!service\n**/__pycache__", "service/__pycache__/x.pyc", True),
        ("# comment\n\n", "anything", False),
        ("a?c", "abc", True),
        ("a[bx]c", "axc", True),
        ("a[!b]c", "abc", False),
        ("docs/**", "docs/a/b", True),
        ("docs\n!docs/keep.md", "docs/keep.md", False),
        ("a.c", "abc", False),
    ],
)
def test_ignore_rules(rules: str, path: str, excluded: bool) -> None:
    assert IgnoreRules(rules).excludes(path) is excluded


def test_ignored_files_are_left_out_and_exceptions_are_found_below(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.md", "docs/keep.md", "service/app.py", "service/app.pyc", "x/y/z")
    (tmp_path / ".dockerignore").write_text("docs\n!docs/keep.md\n**/*.pyc\nx\n.dockerignore\n")
    assert list(BuildContext(tmp_path).entries) == ["docs/keep.md", "service", "service/app.py"]


def test_the_ignore_file_beside_the_dockerfile_wins(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "my.Dockerfile.dockerignore").write_text("*\n!a\n")
    context = BuildContext(tmp_path, tmp_path / "my.Dockerfile")
    assert list(context.entries) == ["a"]


def test_the_digest_minds_names_modes_and_contents_but_no_times(tmp_path: Path) -> None:
    write(tmp_path, "a", "b/c")
    digest = BuildContext(tmp_path).digest()
    os.utime(tmp_path / "a", (1, 1))
    assert BuildContext(tmp_path).digest() == digest

    digests = {digest}
    (tmp_path / "a").chmod(0o755)
    digests.add(BuildContext(tmp_path).digest())
    (tmp_path / "b/c").write_text("other")
    digests.add(BuildContext(tmp_path).digest())
    (tmp_path / "b/c").rename(tmp_path / "b/d")
    digests.add(BuildContext(tmp_path).digest())
    (tmp_path / "link").symlink_to("a")
    digests.add(BuildContext(tmp_path).digest())
    (tmp_path / ".dockerignore").write_text("link\n.dockerignore\n")
    assert BuildContext(tmp_path).digest() in digests
    assert len(digests) == 5


def test_a_folder_that_is_none_and_rules_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="the folder does not exist"):
        BuildContext(tmp_path / "nowhere")
    (tmp_path / ".dockerignore").write_text("a[b\n")
    with pytest.raises(SandboxError, match=r"\.dockerignore: the bracket of 'a\[b' is not closed"):
        BuildContext(tmp_path)
