from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.containers import interpreters, toolchains
from sandbox.containers.bases import BaseRefused, Bases, required_pythons
from sandbox.containers.interpreters import Interpreter
from tests.sandbox.containers.conftest import Bench

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def no_other_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the sandbox's own Python alone, that can download none."""

    def find(minor: str, cache: Path, log: object) -> Interpreter | None:
        return interpreters.own() if minor == OWN else None

    monkeypatch.setattr(interpreters, "find", find)


@pytest.mark.parametrize(
    "name",
    [
        f"python:{OWN}",
        f"python:{OWN}-slim",
        f"docker.io/library/python:{OWN}",
        f"docker.io/python:{OWN}-slim@sha256:{'0a' * 32}",
        f"public.ecr.aws/docker/library/python:{OWN}-slim",
    ],
)
def test_an_image_of_the_machine_s_own_python_is_the_machine(tmp_path: Path, name: str) -> None:
    base = Bases(tmp_path).resolve(name)
    assert (base.contents, base.note) == ((), None)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("python", f"python: here it is Python {OWN} of this machine"),
        ("python:3-slim", f"python:3-slim: here it is Python {OWN} of this machine"),
        (f"python:{OWN}-alpine", "it has glibc instead of musl, and no apk"),
        (f"python:{OWN}.999", f"here it has {'.'.join(map(str, sys.version_info[:3]))}"),
        ("alpine:3.21", "it has glibc instead of musl, and no apk"),
        ("gcr.io/distroless/cc-debian12:nonroot", "with a shell that the real image lacks"),
        ("ghcr.io/astral-sh/uv:0.0.1", f"here it has uv {toolchains.uv_version()}"),
    ],
)
def test_what_differs_from_the_real_image_is_told(tmp_path: Path, name: str, note: str) -> None:
    assert note in str(Bases(tmp_path).resolve(name).note)


