"""One run of one container: its process, its output and what must not outlive it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from sandbox.containers import runtime
from sandbox.node import leftovers
from sandbox.node.logs import LogFile, OutputPipe

_LAUNCHER = os.fsencode(Path(runtime.__file__).with_name("launch.py"))
_LAUNCH_POLL_SECONDS = 0.005
# What a container's processes wrote is in the pipes already when they are dead.
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Ended:
    """How a process ended, as a container engine says it: 128 + n for signal n."""

    exit_code: int

    @classmethod
    def of(cls, returncode: int) -> Ended:
        """From what ``Process.returncode`` says: negative for a signal."""
        return cls(128 - returncode if returncode < 0 else returncode)


class Instance:
    """A started container process; ``start`` makes it.

    Attributes:
        spec: What was started.
        log: Where its output goes, in a folder that is the container's own.
    """

    def __init__(
        self,
        spec: runtime.ContainerSpec,
        log: LogFile,
        process: asyncio.subprocess.Process,
        pipes: tuple[OutputPipe, ...],
    ) -> None:
        self.spec = spec
        self.log = log
        self._process = process
        folder = log.path.parent
        self._own = f"/{folder.parent.parent.name}/{folder.parent.name}/{folder.name}/"
        self._pipes = pipes
        self._namespace: int | None = None
        self._exit = asyncio.ensure_future(self._follow())

    @classmethod
    async def start(cls, spec: runtime.ContainerSpec, log: LogFile) -> Instance:
        """Start the process.

        Raises:
            SandboxError: When the spec can't be honoured.
            OSError: When the machine has no process or file left.
        """
        pipes = (OutputPipe(log, "stdout"), OutputPipe(log, "stderr"))
        try:
            process = await runtime.start(
                spec, stdout=pipes[0].write_end, stderr=pipes[1].write_end
            )
        except BaseException:
            log.close()
            raise
        finally:
            for pipe in pipes:
                pipe.given_away()
                await pipe.connect()
        return cls(spec, log, process, pipes)

    @property
    def pid(self) -> int:
        """The process that is the container's."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return not self._exit.done()

    async def executed(self) -> bool:
        """Wait until the container's own program runs; False when it ended before that."""
        while self.alive:
            self._hold_namespace()
            if self._namespace is not None and _executed(self.pid):
                return True
            await asyncio.sleep(_LAUNCH_POLL_SECONDS)
        return (await self.wait()).exit_code != runtime.START_FAILED

    async def wait(self) -> Ended:
        """Wait until the process has ended, its descendants are gone and its log is complete."""
        return await asyncio.shield(self._exit)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the container's first process, if it still runs."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _follow(self) -> Ended:
        returncode = await self._process.wait()
        self._end_descendants()
        for pipe in self._pipes:
            await pipe.drained(_DRAIN_SECONDS)
        self.log.close()
        return Ended.of(returncode)

    def _hold_namespace(self) -> None:
        """Keep the mount namespace as soon as the process has one of its own.

        As long as it is kept, no other namespace gets its number: without that, ending
        what this container leaves behind could end another container.
        """
        if self._namespace is not None:
            return
        try:
            held = os.open(f"/proc/{self.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # It has ended.
            return
        if os.fstat(held).st_ino == _namespace_of(os.getpid()):
            os.close(held)
        else:
            self._namespace = held

    def _end_descendants(self) -> None:
        """End what the first process left behind, as the end of a PID namespace would.

        Every process of the container, and no other, is in its mount namespace.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._namespace is None:  # It was over before it could be looked at.
            leftovers.end_processes_seeing(self._own)
            return
        number = os.fstat(self._namespace).st_ino
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and _namespace_of(int(entry.name)) == number:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(entry.name), signal.SIGKILL)
        os.close(self._namespace)
        self._namespace = None


def _executed(pid: int) -> bool:
    process = Path(f"/proc/{pid}")
    try:
        if _LAUNCHER in (process / "cmdline").read_bytes():
            return False
        # One that ends has an empty command, too, but no program any more.
        (process / "exe").readlink()
    except PermissionError:  # It is another user's, so it runs.
        return True
    except OSError:
        return False
    return True


def _namespace_of(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino
    except OSError:
        return None
