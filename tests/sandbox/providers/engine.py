"""A real Pulumi engine on emulators and emulated AWS APIs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox import environment
from sandbox.aws import processes as aws
from sandbox.process import Process
from sandbox.providers import processes as providers
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.system import end_with_parent
from sandbox.tools import Tools, ensure
from tests.addresses import free_subnet
from tests.waiting import eventually

_SECONDS = 120.0


class World:
    """The processes of a sandbox that a program of AWS resources needs."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, subnet=free_subnet())
        self.tools: Tools = ensure(self.settings, ["pulumi"])
        self._processes: dict[str, tuple[Process, subprocess.Popen[bytes]]] = {}

    def start_all(self) -> None:
        environment.prepare(self.settings)
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        for room in (aws, providers):
            for declared in room.processes(self.settings):
                self._start(declared)

    def _start(self, declared: Process) -> None:
        home = {
            "SANDBOX_HOME": str(self.settings.home),
            "SANDBOX_CACHE": str(self.settings.cache),
            "SANDBOX_SUBNET": self.settings.subnet,
        }
        with (self.settings.logs / f"{declared.name}.log").open("ab") as log:
            process = subprocess.Popen(
                declared.argv,
                env={**os.environ, **home, **declared.env},
                cwd=PROJECT_ROOT,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - prctl alone
            )
        self._processes[declared.name] = declared, process

        def ready() -> bool:
            assert process.poll() is None, self.log(declared.name)
            return declared.ready() is None

        eventually(ready, f"{declared.name} ready")

    def restart(self, name: str) -> None:
        """Kill one process as the kernel would, and start it again."""
        declared, process = self._processes.pop(name)
        process.kill()
        process.wait()
        self._start(declared)

    def stop_all(self) -> None:
        for _, process in reversed(list(self._processes.values())):
            process.terminate()
            process.wait(30)

    def log(self, name: str) -> str:
        return (self.settings.logs / f"{name}.log").read_text()[-3000:]

    @property
    def variables(self) -> dict[str, str]:
        return environment.variables(self.settings, self.tools)


class Stack:
    """One stack of a small program."""

    def __init__(self, world: World, folder: Path, name: str, program: str) -> None:
        self.world = world
        self.name = name
        self._folder = folder / name
        self._folder.mkdir(parents=True)
        (self._folder / "Pulumi.yaml").write_text(f"name: {_project(folder)}\nruntime: python\n")
        (self._folder / "__main__.py").write_text(program)
        self.run("stack", "select", "--create", name)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start the CLI in a process group of its own."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self._folder,
            env={**os.environ, **self.world.variables, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, fails: bool = False, **env: str) -> str:
        """Run the CLI to its end; returns what it wrote."""
        process = self.start(*arguments, **env)
        text, _ = process.communicate(timeout=_SECONDS)
        assert (process.returncode != 0) is fails, text
        return text

    def up(self, *, fails: bool = False, **env: str) -> str:
        return self.run("up", "-y", "--skip-preview", fails=fails, **env)

    def destroy(self) -> str:
        return self.run("destroy", "-y", "--skip-preview")

    @property
    def state(self) -> dict[str, Any]:
        deployment: dict[str, Any] = json.loads(self.run("stack", "export"))["deployment"]
        return deployment

    def resource(self, name: str) -> dict[str, Any]:
        """One resource of the state, by its logical name."""
        [found] = [it for it in self.state["resources"] if it["urn"].endswith(f"::{name}")]
        return dict(found)

    def forget(self) -> None:
        """Lose the state, as when pulumi is killed before it is written."""
        exported = json.loads(self.run("stack", "export"))
        resources = exported["deployment"]["resources"]
        kept = [it for it in resources if it["type"].startswith("pulumi:")]
        exported["deployment"]["resources"] = kept
        path = self._folder / "state.json"
        path.write_text(json.dumps(exported))
        self.run("stack", "import", "--file", str(path))


def _project(folder: Path) -> str:
    """A project of the test's own, so that no two tests share a stack."""
    return re.sub(r"\W|_", "-", folder.name)


@contextmanager
def running(home: Path) -> Iterator[World]:
    """A world whose processes run while the context is open."""
    world = World(home)
    try:
        world.start_all()
        yield world
    finally:
        world.stop_all()
