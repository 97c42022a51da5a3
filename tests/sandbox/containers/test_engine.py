from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from sandbox.containers.build import build, check_dockerfile
from sandbox.containers.engine import Engine, find_engine, import_archive
from sandbox.containers.layers import is_opaque, is_whiteout
from sandbox.containers.running import Interrupt
from sandbox.errors import SandboxError
from tests.sandbox.containers.conftest import Bench

# What these tests need of docker, podman and buildah: it builds by writing its arguments and the
# context's files into an image whose second layer deletes a file of the first.
FAKE = """\
#!{python}
import hashlib, io, json, pathlib, sys, tarfile, time

state = pathlib.Path({state!r})
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with (state / "calls").open("a") as calls:
    print(name, *words, file=calls)
mode = (state / "mode").read_text() if (state / "mode").exists() else ""


def after(flag):
    return words[words.index(flag) + 1]


def layer(files):
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return written.getvalue()


if words[0] == "info" and mode == "silent":
    sys.exit("Cannot connect to the daemon")
if words[0] == "inspect":
    sys.exit(0 if words[-1] in mode else 1)
if words[0] == "pull" and mode == "offline":
    sys.exit(f"no such host for {{words[-1]}}")
if words[0] == "build":
    print("step 1")
    if mode == "broken":
        sys.exit("step 2 failed")
    if mode == "slow":
        (state / "building").touch()
        time.sleep(60)
    pathlib.Path(after("--iidfile")).write_text("sha256:made")
if words[0] in ("save", "push"):
    program = (state / "program").read_bytes()
    layers = [
        layer({{"app/program": program, "gone": b"x", "kept/a": b"a"}}),
        layer({{".wh.gone": b"", "kept/.wh..wh..opq": b"", "kept/b": b"b"}}),
    ]
    config = {{"architecture": "amd64", "os": "linux", "created": str(time.time()),
              "config": {{"Cmd": ["/app/program"], "Env": ["A=b"]}},
              "history": [{{"created": str(time.time()), "created_by": "x"}}],
              "rootfs": {{"type": "layers", "diff_ids": []}}}}
    blobs = {{}}

    def blob(content):
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{{digest}}"] = content
        return {{"digest": f"sha256:{{digest}}", "size": len(content)}}

    described = [blob(each) for each in layers]
    settings = blob(json.dumps(config).encode())
    if name == "docker":
        paths = ["blobs/sha256/" + each["digest"][7:] for each in (*described, settings)]
        blobs["manifest.json"] = json.dumps([{{"Config": paths[2], "Layers": paths[:2]}}]).encode()
        target = after("--output")
    else:
        manifest = blob(json.dumps({{"config": settings, "layers": described}}).encode())
        blobs["index.json"] = json.dumps({{"manifests": [manifest]}}).encode()
        target = words[-1].removeprefix("oci-archive:") if name == "buildah" else after("--output")
    with tarfile.open(target, "w") as tar:
        for path, content in blobs.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the fake engines' state; none of the machine's own is on the PATH."""
    state = tmp_path / "state"
    programs = tmp_path / "programs"
    state.mkdir()
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return state


def install(state: Path, *names: str, mode: str = "") -> None:
    for name in names:
        path = state.parent / "programs" / name
        path.write_text(FAKE.format(python=sys.executable, state=str(state)))
        path.chmod(0o755)
    (state / "mode").write_text(mode)
    (state / "program").write_bytes(b"#!/bin/sh\n")


def calls(state: Path) -> list[str]:
    path = state / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_the_first_engine_that_works_is_taken(state: Path) -> None:
    said: list[str] = []
    assert find_engine("auto", ["python:3.13"], said.append) is None
    install(state, "podman", "buildah")
    found = find_engine("auto", ["python:3.13"], said.append)
    assert (found and found.name, said) == ("podman", [])
    assert calls(state) == [
        "podman info",
        "podman inspect --type image python:3.13",
        "podman pull python:3.13",
    ]


def test_an_image_that_is_there_is_not_pulled(state: Path) -> None:
    install(state, "docker", mode="python:3.13")
    assert find_engine("auto", ["python:3.13"], print) is not None
    assert not any("pull" in call for call in calls(state))


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("silent", "it does not answer (Cannot connect to the daemon)"),
        ("offline", "it can't get python:3.13 (no such host for python:3.13)"),
    ],
)
def test_an_engine_that_can_t_build_is_told_and_not_used(
    state: Path, mode: str, reason: str
) -> None:
    install(state, "docker", mode=mode)
    said: list[str] = []
    assert find_engine("auto", ["python:3.13"], said.append) is None
    assert said == [f"note: docker is not used: {reason}"]
    with pytest.raises(SandboxError) as caught:
        find_engine("docker", ["python:3.13"], said.append)
    assert (caught.value.what, caught.value.why) == ("builds by docker", reason)
    assert find_engine("own", ["python:3.13"], said.append) is None


