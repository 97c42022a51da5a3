"""The program's policies, held against the sandbox's stacks by the real engine.

The language host that can be built from a registry starts no policy pack: it takes the
program's folder for the pack's. The engine's older way is open to a runtime without a language
host: a program on the PATH that is named for it and answers as an analyzer.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

import yaml
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

_RUNTIME = "previews-policies"


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
    """A pack that the engine can start here, and that is the program's own one inside.

    Returns:
        Its folder; what starts it is in ``bin``.
    """
    folder = settings.home / "policies"
    told = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    write_atomically(
        folder / "PulumiPolicy.yaml", yaml.safe_dump({**told, "runtime": _RUNTIME}, sort_keys=False)
    )
    write_atomically(
        folder / "bin" / f"pulumi-analyzer-policy-{_RUNTIME}",
        f'#!/bin/sh\nexec python3 -u -m pulumi.policy "$1" {shlex.quote(str(PACK))}\n',
        mode=0o755,
    )
    return folder


def _plan(stacks: Stacks, stack: str, pack: Path, options: list[str]) -> None:
    path = f"{pack / 'bin'}{os.pathsep}{stacks.environment['PATH']}"
    asking = replace(stacks, environment={**stacks.environment, "PATH": path})
    command = ["pulumi", "preview", "--stack", stack, "--policy-pack", str(pack)]
    code, _ = asking.run([*command, "--non-interactive", *options])
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
