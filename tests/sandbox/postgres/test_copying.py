from __future__ import annotations

import errno
from pathlib import Path

import pytest

from sandbox.postgres import copying
from sandbox.postgres.copying import copy_file, copy_tree, remove_partial, whole_or_nothing


def skip_nothing(_: Path) -> bool:
    return False


@pytest.mark.parametrize("content", [b"", b"x", b"0123456789" * 300_000])
def test_content_and_mode_are_copied(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    source.chmod(0o640)

    copy_file(source, tmp_path / "target")

    assert (tmp_path / "target").read_bytes() == content
    assert (tmp_path / "target").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("refusal", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_copy_file_range_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(refusal, "no")

    monkeypatch.setattr(copying.os, "copy_file_range", refuse)
    source = tmp_path / "source"
    source.write_bytes(b"abc" * 100_000)

    copy_file(source, tmp_path / "target")

    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_tree_is_copied_without_what_is_skipped(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("a/b/kept", "a/skipped", "empty/skipped"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)

    copy_tree(source, tmp_path / "target", skip=lambda path: path.name == "skipped")

    copied = sorted(
        str(p.relative_to(tmp_path / "target")) for p in (tmp_path / "target").rglob("*")
    )
    assert copied == ["a", "a/b", "a/b/kept", "empty"]


def test_a_file_that_vanishes_meanwhile_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("stays", "vanishes"):
        (source / name).write_text(name)
    copy = copying.copy_file

    def vanish_first(path: Path, target: Path) -> None:
        (source / "vanishes").unlink(missing_ok=True)
        copy(path, target)

    monkeypatch.setattr(copying, "copy_file", vanish_first)

    copy_tree(source, tmp_path / "target", skip=skip_nothing)

    assert [path.name for path in (tmp_path / "target").iterdir()] == ["stays"]


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def copy() -> None:
        with whole_or_nothing(tmp_path / "target") as partial:
            (partial / "half").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        copy()

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_copy_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "rds:staging.partial" / "data").mkdir(parents=True)
    (tmp_path / "whole").mkdir()

    assert remove_partial(tmp_path) == ["rds:staging.partial"]
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_a_second_attempt_starts_from_nothing(tmp_path: Path) -> None:
    (tmp_path / "target.partial").mkdir()
    (tmp_path / "target.partial" / "old").write_text("old")

    with whole_or_nothing(tmp_path / "target") as partial:
        (partial / "new").write_text("new")

    assert [path.name for path in (tmp_path / "target").iterdir()] == ["new"]
