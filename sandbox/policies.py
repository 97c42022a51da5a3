"""The program's policies, held against the sandbox's stacks by the real engine.

The language host that can be built from a registry starts no policy pack: it takes the
program's folder for the pack's. The engine also takes a program that answers as an analyzer.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from previews.clients import Clients
from sandbox import show, staging
from sandbox.errors import SandboxError
from sandbox.processes import write_atomically
from sandbox.settings import PROJECT_ROOT, Settings
from sandbox.stacks import Stacks

PACK = PROJECT_ROOT / "infra" / "policies"
NEW_PREVIEW = "pr-999999999"
"""The preview that is only planned, where none is living; no pull request has its number."""


def check(settings: Settings, stacks: Stacks, clients: Clients, console: Console) -> None:
    """Hold staging, each living preview and a new one to the policies.

    The engine asks the pack about what an `up` would make. What stands is then checked once
    more by its state, which says more than the engine tells a policy, and knows every value.

    Raises:
        SandboxError: A policy is broken; Pulumi has printed which, and by which resource.
    """
    staging.ensure(settings, clients, console)
    pack = write_pack(settings)
    for stack in stacks.names():
        _plan(stacks, stack, pack, _options(settings, stack))
        if stacks.outputs(stack):
            _check_state(settings, stacks, stack)
        show.done(console, stack, "breaks no policy")
    clients.stacks.create(NEW_PREVIEW)
    try:
        _plan(stacks, NEW_PREVIEW, pack, [])
    finally:
        clients.stacks.remove(NEW_PREVIEW)
    show.done(console, "a new one", "would break no policy")


def write_pack(settings: Settings) -> Path:
    """Write the program that serves the project's policy pack, and return its path."""
    program = settings.home / "policies" / "serve-pack"
    command = f'exec python3 -u -m pulumi.policy "$1" {shlex.quote(str(PACK))}'
    write_atomically(program, f"#!/bin/sh\n{command}\n", mode=0o755)
    return program


def _plan(stacks: Stacks, stack: str, pack: Path, options: list[str]) -> None:
    command = ["pulumi", "preview", "--stack", stack, "--policy-pack", str(pack)]
    code, _ = stacks.run([*command, "--non-interactive", *options])
    if code != 0:
        raise SandboxError(
            f"policies on {stack}",
            why=f"`pulumi preview --policy-pack` ended with exit code {code}",
            remedy="mend what its output names; infra/policies says what each rule is for.",
        )


def _check_state(settings: Settings, stacks: Stacks, stack: str) -> None:
    file = settings.home / "policies" / f"{stack}.json"
    stacks.run(["pulumi", "stack", "export", "--stack", stack, "--file", str(file)], quiet=True)
    code, _ = stacks.run(["python3", "-m", "infra.policies.check", str(file)])
    if code != 0:
        raise SandboxError(
            f"policies on {stack} as it stands",
            why=f"`python -m infra.policies.check` ended with exit code {code}",
            remedy="mend what its output names, and bring the stack up again.",
        )


def _options(settings: Settings, stack: str) -> list[str]:
    if stack != staging.STACK:
        return []
    return ["--config-file", str(staging.config_file(settings))]