def test_another_distribution_s_release_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        platform, "freedesktop_os_release", lambda: {"VERSION_CODENAME": "bookworm"}
    )
    notes = [Bases(tmp_path).resolve(f"debian:{name}-slim").note for name in ("bookworm", "trixie")]
    assert notes == [
        None,
        "debian:trixie-slim: here it is this machine: its distribution is bookworm",
    ]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("nginx:1.27-alpine", "StaticFiles"),
        ("tiangolo/uvicorn-gunicorn-fastapi:python3.11", "FROM python instead"),
        ("postgres:16", "the database is RDS"),
        ("example.com/team/base:1", "build FROM one of python"),
        ("python:2.7", "install Python 2.7"),
        ("UPPER CASE", "correct the image's name"),
    ],
)
@pytest.mark.usefixtures("no_other_python")
def test_an_image_that_nothing_stands_for_is_refused(
    tmp_path: Path, name: str, remedy: str
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = "<3"\n')
    for _ in range(2):  # The second answer is remembered.
        with pytest.raises(BaseRefused) as caught:
            Bases(tmp_path).resolve(name)
        assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("files", "refused"),
    [
        ({}, False),
        ({"pyproject.toml": f'[project]\nrequires-python = ">={OWN}"\n'}, False),
        ({"pyproject.toml": '[project]\nrequires-python = ">=3.99"\n'}, True),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.10"\n'}, False),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.99"\n'}, True),
        ({".python-version": "3.99\n"}, True),
        ({".python-version": f"cpython-{OWN}.1\n"}, False),
        ({"pyproject.toml": "not toml ["}, False),
    ],
)
@pytest.mark.usefixtures("no_other_python")
def test_the_machine_s_python_replaces_another_if_the_app_allows_it(
    tmp_path: Path, files: dict[str, str], refused: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if refused:
        with pytest.raises(BaseRefused, match=f"does not allow Python {OWN} instead"):
            Bases(tmp_path).resolve("python:3.99-slim")
    else:
        base = Bases(tmp_path).resolve("python:3.99-slim")
        assert f"here it is Python {OWN} of this machine, since Python 3.99 is" in str(base.note)


def test_where_a_project_limits_its_python(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.13.1\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nrequires-python = ">=3.12"\n[tool.poetry.dependencies]\npython = "^3.12.1"\n'
    )
    assert required_pythons(tmp_path) == [
        (".python-version", "==3.13.*"),
        ("requires-python of pyproject.toml", ">=3.12"),
        ("python of tool.poetry.dependencies", ">=3.12.1,<4"),
    ]


def fake_python(folder: Path, version: str) -> Path:
    """Make a folder that looks like an installation of another Python."""
    minor = version.rpartition(".")[0]
    program = folder / "bin" / f"python{minor}"
    program.parent.mkdir(parents=True)
    release = [int(part) for part in version.split(".")]
    answer = f'["{folder}", "{version} (fake)", {release}, ""]'
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    (folder / "bin" / "python3").symlink_to(program.name)
    (folder / "bin" / "pip").write_text(f"#!{program}\nrest\n")
    (folder / "bin" / "other").write_text("#!/bin/sh\n")
    library = folder / "lib" / f"python{minor}"
    for name in ("os.py", "__pycache__/os.pyc", "test/a.py", "EXTERNALLY-MANAGED"):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_text(name)
    for name in ("pip/tests/kept.py", "django/models.py", "pip-1.dist-info/METADATA"):
        (library / "site-packages" / name).parent.mkdir(parents=True, exist_ok=True)
        (library / "site-packages" / name).write_text(name)
    (library / "_sysconfigdata_x.py").write_text(f'CC = "clang"; prefix = "{folder}"\n')
    return folder


def test_the_newest_installed_release_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("RUNNER_TOOL_CACHE", str(tmp_path / "cache"))
    fake_python(tmp_path / "pyenv/versions/3.99.1", "3.99.1")
    fake_python(tmp_path / "uv/cpython-3.99.12-linux-x86_64-gnu", "3.99.12")
    fake_python(tmp_path / "cache/Python/3.99.2/x64", "3.99.2")
    found = interpreters.find("3.99", tmp_path / "tools", print)
    assert found is not None
    assert (found.prefix.name, found.release) == ("cpython-3.99.12-linux-x86_64-gnu", (3, 99, 12))


def test_a_python_that_can_t_be_had_is_told_with_each_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "uv"
    failing.write_text("#!/bin/sh\necho 'no such host' >&2; exit 2\n")
    failing.chmod(0o755)
    monkeypatch.setattr(interpreters, "uv", lambda: failing)
    said: list[str] = []
    assert interpreters.find("3.98", tmp_path / "tools", said.append) is None
    assert said == [
        "downloading Python 3.98 with uv",
        "Python 3.98: uv failed: no such host",
        "Python 3.98: no module of its build is known for this machine",
    ]


@pytest.mark.sandbox
def test_another_python_stands_where_the_official_images_have_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    fake_python(tmp_path / "pyenv/versions/3.99.1", "3.99.1")
    image = bench.build("FROM python:3.99-slim\nRUN python3 > /told\n")
    listing = bench.run(
        image,
        "cd /usr/local && cat /told bin/pip lib/python3.99/_sysconfigdata_x.py"
        " && find bin lib | sort",
    )
    assert "3.99.1 (fake)" in listing
    assert listing.splitlines()[1:] == [
        "#!/usr/local/bin/python3.99",
        "rest",
        'CC = "cc"; prefix = "/usr/local"',
        "bin",
        "bin/pip",
        "bin/python",
        "bin/python3",
        "bin/python3.99",
        "lib",
        "lib/python3.99",
        "lib/python3.99/_sysconfigdata_x.py",
        "lib/python3.99/os.py",
        "lib/python3.99/site-packages",
        "lib/python3.99/site-packages/pip",
        "lib/python3.99/site-packages/pip-1.dist-info",
        "lib/python3.99/site-packages/pip-1.dist-info/METADATA",
        "lib/python3.99/site-packages/pip/tests",
        "lib/python3.99/site-packages/pip/tests/kept.py",
    ]
    bench.build("FROM python:3.99-slim\nRUN python3 > /told\n")
    assert bench.worked == []


@pytest.mark.sandbox
def test_uv_is_brought_to_images_that_copy_it(bench: Bench) -> None:
    image = bench.build(
        """\
        ARG UV=0.9
        FROM ghcr.io/astral-sh/uv:${UV} AS uv
        FROM python
        COPY --from=uv /uv /uvx /bin/
        COPY --from=ghcr.io/astral-sh/uv:latest /uv /opt/uv
        RUN --mount=type=bind,from=ghcr.io/astral-sh/uv,source=/uv,target=/mounted \\
            /mounted --version > /version && /opt/uv --version >> /version
        """
    )
    version = f"uv {toolchains.uv_version()}"
    told = bench.run(image, "cat /version; uv --version; uvx --version").splitlines()
    assert [line.startswith((version, version.replace("uv", "uvx"))) for line in told] == [True] * 4
    assert any(line.startswith("note: ghcr.io/astral-sh/uv:0.9: here") for line in bench.log)
    assert not any("uv:latest" in line for line in bench.log if line.startswith("note: "))


@pytest.mark.sandbox
def test_an_image_of_uv_with_python_has_both(bench: Bench) -> None:
    image = bench.build(f"FROM ghcr.io/astral-sh/uv:python{OWN}-bookworm-slim\nRUN uv --version\n")
    assert bench.run(image, "ls /usr/local/bin/uvx").strip() == "/usr/local/bin/uvx"
    assert "UV_TOOL_BIN_DIR=/usr/local/bin" in image.config["config"]["Env"]


@pytest.mark.sandbox
def test_a_debian_image_has_no_python_of_its_own(bench: Bench) -> None:
    image = bench.build(
        'FROM debian\nCOPY run.sh /\nCMD ["/run.sh"]\n'.replace("COPY run.sh /\n", "")
    )
    assert bench.run(image, "ls /usr/local/bin; ls /usr/local").split()[0] == "bin"


def static_program(folder: Path) -> Path:
    """Compile a program that needs no library."""
    if shutil.which("cc") is None:
        pytest.skip("the machine has no C compiler")
    source = folder / "program.c"
    source.write_text(
        "#include <stdio.h>\nint main(int count, char **words) {\n"
        ' puts("alone"); return count > 1 && fopen(words[1], "r") == NULL; }\n'
    )
    program = folder / "program"
    subprocess.run(["cc", "-static", "-o", program, source], check=True)
    return program


@pytest.mark.sandbox
def test_an_image_from_scratch_has_its_own_files_alone(bench: Bench) -> None:
    from sandbox.containers.accounts import user_of
    from sandbox.containers.machine import base_image
    from sandbox.containers.runtime import ContainerSpec, popen
    from sandbox.containers.tree import ImageTree

    bench.write("data.txt")
    static_program(bench.context)
    image = bench.build('FROM scratch\nCOPY program /app/\nCOPY data.txt /\nCMD ["/app/program"]\n')
    for user in (0, 10001):
        spec = ContainerSpec(image.layers, ("/app/program",), env={}, uid=user, gid=user)
        process = popen(spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate(timeout=60)
        assert output == b"alone\n", output
    for path, code in (("/etc/hosts", 0), ("/etc/resolv.conf", 0), ("/etc/hostname", 1)):
        spec = ContainerSpec(image.layers, ("/app/program", path), env={}, read_only_root=True)
        process = popen(spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        process.communicate(timeout=60)
        assert process.returncode == code, path
    spec = ContainerSpec(image.layers, ("/bin/sh",), env={})
    process = popen(spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert b"not found" in process.communicate(timeout=60)[0]
    tree = ImageTree(image.layers, base_image())
    assert (tree.find("usr/bin/env"), tree.resolve("bin/sh")) == (None, "bin/sh")
    with pytest.raises(ValueError, match="no user 'daemon'"):
        user_of("daemon", tree, base_image())
    assert os.geteuid() != 0 or user_of("5", tree, base_image()) == (5, 0)
