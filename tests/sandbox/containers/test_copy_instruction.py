from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from tests.sandbox.containers.conftest import Bench

pytestmark = pytest.mark.sandbox


def archive(path: Path, mode: str) -> None:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content, uid in (("deep/file", b"inside", 42), ("tool", b"#!/bin/sh", 0)):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid = len(content), 0o755, uid, uid
            tar.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "deep/file"
        tar.addfile(link)


def test_add_copies_files_and_folders_as_copy_does(bench: Bench) -> None:
    bench.write("src/a.py")
    bench.write("b.txt")
    image = bench.build("FROM python\nADD src b.txt /app/\nADD b.txt /c.txt\n")
    assert bench.run(image, "cd /app && ls; cat /c.txt") == "a.py\nb.txt\ncontent of b.txt\n"


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("b.bin", "w:gz"), ("c", "w:xz")])
def test_add_unpacks_an_archive_whatever_its_name(bench: Bench, name: str, mode: str) -> None:
    archive(bench.context / name, mode)
    bench.write("plain.tar", "no archive")
    image = bench.build(f"FROM python\nADD {name} plain.tar /opt/\nCOPY {name} /kept\n")
    shown = bench.run(
        image, "cd /opt && find . | sort; cat link; stat -c '%a %u' deep/file; ls /kept"
    )
    owner = "42" if os.geteuid() == 0 else "0"
    listed = [".", "./deep", "./deep/file", "./link", "./plain.tar", "./tool"]
    assert shown.splitlines() == [*listed, f"inside755 {owner}", "/kept"]


def test_an_unpacked_archive_is_given_away_and_unpacked_again_when_it_changes(bench: Bench) -> None:
    archive(bench.context / "a.tar", "w")
    dockerfile = "FROM python\nADD --chown=7:8 a.tar /opt/\n"
    image = bench.build(dockerfile)
    owner = "7 8" if os.geteuid() == 0 else "0 0"
    assert bench.run(image, "stat -c '%u %g' /opt/deep/file").strip() == owner
    bench.build(dockerfile)
    assert bench.worked == []
    archive(bench.context / "a.tar", "w:gz")
    bench.build(dockerfile)
    assert len(bench.worked) == 1


def test_a_broken_archive_is_named(bench: Bench) -> None:
    archive(bench.context / "a.tar.gz", "w:gz")
    whole = (bench.context / "a.tar.gz").read_bytes()
    (bench.context / "a.tar.gz").write_bytes(whole[:-30])
    with pytest.raises(SandboxError, match=r"line 2: ADD a.tar.gz /"):
        bench.build("FROM python\nADD a.tar.gz /opt/\n")


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("https://example.com/file.tar.gz", "download it in a RUN"),
        (
            "https://astral.sh/uv/install.sh",
            "COPY --from=ghcr.io/astral-sh/uv:latest /uv /uvx /bin/",
        ),
        ("https://github.com/a/b.git#main", "clone it in a RUN"),
        ("git@github.com:a/b.git", "clone it in a RUN"),
    ],
)
def test_what_add_would_download_is_refused(bench: Bench, source: str, remedy: str) -> None:
    with pytest.raises(SandboxError) as caught:
        bench.build(f"FROM python\nARG SOURCE={source}\nADD $SOURCE /x\n")
    assert remedy in caught.value.remedy


def test_what_exclude_names_stays_out(bench: Bench) -> None:
    for name in ("app/main.py", "app/tests/test_main.py", "app/notes.md", "keep.md", "other.txt"):
        bench.write(name)
    image = bench.build(
        "FROM python\n"
        "COPY --exclude=**/*.md --exclude=tests app /app\n"
        "COPY --exclude=*.md --link keep.md other.txt /files/\n"
    )
    assert bench.run(image, "cd / && find app files -type f | sort").split() == [
        "app/main.py",
        "files/other.txt",
    ]


def test_parents_keeps_the_paths_after_the_pivot(bench: Bench) -> None:
    for name in ("packages/a/pyproject.toml", "packages/b/pyproject.toml", "packages/b/x.py"):
        bench.write(name)
    image = bench.build(
        "FROM python\n"
        "COPY --parents packages/*/pyproject.toml /whole/\n"
        "COPY --parents packages/./*/pyproject.toml /cut/\n"
        "COPY --parents packages/b /folder/\n"
    )
    assert bench.run(image, "cd / && find whole cut folder -type f | sort").split() == [
        "cut/a/pyproject.toml",
        "cut/b/pyproject.toml",
        "folder/packages/b/pyproject.toml",
        "folder/packages/b/x.py",
        "whole/packages/a/pyproject.toml",
        "whole/packages/b/pyproject.toml",
    ]


def test_another_exclusion_is_another_layer(bench: Bench) -> None:
    bench.write("a/x")
    bench.write("a/y")
    bench.build("FROM python\nCOPY a /a\n")
    image = bench.build("FROM python\nCOPY --exclude=x a /a\n")
    assert bench.run(image, "ls /a") == "y\n"
