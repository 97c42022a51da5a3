"""A sandbox of the tests' own, driven as a person drives it: by its command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from sandbox import environment
from sandbox.settings import Settings
from sandbox.system import ProcessIdentity
from sandbox.tools import ensure

REPOSITORY = Path(__file__).resolve().parents[2]
_SETTINGS_PREFIX = "SANDBOX_"


def copy_of_the_checkout(folder: Path) -> Path:
    """A clone with what is not committed yet, so that tests may change files and commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    checkout = folder / "checkout"
    for name in filter(None, listed.split("\0")):
        source = REPOSITORY / name
        if source.is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, checkout / name)
    (checkout / ".venv").symlink_to(REPOSITORY / ".venv", target_is_directory=True)
    git(checkout, "init", "--quiet", "--initial-branch", "main")
    commit(checkout, "The checkout under test")
    return checkout


def git(checkout: Path, *arguments: str) -> str:
    """Run git in a checkout and return what it prints."""
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@localhost")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(checkout: Path, message: str) -> str:
    """Commit everything in the checkout; returns the commit."""
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(checkout, "rev-parse", "HEAD")


@dataclass(frozen=True)
class World:
    """A checkout and the sandbox that serves it."""

    checkout: Path
    settings: Settings
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command: this sandbox's settings, this checkout's code."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_SETTINGS_PREFIX)}
        settings = {
            f"{_SETTINGS_PREFIX}{name.upper()}": str(getattr(self.settings, name))
            for name in Settings.model_fields
        }
        return {
            **inherited,
            **settings,
            "PYTHONPATH": str(self.checkout),
            # What Rich would fold at 80 columns is searched for as one line.
            "COLUMNS": "1000",
            **self.extra,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``sandbox <arguments>`` in a session of its own, its output in a pipe."""
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox.cli", *arguments],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def sandbox(self, *arguments: str, fails: bool = False) -> str:
        """Run ``sandbox <arguments>`` to its end and return all that it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate()
        assert (process.returncode != 0) is fails, f"exit {process.returncode}:\n{output}"
        return output

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command in the sandbox's environment: ``sandbox run -- <command>``."""
        return self.sandbox("run", "--", *command, fails=fails)

    def kubectl(self, *arguments: str) -> Any:
        """Return the output of ``kubectl … -o json``."""
        output = subprocess.run(
            ["kubectl", f"--kubeconfig={self.settings.kubeconfig}", *arguments, "-o", "json"],
            check=True,
            capture_output=True,
            text=True,
            env=self.environment | {"PATH": self._tools_path()},
        ).stdout
        return json.loads(output) if output else None

    def _tools_path(self) -> str:
        return f"{ensure(self.settings).bin}{os.pathsep}{os.environ['PATH']}"

    @property
    def clients_environment(self) -> dict[str, str]:
        """Environment of every command, by which all clients use the sandbox."""
        settings = self.settings
        return {**self.environment, **environment.variables(settings, ensure(settings))}

    def state_file(self, stack: str) -> Path:
        """Return the file of a stack's state."""
        return self._pulumi / "stacks" / "previews" / f"{stack}.json"

    def locks(self, stack: str | None = None) -> list[Path]:
        """The locks on a stack; without one, on whatever there is."""
        folder = self._pulumi / "locks"
        if stack is not None:
            folder = folder / "organization" / "previews" / stack
        return list(folder.rglob("*.json"))

    @property
    def _pulumi(self) -> Path:
        return environment.backend_folder(self.settings) / ".pulumi"

    def client(self, stack: str) -> httpx.Client:
        """An HTTP client of a stack's URL, through the sandbox's load balancer."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.settings.http_port}",
            headers={"Host": f"{stack}.{self.settings.domain}"},
            timeout=10.0,
        )

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        identity = ProcessIdentity.read(self.settings.home / "run" / "supervisor.json")
        if identity is None or not identity.is_alive():
            return []
        supervisor = psutil.Process(identity.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs as Pulumi prints them."""
        text = self.run("pulumi", "stack", "output", "--json", "--stack", stack)
        return dict(json.loads(text[text.index("{") :]))


def pulumi_up(stack: str, *options: str) -> Sequence[str]:
    """Return the command by which a person, or CI, deploys a stack."""
    return ["pulumi", "up", "--stack", stack, "--yes", "--skip-preview", *options]
