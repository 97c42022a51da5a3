"""Running a command inside a container that runs already, for exec probes and hooks."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.node.instance import Instance
from sandbox.processes import end_with_parent

_LONGEST_OUTPUT = 10 * 1024  # the kubelet's limit for a probe's output


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Attributes:
        exit_code: None when it was ended because its time was over.
        output: What it wrote, stdout and stderr together.
    """

    exit_code: int | None
    output: str


async def run(instance: Instance, command: Sequence[str], *, seconds: float | None) -> Result:
    """Run ``command`` in the container's namespaces, as its user, with its environment."""
    process = await asyncio.create_subprocess_exec(
        *_enter(instance),
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(instance.spec.env),
        start_new_session=True,
        preexec_fn=end_with_parent(),
    )
    try:
        async with asyncio.timeout(seconds):
            output = await _read(process)
            return Result(await process.wait(), output)
    except TimeoutError:
        return Result(None, "")
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _enter(instance: Instance) -> list[str]:
    program = shutil.which("nsenter") or "nsenter"
    arguments = [program, "--target", str(instance.pid), "--mount", "--uts", "--root", "--wd"]
    if os.geteuid() == 0:
        arguments += ["--setuid", str(instance.spec.uid), "--setgid", str(instance.spec.gid)]
    else:
        arguments += ["--user", "--preserve-credentials"]
    return [*arguments, "--"]


async def _read(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # noqa: S101 - narrows the type: it was asked for
    kept = b""
    while chunk := await process.stdout.read(4096):
        kept = (kept + chunk)[:_LONGEST_OUTPUT]
    return kept.decode(errors="replace")
