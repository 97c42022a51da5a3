from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.containers.machine import BaseImage
from sandbox.containers.tree import ImageTree
from sandbox.errors import SandboxError


def whiteout(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.mknod(path, 0o020000, 0)
    except PermissionError:
        pytest.skip("makes a device, as overlayfs does")


@pytest.fixture
def base(tmp_path: Path) -> BaseImage:
    prefix = tmp_path / "python"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/python3").write_text("")
    (prefix / "bin/flask").write_text("")
    return BaseImage(
        folders=["usr", "etc"],
        links={"bin": "usr/bin"},
        python=str(prefix),
        files={},
        symlinks={},
        hidden=["usr/local/bin/flask"],
    )


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path]:
    top, bottom = tmp_path / "top", tmp_path / "bottom"
    for path in ("bottom/app/old", "bottom/app/both", "bottom/gone/a", "bottom/hidden/a"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    for path in ("top/app/both", "top/app/new"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return top, bottom


def test_upper_layers_cover_lower_ones(layers: tuple[Path, Path], base: BaseImage) -> None:
    top, bottom = layers
    tree = ImageTree(layers, base)
    assert tree.names("app") == ["both", "new", "old"]
    assert tree.find("app/both") == top / "app/both"
    assert tree.find("app/old") == bottom / "app/old"
    assert tree.find("app") == top / "app"
    assert tree.find("nowhere") is None
    assert [name for name, _ in tree.walk("")][:4] == ["app", "app/both", "app/new", "app/old"]


def test_what_was_removed_is_gone(layers: tuple[Path, Path], base: BaseImage) -> None:
    top, _ = layers
    whiteout(top / "gone")
    whiteout(top / "app/old")
    (top / "hidden").mkdir()
    os.setxattr(top / "hidden", "user.overlay.opaque", b"y")
    tree = ImageTree(layers, base)
    assert tree.find("gone") is None
    assert tree.find("gone/a") is None
    assert tree.find("hidden/a") is None
    assert tree.names("hidden") == []
    assert tree.names("app") == ["both", "new"]
    assert "app/old" not in dict(tree.walk(""))


def test_the_machine_lies_below(layers: tuple[Path, Path], base: BaseImage, tmp_path: Path) -> None:
    tree = ImageTree(layers, base)
    assert tree.find("usr/bin") == Path("/usr/bin")
    assert tree.find("usr/local/bin/python3") == tmp_path / "python/bin/python3"
    assert tree.find("usr/local/bin/flask") is None
    assert tree.names("usr/local/bin") == ["python3"]
    assert tree.find("home") is None
    assert tree.find("root/.ssh") is None


def test_links_are_resolved_inside_the_image(layers: tuple[Path, Path], base: BaseImage) -> None:
    top, _ = layers
    (top / "app/link").symlink_to("/app")
    (top / "app/up").symlink_to("../app/both")
    (top / "round").symlink_to("round")
    tree = ImageTree(layers, base)
    assert tree.resolve("/app/link/link/new") == "app/new"
    assert tree.resolve("/app/up") == "app/both"
    assert tree.resolve("/bin/sh").startswith("usr/bin/")
    assert tree.resolve("/var/run/x") == "run/x"
    assert tree.resolve("/../../app/./new") == "app/new"
    with pytest.raises(SandboxError, match="loop"):
        tree.resolve("/round/x")


def test_globs_and_origins(layers: tuple[Path, Path], base: BaseImage) -> None:
    top, bottom = layers
    tree = ImageTree(layers, base)
    assert tree.glob("/app/*o*") == ["app/both", "app/old"]
    assert tree.glob("/app/none*") == []
    assert tree.origins("app/old") == [bottom]
    assert tree.origins("app/both") == [top]
    assert tree.origins("app") == [top, bottom]
    assert tree.origins("usr") == []
