"""All that a build would refuse is told at once, before anything is made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.containers import packages
from sandbox.containers.build import check_dockerfile
from sandbox.containers.dockerfile import Instruction
from sandbox.containers.packages import refuse_packages, requested
from sandbox.errors import SandboxError
from tests.sandbox.containers.conftest import Bench


def check(bench: Bench, text: str, **options: object) -> list[tuple[int, str]]:
    path = bench.write("Dockerfile", text)
    found = check_dockerfile(bench.context, path, log=bench.log.append, **options)  # type: ignore[arg-type]
    return [(problem.line, problem.why) for problem in found]


def test_every_problem_is_told_with_its_line_and_nothing_is_built(bench: Bench) -> None:
    bench.write(".dockerignore", "hidden\n")
    bench.write("hidden")
    bench.write("here")
    text = """\
        # syntax=docker/dockerfile:1
        FROM nginx AS web
        FROM python
        COPY hidden missing /a/
        COPY --from=web /x /x
        COPY --from=redis:7 /usr/bin/redis /x
        COPY --chmod=u+x here /x
        RUN --mount=type=secret,id=token,required=true true
        RUN --mount=type=bind,source=gone,target=/b true
        RUN apk add curl
        EXPOSE many
        ENV A=${B
        ONBUILD RUN true
        RUN touch /made
        """
    found = check(bench, text.replace("        ", ""))
    assert [line for line, _ in found] == [2, 4, 6, 7, 8, 9, 10, 11, 12, 13]
    assert "nothing that stands for nginx" in found[0][1]
    assert "hidden is left out of the build context by .dockerignore" in found[1][1]
    assert not any(path.name != "context" for path in bench.context.parent.iterdir())
    with pytest.raises(SandboxError) as caught:
        bench.build(text)
    assert "10 problems of the Dockerfile" in caught.value.what
    assert all(f"line {line}: " in caught.value.why for line, _ in found)
    assert bench.worked == []


def test_only_what_the_target_needs_is_checked(bench: Bench) -> None:
    text = "ARG BASE=nginx\nFROM python AS app\nRUN true\nFROM $BASE\nCOPY --from=app /a /a\n"
    assert [line for line, _ in check(bench, text)] == [4]
    assert check(bench, text, target="app") == []
    assert check(bench, text, args={"BASE": "python"}) == []
    [(line, why)] = check(bench, text, target="other")
    assert (line, why) == (0, "the Dockerfile has no such stage; it has app, 1")


def test_a_good_dockerfile_has_no_problem_and_its_differences_are_told(bench: Bench) -> None:
    bench.write("a")
    assert check(bench, "FROM ghcr.io/astral-sh/uv:0.1\nFROM python:3\nCOPY a /a\nUSER me\n") == []
    assert [line for line in bench.log if line.startswith("note: python:3: here it is Python")]
    # Not of a stage that is not needed.
    assert not any("astral" in line for line in bench.log)


def test_a_file_that_can_t_be_read_is_a_problem(bench: Bench) -> None:
    [problem] = check_dockerfile(bench.context, bench.context / "none")
    assert (problem.line, problem.remedy) == (0, "pass the path of a readable Dockerfile")
    [problem] = check_dockerfile(bench.context / "none", bench.write("Dockerfile", "FROM python\n"))
    assert "the folder does not exist" in problem.why


def test_the_ignore_file_beside_the_dockerfile_comes_first(bench: Bench) -> None:
    bench.write(".dockerignore", "a\n")
    bench.write("Dockerfile.dockerignore", "b\n")
    bench.write("a")
    bench.write("b")
    assert [line for line, _ in check(bench, "FROM python\nCOPY a /a\nCOPY b /b\n")] == [3]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (
            (
                "apt-get update && apt-get install -y --no-install-recommends gcc libpq-dev"
                " curl \\\n && rm -rf /var/lib/apt/lists/*"
            ),
            [("apt-get", []), ("apt-get", ["gcc", "libpq-dev", "curl"])],
        ),
        ("DEBIAN_FRONTEND=noninteractive apt install -y 'nginx=1.2'", [("apt", ["nginx"])]),
        ("if true; then sudo apt-get install a; fi", [("apt-get", ["a"])]),
        ("apk add --no-cache curl", [("apk", ["curl"])]),
        ("/usr/bin/apt-get install $PACKAGES b", [("apt-get", ["b"])]),
        ("set -e\napt-get update # apt-get install x\n", [("apt-get", [])]),
        ("echo apt-get install x; pip install apt", []),
        ("echo 'it is", []),
    ],
)
def test_the_packages_that_a_script_installs(
    script: str, found: list[tuple[str, list[str]]]
) -> None:
    assert list(requested(script)) == found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the machine's package managers, its packages, and whether this is root."""

    def set_machine(managers: str, installed: str = "", *, root: bool = True) -> None:
        def which(name: str, path: str | None = None) -> str | None:
            return f"/usr/bin/{name}" if name in managers.split() else None

        monkeypatch.setattr(shutil, "which", which)
        monkeypatch.setattr(packages, "_is_installed", lambda name: name in installed.split())
        monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)

    return set_machine


def refusal(script: str) -> SandboxError | None:
    try:
        refuse_packages(Instruction("RUN", (), script, 3), script)
    except SandboxError as error:
        return error
    return None


def test_root_installs_what_it_likes(machine: Callable[..., None]) -> None:
    machine("apt-get")
    assert refusal("apt-get update && apt-get install -y libpq-dev") is None


def test_a_user_installs_only_what_is_there(machine: Callable[..., None]) -> None:
    machine("apt-get", "gcc curl", root=False)
    assert refusal("apt-get update && apt-get install -y gcc curl") is None
    error = refusal("apt-get install -y gcc libpq-dev")
    assert error is not None
    assert "this machine lacks libpq-dev" in error.why
    assert "sudo apt-get install libpq-dev" in error.remedy


def test_another_distribution_s_package_manager_is_refused(machine: Callable[..., None]) -> None:
    machine("dnf")
    error = refusal("apt-get update")
    assert error is not None
    assert error.why == "apt-get is Debian's or Ubuntu's package manager, which this machine lacks"
    assert error.what == "Dockerfile line 3: RUN apt-get update"


@pytest.mark.sandbox
@pytest.mark.skipif(not Path("/var/lib/dpkg").is_dir(), reason="the machine has no dpkg")
def test_the_machine_s_packages_are_known_inside(bench: Bench) -> None:
    image = bench.build(
        "FROM debian\nRUN dpkg-query --show --showformat='${Status}' dpkg > /status\n"
    )
    assert bench.run(image, "cat /status") == "install ok installed"
    bare = bench.build("FROM scratch\nCOPY <<A /a\nA\n")
    assert len(bare.layers) == 2


@pytest.mark.sandbox
def test_a_here_document_runs_by_its_own_interpreter(bench: Bench) -> None:
    image = bench.build(
        "FROM python\nRUN <<EOF\n#!/usr/bin/env python3\n"
        "open('/made', 'w').write('by python')\nEOF\n"
    )
    assert bench.run(image, "cat /made; ls /dev/pipes 2>&1 || true").startswith("by python")


@pytest.mark.sandbox
def test_a_maintainer_is_the_author(bench: Bench) -> None:
    assert bench.build("FROM python\nMAINTAINER A Person\n").config["author"] == "A Person"
