"""Pulumi's own commands on the project's stacks: the same that a person types.

They work with Pulumi Cloud, with a bucket and with a folder alike, wherever Pulumi is logged in.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from previews.pulumi import secrets_provider
from previews.pulumi.command import Answer, PulumiCommand
from previews.pulumi.state import StackState, StackSummary, read_state, read_summaries
from previews.settings import Settings

_NO_SUCH_STACK = "no stack named"


class Stacks:
    """The stacks of the project.

    Attributes:
        command: Runs ``pulumi``.
    """

    def __init__(self, settings: Settings) -> None:
        self.command = PulumiCommand(settings.project, log=settings.pulumi_log)
        self._project = settings.project
        self._organization = settings.organization
        self._local = settings.local

    def all(self) -> list[StackSummary]:
        """Every stack of the project, by name; one command, however many there are.

        Raises:
            PreviewsError: The backend gives no answer.
        """
        answer = self.command.ask("list of stacks", ["stack", "ls", "--json"])
        return read_summaries(answer, organization=self._organization)

    def exists(self, stack: str) -> bool:
        """Whether the backend holds the stack.

        Raises:
            PreviewsError: The backend gives no answer, which says nothing about the stack.
        """
        arguments = ["stack", "output", "--json", *self._stack(stack)]
        answer = self.command.run(arguments)
        if answer.code == 0:
            return True
        if _NO_SUCH_STACK in answer.error:
            return False
        raise self.command.failure(f"stack {stack}", arguments, answer)

    def create(self, stack: str) -> bool:
        """Make the stack unless it is there, its secrets kept by what keeps staging's.

        Returns:
            Whether it was made.
        """
        if self.exists(stack):
            return False
        secrets_provider.forget_salt(self._project, stack)
        provider = self._provider()
        keeper = ["--secrets-provider", provider] if provider else []
        self.command.ask(f"stack {stack}", ["stack", "init", self._qualified(stack), *keeper])
        return True

    def state(self, stack: str) -> StackState:
        """What the stack's state holds; secrets in it stay encrypted."""
        answer = self.command.ask(
            f"state of stack {stack}", ["stack", "export", *self._stack(stack)]
        )
        return read_state(stack, answer)

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs; secret ones are not shown."""
        answer = self.command.ask(
            f"outputs of stack {stack}", ["stack", "output", "--json", *self._stack(stack)]
        )
        return dict(answer)

    def history(self, stack: str, *, most: int = 1) -> list[dict[str, Any]]:
        """The newest updates of the stack, newest first, one that runs included on Pulumi Cloud."""
        answer = self.command.ask(
            f"history of stack {stack}",
            [
                *("stack", "history", "--json", "--page-size", str(most), "--page", "1"),
                *self._stack(stack),
            ],
        )
        return list(answer)

    def tags(self, stack: str) -> dict[str, str]:
        """The stack's own tags, which every backend keeps beside its state."""
        answer = self.command.ask(
            f"tags of stack {stack}", ["stack", "tag", "ls", "--json", *self._stack(stack)]
        )
        return dict(answer)

    def tag(self, stack: str, name: str, value: str) -> None:
        """Set one of the stack's tags."""
        arguments = ["stack", "tag", "set", name, value, *self._stack(stack)]
        self.command.do(f"tag {name} of stack {stack}", arguments)

    def up(self, stack: str) -> None:
        """Bring the stack to what the program declares.

        Raises:
            PreviewsError: Pulumi fails; its own output has said why.
        """
        arguments = ["up", "--yes", "--skip-preview", *self._changed(stack)]
        self.command.do(f"stack {stack}", arguments, aloud=True)

    def destroy(self, stack: str) -> None:
        """Delete every resource of the stack; the stack itself stays.

        Raises:
            PreviewsError: Pulumi fails; its own output has said why. What it has deleted is
                out of the state, the rest is in it.
        """
        arguments = ["destroy", "--yes", "--skip-preview", *self._changed(stack)]
        self.command.do(f"stack {stack}", arguments, aloud=True)

    def refresh(self, stack: str) -> None:
        """Bring the state to what there is."""
        arguments = ["refresh", "--yes", "--skip-preview", *self._changed(stack)]
        self.command.do(f"state of stack {stack}", arguments, aloud=True)

    def replace_state(self, stack: str, file: Path) -> None:
        """Put a changed state in the place of the stack's own."""
        arguments = ["stack", "import", "--file", str(file), *self._changed(stack)]
        self.command.do(f"state of stack {stack}", arguments)

    def cancel(self, stack: str) -> None:
        """Cancel the stack's update: on a backend of one's own this takes every lock of it."""
        self.command.do(f"lock of stack {stack}", ["cancel", "--yes", self._qualified(stack)])

    def remove(self, stack: str) -> None:
        """Remove the stack; Pulumi refuses as long as its state holds a resource."""
        self.command.do(f"stack {stack}", ["stack", "rm", "--yes", *self._stack(stack)])

    def backend_url(self) -> str:
        """Where the stacks are: a URL of Pulumi Cloud, ``s3://…`` or ``file://…``."""
        # What is set comes before any login, so that Pulumi has not to be asked.
        named = os.environ.get("PULUMI_BACKEND_URL")
        return named or str(self.command.ask("Pulumi's backend", ["whoami", "--json"])["url"])

    def remove_targets(self, stack: str, urns: Sequence[str]) -> None:
        """Delete some resources of the stack, with all that depends on them.

        Raises:
            PreviewsError: Pulumi fails; its own output has said why.
        """
        targets = [word for urn in urns for word in ("--target", urn)]
        if targets:
            arguments = ["destroy", "--yes", "--skip-preview", "--target-dependents", *targets]
            self.command.do(f"stack {stack}", [*arguments, *self._changed(stack)], aloud=True)

    def attempt_up(self, stack: str, arguments: Sequence[str]) -> Answer:
        """Bring the stack to what the program declares; returns how it ended."""
        command = ["up", "--yes", "--skip-preview", *arguments, *self._changed(stack)]
        return self.command.run(command, aloud=True)

    def _stack(self, stack: str) -> list[str]:
        return ["--stack", self._qualified(stack)]

    def _changed(self, stack: str) -> list[str]:
        """The same for a command that writes its state, whose secrets somebody has to keep."""
        provider = self._provider()
        if provider:
            secrets_provider.give(self._project, stack, provider)
        return self._stack(stack)

    def _provider(self) -> str:
        """What keeps the secrets of new stacks; empty for the backend's own way.

        Staging's key is a team's, which a local run has not.
        """
        return "" if self._local else secrets_provider.of_staging(self._project)

    def _qualified(self, stack: str) -> str:
        return f"{self._organization}/{stack}" if self._organization else stack
