from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from sandbox.containers.layers import digest_of, remove_tree

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes a device, as overlayfs does")


def fill(folder: Path) -> Path:
    (folder / "b").mkdir(parents=True)
    (folder / "b/file").write_text("text")
    (folder / "b/file").chmod(0o640)
    (folder / "a").symlink_to("b/file")
    return folder


def test_the_digest_depends_on_what_a_layer_holds_alone(tmp_path: Path) -> None:
    first, second = fill(tmp_path / "one"), fill(tmp_path / "two")
    os.utime(second / "b/file", (1, 1))
    assert digest_of(first) == digest_of(second)
    (second / "b/file").chmod(0o600)
    assert digest_of(first) != digest_of(second)


def test_the_digest_is_that_of_a_tar_archive(tmp_path: Path) -> None:
    folder = tmp_path / "layer"
    folder.mkdir()
    (folder / "file").write_text("text")
    (folder / "file").chmod(0o644)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("file")
        info.size, info.mode = 4, 0o644
        if os.geteuid() == 0:
            info.uid = info.gid = 0
        tar.addfile(info, io.BytesIO(b"text"))
    archive = buffer.getvalue()
    assert digest_of(folder) == (f"sha256:{hashlib.sha256(archive).hexdigest()}", len(archive))


@as_root
def test_what_a_layer_removes_is_part_of_its_digest(tmp_path: Path) -> None:
    empty, removing, opaque = (tmp_path / name for name in ("empty", "removing", "opaque"))
    for folder in (empty, removing, opaque):
        (folder / "d").mkdir(parents=True)
    os.mknod(removing / "d/gone", 0o020000, 0)
    os.setxattr(opaque / "d", "user.overlay.opaque", b"y")
    assert len({digest_of(folder)[0] for folder in (empty, removing, opaque)}) == 3


def test_a_tree_that_forbids_its_owner_to_enter_is_removed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "layer")
    (folder / "work/inner").mkdir(parents=True)
    (folder / "work/inner").chmod(0)
    (folder / "work").chmod(0)
    remove_tree(folder)
    assert not folder.exists()
    remove_tree(folder)
