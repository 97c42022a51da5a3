"""A real control plane and a real node for integration tests, each process by itself.

Without the supervisor, so that a test can kill one of them and start it when it wants.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.cluster import processes as cluster
from sandbox.cluster.health import tls_context
from sandbox.cluster.layout import Identity, Layout
from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError
from sandbox.node import processes as node
from sandbox.process import Process
from sandbox.settings import Settings
from sandbox.system import end_with_parent
from tests.addresses import free_port, free_subnet
from tests.waiting import HANGS, eventually

_NOT_NEEDED = {"external-secrets"}
IMAGE = "registry.test/base:1"
PATH = "/usr/local/bin:/usr/bin:/bin"


class World:
    """Processes of one sandbox, its API, and what tests make in it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout = Layout(settings)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._declared: dict[str, Process] = {}
        self.images = ImageStore(settings.home / "images")
        self.api: httpx.Client
        self._node_prefix: tuple[str, ...] = ()

    def start_all(self) -> None:
        try:
            declared = [*cluster.processes(self.settings), *node.processes(self.settings)]
        except SandboxError as error:
            pytest.skip(f"the control plane is not built: {error}")
        self._declared = {each.name: each for each in declared if each.name not in _NOT_NEEDED}
        config = {"Env": [f"PATH={PATH}", "FROM_IMAGE=yes"], "WorkingDir": "/tmp"}
        digest = self.images.put({"architecture": "amd64", "os": "linux", "config": config}, [])
        self.images.tag("registry.test/base", "1", digest)
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        for name in self._declared:
            self.start(name)
        tls = tls_context(self.layout.authority, self.layout.pair(Identity.ADMIN.file_name))
        self.api = httpx.Client(
            base_url=self.layout.server, verify=tls, timeout=20, trust_env=False
        )

    def start(self, name: str) -> None:
        declared = self._declared[name]
        prefix = self._node_prefix if name in {node.RUNTIME, node.KUBELET} else ()
        with (self.settings.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*prefix, *declared.argv],
                env={**os.environ, **declared.env},
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - this process has one thread
            )
        self.processes[name] = process
        if declared.oneshot:
            assert process.wait(60) == 0, self.log(name)
            return

        def ready() -> bool:
            assert process.poll() is None, self.log(name)
            return declared.ready() is None

        eventually(ready, f"{name} to be ready")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process, if it runs."""
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(number)
            process.wait(HANGS)

    def start_what_is_down(self) -> None:
        """Start again what a test has ended, or what ended itself."""
        for name, declared in self._declared.items():
            process = self.processes.get(name)
            if process is None or (process.poll() is not None and not declared.oneshot):
                self.start(name)

    def restart_node(self, prefix: tuple[str, ...] = ()) -> None:
        """Start the runtime and the kubelet anew, by the command that ``prefix`` begins."""
        self._node_prefix = prefix
        for name in (node.KUBELET, node.RUNTIME):
            self.kill(name)
        for name in (node.RUNTIME, node.KUBELET):
            self.start(name)

    def stop_all(self) -> None:
        for name in reversed(list(self.processes)):
            self.kill(name)
        if hasattr(self, "api"):
            self.api.close()

    def log(self, name: str) -> str:
        return (self.settings.logs / f"{name}.log").read_text()[-3000:]

    @property
    def node_folder(self) -> Path:
        return self.settings.home / "node"


def free_settings(home: Path) -> Settings:
    return Settings(home=home, subnet=free_subnet(), http_port=free_port())


@contextmanager
def running(home: Path) -> Iterator[World]:
    world = World(free_settings(home))
    try:
        world.start_all()
        yield world
    finally:
        world.stop_all()
