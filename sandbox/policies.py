"""Check of the sandbox's stacks against the program's policies, by Pulumi's engine."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from contract.stack_name import StackKind, StackName
from previews.clients import Clients
from sandbox import environment, show, staging
from sandbox.errors import SandboxError
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.stacks import Stacks

NEW_PREVIEW = "pr-999999999"
"""A preview that is planned and never deployed; no pull request has its number."""


def check(settings: Settings, stacks: Stacks, clients: Clients, console: Console) -> None:
    """Check staging, each existing preview and a new one.

    The engine checks the plan of an `up`. The state of each stack is then checked as well: it
    holds more than the engine passes to a policy, and every value.

    Raises:
        SandboxError: A policy is violated; Pulumi has printed the policy and the resource.
    """
    staging.ensure(settings, clients, console)
    pack = environment.policy_pack(settings)
    for stack in stacks.all():
        _plan(stacks, stack, pack, _options(settings, stack))
        if stacks.outputs(stack):
            _check_state(settings, stacks, stack)
        show.done(console, stack.name, "violates no policy")
    new = StackName.parse(NEW_PREVIEW)
    clients.stacks.create(NEW_PREVIEW)
    try:
        _plan(stacks, new, pack, [])
    finally:
        clients.stacks.remove(NEW_PREVIEW)
    show.done(console, "a new pr-N", "would violate no policy")


def _plan(stacks: Stacks, stack: StackName, pack: Path, options: list[str]) -> None:
    command = [*_pulumi(stack, "preview"), "--policy-pack", str(pack), "--non-interactive"]
    code, _ = stacks.run([*command, *options])
    if code != 0:
        raise SandboxError(
            f"policies on {stack}",
            why=f"`pulumi preview --policy-pack` ended with exit code {code}",
            remedy="correct the resources in its output; infra/policies gives each rule's reason.",
        )


def _pulumi(stack: StackName, *command: str) -> list[str]:
    """Return a command of Pulumi on a stack, in the folder of its app's project."""
    folder = [] if stack.app.is_platform else ["--cwd", str(PROJECT_ROOT / "apps" / str(stack.app))]
    return ["pulumi", *command, "--stack", stack.value, *folder]


def _check_state(settings: Settings, stacks: Stacks, stack: StackName) -> None:
    file = settings.home / "policies" / f"{stack}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    stacks.run([*_pulumi(stack, "stack", "export"), "--file", str(file)], quiet=True)
    code, _ = stacks.run(["python3", "-m", "infra.policies.check", str(file)])
    if code != 0:
        raise SandboxError(
            f"policies on the state of {stack}",
            why=f"`python -m infra.policies.check` ended with exit code {code}",
            remedy="correct the resources in its output, and run `pulumi up` of the stack again.",
        )


def _options(settings: Settings, stack: StackName) -> list[str]:
    if stack.kind is not StackKind.STAGING:
        return []
    return ["--config-file", str(staging.config_file(settings, stack))]