def test_an_engine_that_was_asked_for_must_be_there(state: Path) -> None:
    with pytest.raises(SandboxError, match="it is not on the PATH"):
        find_engine("buildah", [], print)


@pytest.mark.parametrize("engine", ["docker", "podman", "buildah"])
def test_an_engine_s_image_is_imported(bench: Bench, state: Path, engine: str) -> None:
    install(state, engine)
    dockerfile = bench.write("Dockerfile", "ARG A=1\nFROM python:$A AS a\nFROM nginx\nFROM a\n")

    def made() -> str:
        image = build(
            dockerfile,
            bench.context,
            store=bench.store,
            build_args={"A": "2"},
            labels={"x": "y"},
            target="a",
            log=bench.log.append,
            builder="auto",
        )
        assert image.config["config"] == {"Cmd": ["/app/program"], "Env": ["A=b"]}
        top, below, hiding = image.layers
        assert (top / "kept/b").read_text() == "b"
        assert is_opaque(top / "kept")
        assert is_whiteout((top / "gone").lstat())
        assert (below / "app/program").stat().st_mode & stat.S_IXUSR
        assert is_opaque(hiding / "usr")
        return image.digest

    digest = made()
    assert made() == digest  # Whenever it is built.
    assert "step 1" in bench.log
    asked = next(call for call in calls(state) if " build " in call)
    assert asked.startswith(f"{engine} build --file {dockerfile} --iidfile ")
    assert asked.endswith(f" --target a --build-arg A=2 --label x=y {bench.context}")
    assert f"{engine} pull python:2" in calls(state)
    assert not any("nginx" in call for call in calls(state))
    assert check_dockerfile(bench.context, dockerfile, builder="auto") == []


@pytest.mark.sandbox
def test_a_program_of_an_imported_image_runs(bench: Bench, state: Path) -> None:
    from sandbox.containers.runtime import ContainerSpec, popen
    from tests.sandbox.containers.test_bases import static_program

    os.environ["PATH"] += ":/usr/bin:/bin"
    install(state, "docker")
    (state / "program").write_bytes(static_program(bench.context).read_bytes())
    dockerfile = bench.write("Dockerfile", "FROM python\n")
    image = build(dockerfile, bench.context, store=bench.store, builder="docker")
    log = bench.context / "log"
    with log.open("wb") as file:
        spec = ContainerSpec(image.layers, ("/app/program",), env={}, uid=7, gid=8)
        process = popen(spec, stdout=file, stderr=file)
        assert process.wait(timeout=60) == 0
    assert log.read_text() == "alone\n"


def test_a_failed_build_shows_its_end(bench: Bench, state: Path) -> None:
    install(state, "docker", mode="broken")
    dockerfile = bench.write("Dockerfile", "FROM scratch\n")
    with pytest.raises(
        SandboxError, match=r"build by docker: build: exited with 1(.|\n)*step 2 failed"
    ):
        build(dockerfile, bench.context, store=bench.store, builder="auto")


def test_a_build_by_an_engine_ends_early(bench: Bench, state: Path) -> None:
    install(state, "docker", mode="slow")
    dockerfile = bench.write("Dockerfile", "FROM scratch\n")
    interrupt = Interrupt()

    def log(line: str) -> None:
        interrupt.set()

    with pytest.raises(SandboxError, match="it was interrupted"):
        build(
            dockerfile,
            bench.context,
            store=bench.store,
            builder="auto",
            log=log,
            interrupt=interrupt,
        )


def test_without_a_working_engine_the_sandbox_s_own_checks_hold(bench: Bench, state: Path) -> None:
    install(state, "docker", mode="silent")
    dockerfile = bench.write("Dockerfile", "FROM nginx\n")
    [problem] = check_dockerfile(bench.context, dockerfile, builder="auto")
    assert problem.line == 1
    [problem] = check_dockerfile(bench.context, dockerfile, builder="docker")
    assert "builds by docker" in str(problem)


def test_a_file_that_is_no_image_is_named(bench: Bench, tmp_path: Path) -> None:
    import tarfile

    archive = tmp_path / "image.tar"
    with tarfile.open(archive, "w") as tar:
        listed = bench.write("index.json", json.dumps({"manifests": []}))
        tar.add(listed, "index.json")
    with pytest.raises(SandboxError, match="expected that of docker, podman or buildah"):
        import_archive(archive, bench.store, tmp_path / "unpacked")
    assert Engine("docker", "/nonexistent").refuses([]) is not None
