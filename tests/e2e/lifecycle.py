"""Previews on the sandbox as CI drives them: with a GitHub, a run of a workflow, and locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests.e2e.world import World, pulumi_up
from tests.github import LocalGitHub
from tests.github.state import File, PullRequest

REPOSITORY = "local/checkout"
"""What the program calls the checkout under test, which has no remote."""

_RECORD_OWNER = """
import sys
from previews.clients import Clients
clients = Clients()
clients.stacks.create(sys.argv[1])
clients.locks.record_owner(sys.argv[1])
"""


class FilesOfCommits(dict[tuple[str, str], File]):
    """Files of a checkout's commits, as GitHub has them, by commit and path."""

    def __init__(self, checkout: Path) -> None:
        super().__init__()
        self._checkout = checkout

    def __contains__(self, place: object) -> bool:
        return self._read(place) is not None

    def __missing__(self, place: tuple[str, str]) -> File:
        content = self._read(place)
        assert content is not None
        return File(content)

    def _read(self, place: object) -> bytes | None:
        assert isinstance(place, tuple)
        shown = subprocess.run(
            ["git", "cat-file", "blob", f"{place[0]}:{place[1]}"],
            cwd=self._checkout,
            check=False,
            capture_output=True,
        )
        return shown.stdout if shown.returncode == 0 else None


@dataclass(frozen=True)
class Lifecycle:
    """The command line `previews` on one sandbox and one local GitHub."""

    world: World
    hub: LocalGitHub

    def __post_init__(self) -> None:
        self.hub.state.files = FilesOfCommits(self.world.checkout)

    def pull(self, number: int, **more: Any) -> PullRequest:
        """Open a pull request of the repository's own, with the label."""
        more = {"labels": ["preview"], "head_repository": REPOSITORY, **more}
        return self.hub.state.pull(number, **more)

    def environment(self, run: int) -> dict[str, str]:
        """Environment of a workflow's job: the sandbox's clients, GitHub's variables."""
        local = ("PREVIEWS_LOCAL", "PREVIEWS_PULUMI_LOG")
        machine = self.world.clients_environment
        return {
            **{name: value for name, value in machine.items() if name not in local},
            **self.hub.environment,
            "GITHUB_RUN_ID": str(run),
            "PREVIEWS_PROJECT": str(self.world.checkout),
        }

    def previews(
        self, *arguments: str, run: int = 1, exits: int = 0, more: Mapping[str, str] | None = None
    ) -> Any:
        """Return the result of ``previews <arguments> --json``, with more of the environment."""
        ended = subprocess.run(
            [sys.executable, "-m", "previews.cli", *arguments, "--json"],
            cwd=self.world.checkout,
            env=self.environment(run) | dict(more or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == exits, f"exit {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        return json.loads(ended.stdout)

    def record_owner(self, stack: str, run: int) -> None:
        """Create the stack, and record the run that works on it."""
        subprocess.run(
            [sys.executable, "-c", _RECORD_OWNER, stack],
            cwd=self.world.checkout,
            env=self.environment(run),
            check=True,
            capture_output=True,
        )

    def start_up(self, stack: str, run: int) -> subprocess.Popen[str]:
        """Start the `up` of a run, in a session of its own."""
        self.hub.state.run(run)
        self.record_owner(stack, run)
        return subprocess.Popen(
            pulumi_up(stack),
            cwd=self.world.checkout,
            env=self.environment(run),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self, stack: str, run: int) -> None:
        """Bring a preview up."""
        process = self.start_up(stack, run)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        self.hub.state.run(run, "completed", "success")

    def up_killed_after(self, stack: str, operations: int, run: int) -> bool:
        """Bring a preview up and kill it, and all below it, after so many resource operations.

        Returns:
            Whether there were so many: otherwise the `up` ended by itself.
        """
        process = self.start_up(stack, run)
        self.await_operations(stack, operations, over=lambda: process.poll() is not None)
        killed = process.poll() is None
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        assert killed or process.returncode == 0, output
        self.hub.state.run(run, "completed", "cancelled" if killed else "success")
        return killed

    def await_operations(
        self, stack: str, operations: int, over: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait until so many operations on resources of a stack are over, or the whole is."""
        Retrying(
            retry=retry_if_result(lambda seen: seen is False),
            stop=stop_after_delay(240),
            wait=wait_fixed(0.005),
            retry_error_callback=lambda _: pytest.fail(f"never: {operations} of {stack}"),
        )(lambda: over() or self.operations(stack) >= operations)

    def operations(self, stack: str) -> int:
        """Return the number of finished operations on resources in the state."""
        try:
            state = json.loads(self.world.state_file(stack).read_text())
        except (FileNotFoundError, ValueError):
            return -1
        resources = (state["checkpoint"].get("latest") or {}).get("resources") or []
        return sum(
            bool(resource.get("custom")) and not resource["type"].startswith("pulumi:")
            for resource in resources
        )
