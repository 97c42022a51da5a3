"""Commands in the sandbox's environment, and its stacks as read from their state files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.stack_name import AppName, StackName
from sandbox.settings import PROJECT_ROOT
from sandbox.system import end_with_parent

PROJECT = "previews"


@dataclass(frozen=True)
class Stacks:
    """Stacks in this sandbox's backend, readable while nothing runs.

    Attributes:
        environment: Result of ``sandbox.environment.variables``.
        backend: Folder of Pulumi's self-managed backend.
        project: Folder of ``Pulumi.yaml``.
    """

    environment: Mapping[str, str]
    backend: Path
    project: Path = PROJECT_ROOT

    def exists(self, stack: StackName) -> bool:
        """Return True if the backend has the stack."""
        return self._state_file(stack).exists()

    def all(self) -> list[StackName]:
        """Return the stacks of all apps, sorted by name."""
        folder = self.backend / ".pulumi" / "stacks"
        found = (
            StackName.find(file.stem, AppName.of_project(file.parent.name))
            for file in folder.glob("*/*.json")
        )
        return sorted((one for one in found if one is not None), key=lambda one: one.name)

    def outputs(self, stack: StackName) -> dict[str, Any]:
        """Return the stack's outputs; empty if it has none yet."""
        try:
            state = json.loads(self._state_file(stack).read_text())
        except FileNotFoundError:
            return {}
        for resource in (state["checkpoint"].get("latest") or {}).get("resources", []):
            if resource["type"] == "pulumi:pulumi:Stack":
                return dict(resource.get("outputs", {}))
        return {}

    def _state_file(self, stack: StackName) -> Path:
        return self.backend / ".pulumi" / "stacks" / stack.app.project / f"{stack.value}.json"

    def run(self, command: Sequence[str], *, quiet: bool = False) -> tuple[int, str]:
        """Run a command in the sandbox's environment, in the project's folder.

        Ctrl-C reaches the command, and this function waits until it ends: Pulumi first
        writes its state and releases its lock.

        Returns:
            The exit code, and the output if ``quiet`` kept it from the terminal.
        """
        stop = end_with_parent(signal.SIGTERM)

        def preexec() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            stop()

        with _interrupts_left_to_the_child():
            process = subprocess.Popen(
                list(command),
                env={**os.environ, **self.environment},
                cwd=self.project,
                stdout=subprocess.PIPE if quiet else None,
                stderr=subprocess.STDOUT if quiet else None,
                text=True,
                preexec_fn=preexec,  # noqa: PLW1509 - this process has one thread
            )
            output, _ = process.communicate()
        return process.returncode, (output or "").strip()


@contextmanager
def _interrupts_left_to_the_child() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
