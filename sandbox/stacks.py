"""Pulumi's own commands on the sandbox's stacks, and what a killed one leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from sandbox.errors import SandboxError
from sandbox.processes import end_with_parent, runs, write_atomically
from sandbox.settings import PROJECT_ROOT

PROJECT = "previews"


class _Lock(BaseModel):
    """A lock file of Pulumi's self-managed backend (pkg/backend/diy/lock.go)."""

    pid: int
    username: str
    hostname: str
    timestamp: str


@dataclass(frozen=True)
class Stacks:
    """The stacks in this sandbox's backend.

    Attributes:
        environment: What ``sandbox.environment.variables`` returned.
        backend: Folder of Pulumi's self-managed backend.
        project: Folder of ``Pulumi.yaml``.
    """

    environment: Mapping[str, str]
    backend: Path
    project: Path = PROJECT_ROOT

    def exists(self, stack: str) -> bool:
        """Whether the backend holds the stack, without starting Pulumi."""
        return self._state_file(stack).exists()

    def names(self) -> list[str]:
        """Every stack of the project, sorted."""
        folder = self.backend / ".pulumi" / "stacks" / PROJECT
        return sorted(file.stem for file in folder.glob("*.json"))

    def up(
        self,
        stack: str,
        config_file: Path | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Bring the stack to what the program declares; create it when it is new.

        Args:
            stack: Name of the stack.
            config_file: ``Pulumi.<stack>.yaml`` in a folder outside the checkout, in
                place of the checkout's own.
            config: Keys to set for good, by their paths.

        Raises:
            SandboxError: When Pulumi fails; its own output has said why.
        """
        if not self.exists(stack):
            self._init(stack, self.project if config_file is None else config_file.parent)
        options = [] if config_file is None else ["--config-file", str(config_file)]
        given = [f"--config={PROJECT}:{key}={value}" for key, value in (config or {}).items()]
        paths = ["--config-path", *given] if given else []
        self._pulumi(["up", "--stack", stack, "--yes", "--skip-preview", *options, *paths])
        if self.pending_operations(stack):
            # This `up` has found what a killed one had begun; Pulumi keeps the note of it.
            forget = ["--clear-pending-creates", "--yes", "--skip-preview"]
            self._pulumi(["refresh", "--stack", stack, *forget, *options], quiet=True)

    def _init(self, stack: str, folder: Path) -> None:
        """Create the stack; its encryption's salt goes into ``folder``, not into the checkout."""
        project_file = folder / "Pulumi.yaml"
        if not project_file.exists():
            write_atomically(project_file, f"name: {PROJECT}\nruntime: python\n")
        _forget_salt(folder / f"Pulumi.{stack}.yaml")
        self._pulumi(["stack", "init", stack, "--cwd", str(folder)], quiet=True)

    @contextmanager
    def for_a_while(self, stack: str) -> Iterator[None]:
        """Have a stack that holds nothing, to plan with; one that a kill left behind is used."""
        if not self.exists(stack):
            self._init(stack, self.project)
        try:
            yield
        finally:
            self._pulumi(["stack", "rm", stack, "--yes"], quiet=True)

    def destroy(self, stack: str) -> None:
        """Remove every resource of the stack, then the stack itself.

        A run that was killed may have made what the state does not hold yet.
        It is finished first, since the program's names are what finds it again.
        """
        if self.pending_operations(stack):
            self.up(stack)
        self._pulumi(["destroy", "--stack", stack, "--yes", "--skip-preview"])
        self._pulumi(["stack", "rm", stack, "--yes"], quiet=True)

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs, from its state; empty when it has none yet."""
        for resource in self._deployment(stack).get("resources", []):
            if resource["type"] == "pulumi:pulumi:Stack":
                return dict(resource.get("outputs", {}))
        return {}

    def pending_operations(self, stack: str) -> list[str]:
        """URNs of operations that began and never reported back."""
        pending = self._deployment(stack).get("pending_operations") or []
        return [operation["resource"]["urn"] for operation in pending]

    def _deployment(self, stack: str) -> dict[str, Any]:
        try:
            state = json.loads(self._state_file(stack).read_text())
        except FileNotFoundError:
            return {}
        return dict(state["checkpoint"].get("latest") or {})

    def _state_file(self, stack: str) -> Path:
        return self.backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"

    def break_stale_locks(self) -> list[str]:
        """Remove locks whose holder was a process of this machine that has ended.

        A lock of the self-managed backend never expires, and ``pulumi cancel``
        would take every lock, those of running updates too.

        Returns:
            The stacks whose lock was removed.
        """
        broken: list[str] = []
        for file in (self.backend / ".pulumi" / "locks").rglob("*.json"):
            lock = _Lock.model_validate_json(file.read_text())
            if lock.hostname == socket.gethostname() and not runs(lock.pid):
                file.unlink(missing_ok=True)
                broken.append(file.parent.name)
                self._remove_half_written(file.parent.name)
        return broken

    def _remove_half_written(self, stack: str) -> None:
        """Remove what a killed run was writing; the state itself is replaced in one step."""
        state = self._state_file(stack)
        for file in state.parent.glob(f"{state.name}.*.tmp"):
            file.unlink(missing_ok=True)

    def _pulumi(self, arguments: Sequence[str], *, quiet: bool = False) -> None:
        self.break_stale_locks()
        command = ["pulumi", *arguments, "--non-interactive"]
        code, output = self.run(command, quiet=quiet)
        if code != 0:
            raise SandboxError(
                f"`pulumi {' '.join(arguments[:3])}`",
                why=f"it ended with exit code {code}" + (f": {output}" if output else ""),
                remedy="mend what its output names and run the same command again:"
                " it goes on where it stopped.",
            )

    def run(self, command: Sequence[str], *, quiet: bool = False) -> tuple[int, str]:
        """Run a command in the sandbox's environment, in the project's folder.

        Ctrl-C reaches the command, which ends in its own time: Pulumi then
        writes its state and releases its lock.

        Returns:
            The exit code, and the output where ``quiet`` kept it from the terminal.
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


def _forget_salt(config_file: Path) -> None:
    """Take out the salt of a stack that is gone: with another passphrase it is refused."""
    if not config_file.exists():
        return
    settings = yaml.safe_load(config_file.read_text()) or {}
    if settings.pop("encryptionsalt", None) is None:
        return
    if settings:
        write_atomically(config_file, yaml.safe_dump(settings, sort_keys=False))
    else:
        config_file.unlink()


@contextmanager
def _interrupts_left_to_the_child() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
