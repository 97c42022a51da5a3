"""One container: its record, its process and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.containers import runtime
from sandbox.containers.runtime import ContainerSpec
from sandbox.containers.store import ImageStore
from sandbox.node import usage
from sandbox.node.logs import LogFile, OutputPipe
from sandbox.node.messages import Message, Messages

_START_POLL_SECONDS = 0.002
# What a container's processes wrote is in the pipes already when they are dead.
_DRAIN_SECONDS = 2.0
_START_FAILED = 128
_KILLED = 128 + signal.SIGKILL
_LONGEST_OUTPUT = 1 << 20


@dataclass(frozen=True)
class Plan:
    """How a container is run.

    Attributes:
        spec: Its process.
        image: Digest of its image.
        memory_limit: In bytes, 0 for none.
        stop_signal: What asks it to end.
    """

    spec: ContainerSpec
    image: str
    memory_limit: int
    stop_signal: signal.Signals


@dataclass(frozen=True)
class Output:
    """How a command inside a container ended, and what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Container:
    """A container of this node, from its creation to its removal.

    Attributes:
        pod: Identifier of its Pod's sandbox.
        status: What the kubelet is told of it; also kept in a file, for the next process.
    """

    def __init__(self, messages: Messages, pod: str, status: Message, path: Path) -> None:
        self._states = {
            name: messages.number("ContainerState", f"CONTAINER_{name}")
            for name in ("CREATED", "RUNNING", "EXITED")
        }
        self.pod = pod
        self.status = status
        self._path = path
        self._plan: Plan | None = None
        self._process: runtime.Container | None = None
        self._log: LogFile | None = None
        self._following: asyncio.Task[None] | None = None
        self._exceeded = False

    def create(self, plan: Plan) -> None:
        """Become a new container that can be started."""
        self._plan = plan
        self.status.state = self._states["CREATED"]
        self.status.created_at = time.time_ns()
        self._keep()

    def recover(self) -> None:
        """Report what an earlier process left running as killed: it ended with that process."""
        if self.status.state != self._states["EXITED"]:
            self._ended(_KILLED, "ContainerStatusUnknown", "the node was ended while it ran")

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return bool(self.status.state == self._states["RUNNING"])

    async def start(self, images: ImageStore) -> None:
        """Start its process, and return once its program runs or has failed to."""
        assert self._plan is not None  # noqa: S101 - narrows the type: only who creates starts
        self._log = LogFile(Path(self.status.log_path))
        pipes = (OutputPipe(self._log, "stdout"), OutputPipe(self._log, "stderr"))
        lock = contextlib.ExitStack()
        lock.enter_context(images.use(self._plan.image))
        try:
            self._process = runtime.popen(
                self._plan.spec, stdout=pipes[0].write_end, stderr=pipes[1].write_end
            )
        except BaseException:
            lock.close()
            raise
        finally:
            for pipe in pipes:
                pipe.given_away()
                await pipe.connect()
        self.status.started_at = time.time_ns()
        self._following = asyncio.create_task(self._follow(self._process, pipes, lock))
        # The kernel announces no execve(2).
        while not self._process.executes() and not self._following.done():  # noqa: ASYNC110
            await asyncio.sleep(_START_POLL_SECONDS)
        if not self._following.done():
            self.status.state = self._states["RUNNING"]
            self._keep()

    async def stop(self, seconds: float) -> None:
        """Ask its program to end, and end it after ``seconds``."""
        if self._process is None or self._following is None or self._following.done():
            return
        assert self._plan is not None  # noqa: S101 - narrows the type: it has been started
        if seconds > 0:
            self._process.send_signal(self._plan.stop_signal)
            await asyncio.wait([self._following], timeout=seconds)
        self._process.kill()
        await asyncio.shield(self._following)

    async def remove(self) -> None:
        """End it and forget it."""
        await self.stop(0)
        self._path.unlink(missing_ok=True)

    def reopen_log(self) -> None:
        """Begin a new log file."""
        if self._log and self.running:
            self._log.reopen()

    async def run(self, command: Sequence[str], seconds: float) -> Output:
        """Run a command inside.

        Args:
            command: What to run, as the container's user with its environment.
            seconds: How long it may take; 0 for as long as it takes.

        Raises:
            TimeoutError: When it took longer.
        """
        assert self._process is not None  # noqa: S101 - narrows the type
        assert self._plan is not None  # noqa: S101 - narrows the type
        process = await asyncio.create_subprocess_exec(
            *runtime.enter(self._process, self._plan.spec, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=runtime.environment_of(self._plan.spec),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds or None):
                stdout, stderr = await process.communicate()
        except TimeoutError as error:
            msg = f"command {list(command)} timed out"
            raise TimeoutError(msg) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        code = process.returncode or 0
        code = 128 - code if code < 0 else code
        return Output(code, stdout[:_LONGEST_OUTPUT], stderr[:_LONGEST_OUTPUT])

    def processor_nanoseconds(self) -> int:
        """Processor time used so far."""
        return usage.processor_nanoseconds(self._process.init) if self._process else 0

    def memory_bytes(self) -> int:
        """Memory in use."""
        return usage.memory_bytes(self._process.init) if self._process else 0

    async def _follow(
        self,
        process: runtime.Container,
        pipes: tuple[OutputPipe, ...],
        lock: contextlib.ExitStack,
    ) -> None:
        assert self._plan is not None  # noqa: S101 - narrows the type: it has been started
        watching = (
            asyncio.create_task(self._kill_above(process, self._plan.memory_limit))
            if self._plan.memory_limit
            else None
        )
        code = await _exit_code(process)
        if watching:
            watching.cancel()
        for pipe in pipes:
            await pipe.drained(_DRAIN_SECONDS)
        if self._log:
            self._log.close()
        lock.close()
        refused = runtime.start_error(pipes[1].first_line)
        if refused is not None and not self.running:
            self._ended(_START_FAILED, "StartError", refused)
        elif self._exceeded:
            self._ended(code, "OOMKilled", "")
        else:
            self._ended(code, "Error" if code else "Completed", "")

    async def _kill_above(self, process: runtime.Container, limit: int) -> None:
        await usage.until_exceeded(process.init, limit)
        self._exceeded = True
        process.kill()

    def _ended(self, code: int, reason: str, message: str) -> None:
        self.status.state = self._states["EXITED"]
        self.status.finished_at = time.time_ns()
        self.status.exit_code = code
        self.status.reason = reason
        self.status.message = message
        self._keep()

    def _keep(self) -> None:
        # Not synced: when the machine crashes, its containers are gone as well.
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(self.status.SerializeToString())
        temporary.replace(self._path)


async def _exit_code(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process without a thread."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()
