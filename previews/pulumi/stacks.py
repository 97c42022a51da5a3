"""The project's stacks, by the same commands that a person types.

The backend is the one that Pulumi is logged in to: Pulumi Cloud, a bucket or a folder.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contract.platform_outputs import CONFIG_MAP_KEY, OUTPUTS_VARIABLE
from contract.stack_name import StackName
from previews.pulumi import stack_file
from previews.pulumi.command import CommandResult, PulumiCommand
from previews.pulumi.project import prepare_project
from previews.pulumi.state import (
    StackState,
    StackSummary,
    read_app_stacks,
    read_state,
    read_summaries,
)
from previews.pulumi.state_bucket import state_bucket
from previews.settings import Settings

_NO_SUCH_STACK = "no stack named"
_ORGANIZATION = "organization"


class Stacks:
    """The stacks of the project.

    Attributes:
        command: The ``pulumi`` command line.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | None = None,
        *,
        published: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Prepare the project.

        Args:
            settings: Settings of the command line.
            folder: Folder of its ``Pulumi.yaml``; None for the app's own.
            published: Returns what staging published for the program of a stack; None for
                nothing, as `contract.platform_outputs.PublishedOutputs` in JSON.
        """
        self._published = published
        self._project = folder or prepare_project(settings)
        self.command = PulumiCommand(self._project, log=settings.pulumi_log)
        self._app = settings.app_name
        self._organization = settings.organization
        self._local = settings.local
        self._pack = settings.policy_pack.resolve()

    def all(self) -> list[StackSummary]:
        """Return every stack of the project, sorted by name.

        Raises:
            PreviewsError: The backend gives no answer.
        """
        listed = self._listed(self._app.project)
        return read_summaries(listed, organization=self._organization)

    def of_all_apps(self) -> list[StackName]:
        """Return the stacks of every app in the backend.

        Raises:
            PreviewsError: The backend gives no answer.
        """
        listed = self._listed(None)
        return read_app_stacks(listed, organization=self._organization, project=self._app.project)

    def _listed(self, project: str | None) -> object:
        """Return the stacks of a project or of all, as `pulumi stack ls --json` prints them."""
        if bucket := state_bucket(os.environ.get("PULUMI_BACKEND_URL", "")):
            return bucket.stacks(project)
        options = [] if project else ["--all"]
        return self.command.read_json("list of stacks", ["stack", "ls", *options, "--json"])

    def exists(self, stack: str) -> bool:
        """Return whether the backend holds the stack.

        Raises:
            PreviewsError: The backend gives no answer, so nothing is known of the stack.
        """
        arguments = ["stack", "output", "--json", *self._stack(stack)]
        result = self.command.run(arguments)
        if result.code == 0:
            return True
        if _NO_SUCH_STACK in result.error:
            return False
        raise self.command.failure(f"stack {stack}", arguments, result)

    def create(self, stack: str) -> bool:
        """Create the stack unless it exists, with staging's secrets provider.

        Returns:
            True if it was created.
        """
        if self.exists(stack):
            return False
        stack_file.remove_salt(self._project, stack)
        provider = self._provider()
        options = ["--secrets-provider", provider] if provider else []
        self.command.check(f"stack {stack}", ["stack", "init", self._qualified(stack), *options])
        return True

    def state(self, stack: str, *, project: str | None = None) -> StackState:
        """Return the stack's state; secrets in it stay encrypted.

        Args:
            stack: The stack.
            project: Its project, where it is another app's.
        """
        where = self._stack(stack)
        if project not in {None, self._app.project}:
            # A self-managed backend has one organization, of this name.
            where = ["--stack", f"{self._organization or _ORGANIZATION}/{project}/{stack}"]
        exported = self.command.read_json(f"state of stack {stack}", ["stack", "export", *where])
        return read_state(stack, exported)

    def outputs(self, stack: str) -> dict[str, Any]:
        """Return the stack's outputs; secret ones are hidden."""
        outputs = self.command.read_json(
            f"outputs of stack {stack}", ["stack", "output", "--json", *self._stack(stack)]
        )
        return dict(outputs)

    def history(self, stack: str, *, limit: int = 1) -> list[dict[str, Any]]:
        """Return the newest updates of the stack, newest first.

        On Pulumi Cloud this includes the update that is running.
        """
        updates = self.command.read_json(
            f"history of stack {stack}",
            [
                *("stack", "history", "--json", "--page-size", str(limit), "--page", "1"),
                *self._stack(stack),
            ],
        )
        return list(updates)

    def tags(self, stack: str) -> dict[str, str]:
        """Return the stack's tags, which every backend stores beside its state."""
        tags = self.command.read_json(
            f"tags of stack {stack}", ["stack", "tag", "ls", "--json", *self._stack(stack)]
        )
        return dict(tags)

    def tag(self, stack: str, name: str, value: str) -> None:
        """Set one of the stack's tags."""
        arguments = ["stack", "tag", "set", name, value, *self._stack(stack)]
        self.command.check(f"tag {name} of stack {stack}", arguments)

    def up(self, stack: str) -> None:
        """Update the stack to what the program declares.

        Raises:
            PreviewsError: Pulumi fails; its output has shown why.
        """
        with self._handed_over(stack) as environment:
            command = self._up(stack)
            self.command.check(f"stack {stack}", command, stream=True, environment=environment)

    def destroy(self, stack: str) -> None:
        """Delete every resource of the stack; the stack itself stays.

        Raises:
            PreviewsError: Pulumi fails; its output has shown why. The state holds the
                resources that are left.
        """
        arguments = ["destroy", "--yes", "--skip-preview", *self._changed(stack)]
        self.command.check(f"stack {stack}", arguments, stream=True)

    def refresh(self, stack: str) -> None:
        """Update the state to the resources that exist."""
        arguments = ["refresh", "--yes", "--skip-preview", *self._changed(stack)]
        self.command.check(f"state of stack {stack}", arguments, stream=True)

    def replace_state(self, stack: str, file: Path) -> None:
        """Replace the stack's state by the one in a file."""
        arguments = ["stack", "import", "--file", str(file), *self._changed(stack)]
        self.command.check(f"state of stack {stack}", arguments)

    def cancel(self, stack: str) -> None:
        """Cancel the stack's update; in a bucket or a folder this removes all its locks."""
        self.command.check(f"lock of stack {stack}", ["cancel", "--yes", self._qualified(stack)])

    def remove(self, stack: str) -> None:
        """Remove the stack; Pulumi refuses as long as its state holds a resource."""
        self.command.check(f"stack {stack}", ["stack", "rm", "--yes", *self._stack(stack)])

    def backend_url(self) -> str:
        """Return the backend: a URL of Pulumi Cloud, ``s3://…`` or ``file://…``."""
        # The variable precedes any login; reading it saves a command.
        url = os.environ.get("PULUMI_BACKEND_URL")
        whoami = ["whoami", "--json"]
        return url or str(self.command.read_json("Pulumi's backend", whoami)["url"])

    def remove_targets(self, stack: str, urns: Sequence[str]) -> None:
        """Delete some resources of the stack, with all their dependents.

        Raises:
            PreviewsError: Pulumi fails; its output has shown why.
        """
        targets = [word for urn in urns for word in ("--target", urn)]
        if targets:
            arguments = ["destroy", "--yes", "--skip-preview", "--target-dependents", *targets]
            self.command.check(f"stack {stack}", [*arguments, *self._changed(stack)], stream=True)

    def attempt_up(self, stack: str, arguments: Sequence[str]) -> CommandResult:
        """Update the stack to what the program declares; a failure is returned, not raised."""
        with self._handed_over(stack) as environment:
            command = self._up(stack, *arguments)
            return self.command.run(command, stream=True, environment=environment)

    def preview(self, stack: str, arguments: Sequence[str]) -> CommandResult:
        """Compare the program with the stack, which stays as it is: no lock, no new key."""
        with self._handed_over(stack) as environment:
            return self.command.run(
                ["preview", *self._checked, *arguments, *self._compared(stack)],
                environment=environment,
            )

    def _up(self, stack: str, *arguments: str) -> list[str]:
        """Return the command of every `up`: none is without the policy pack."""
        return ["up", "--yes", "--skip-preview", *self._checked, *arguments, *self._changed(stack)]

    @property
    def _checked(self) -> list[str]:
        """The policy pack of every run of the program."""
        return ["--policy-pack", str(self._pack)]

    @contextmanager
    def _handed_over(self, stack: str) -> Iterator[dict[str, str]]:
        """Yield the variable with which the program finds what staging published."""
        published = self._published(stack)
        if published is None:
            yield {}
            return
        with tempfile.TemporaryDirectory(prefix="previews-outputs-") as folder:
            file = Path(folder) / CONFIG_MAP_KEY
            file.write_text(published)
            yield {OUTPUTS_VARIABLE: str(file)}

    def _stack(self, stack: str) -> list[str]:
        return ["--stack", self._qualified(stack)]

    def _changed(self, stack: str) -> list[str]:
        """Return the same for a command that writes state, which needs the secrets provider."""
        provider = self._provider()
        if provider:
            stack_file.set_secrets_provider(self._project, stack, provider)
        return self._stack(stack)

    def _compared(self, stack: str) -> list[str]:
        """Return the same for a command that only reads, whose role may encrypt no new key."""
        key = self.state(stack).key if self._provider() else None
        if key is not None:
            stack_file.set_key(self._project, stack, key)
        return self._stack(stack)

    def _provider(self) -> str:
        """Return the secrets provider of new stacks; empty for the backend's default.

        A local run has no access to the team's key, which staging's secrets are encrypted with.
        """
        return "" if self._local else stack_file.read_secrets_provider(self._project, "staging")

    def _qualified(self, stack: str) -> str:
        return f"{self._organization}/{stack}" if self._organization else stack
