"""Lifecycle of one container: its status, its process and its end."""

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
from typing import IO

from sandbox.containers import runtime
from sandbox.containers.runtime import ContainerSpec
from sandbox.containers.store import ImageStore
from sandbox.node import usage
from sandbox.node.gate import Launcher
from sandbox.node.logs import LogFile, OutputPipe
from sandbox.node.messages import Message, Messages

_START_POLL_SECONDS = 0.002
# All output of ended processes is in the pipes already.
_DRAIN_SECONDS = 2.0
_START_FAILED = 128
_KILLED = 128 + signal.SIGKILL
_LONGEST_OUTPUT = 1 << 20


@dataclass(frozen=True)
class Plan:
    """Plan of a container's process.

    Attributes:
        spec: Its process.
        image: Digest of its image.
        memory_limit: Limit in bytes; 0 for none.
        stop_signal: Signal that requests its end.
    """

    spec: ContainerSpec
    image: str
    memory_limit: int
    stop_signal: signal.Signals


@dataclass(frozen=True)
class Output:
    """Result of a command in a container."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Container:
    """A container of this node, from its creation to its removal.

    Attributes:
        pod: Identifier of its Pod's sandbox.
        status: Status that is reported to the kubelet; also in a file, for a restarted runtime.
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
        self._process: runtime.ContainerProcess | None = None
        self._launcher: Launcher | None = None
        self._log: LogFile | None = None
        self._following: asyncio.Task[None] | None = None
        self._exceeded = False

    def create(self, plan: Plan) -> None:
        """Make it a new container with this plan, which can be started."""
        self._plan = plan
        self.status.state = self._states["CREATED"]
        self.status.created_at = time.time_ns()
        self._keep()

    def recover(self) -> None:
        """Report a container of an earlier runtime as killed, since it ended with that process."""
        if self.status.state != self._states["EXITED"]:
            self._ended(_KILLED, "ContainerStatusUnknown", "the node was ended while it ran")

    @property
    def init(self) -> int:
        """Process identifier of the first of its processes; 0 if there is none."""
        return self._process.init if self._process is not None else 0

    @property
    def running(self) -> bool:
        """True while its process runs."""
        return bool(self.status.state == self._states["RUNNING"])

    async def start(self, images: ImageStore, launcher: Launcher) -> None:
        """Start its process, and return when its program runs or has failed to start.

        Args:
            images: Its image is locked there while it runs.
            launcher: Its Pod's.
        """
        assert self._plan is not None  # noqa: S101 - narrows the type: only who creates starts
        plan, self._launcher = self._plan, launcher
        self._log = LogFile(Path(self.status.log_path))
        pipes = (OutputPipe(self._log, "stdout"), OutputPipe(self._log, "stderr"))
        lock = contextlib.ExitStack()
        lock.enter_context(images.use(self._plan.image))
        try:
            self._process = launcher.call(
                lambda: runtime.popen(
                    plan.spec, stdout=pipes[0].write_end, stderr=pipes[1].write_end
                )
            )
        except BaseException:
            lock.close()
            raise
        finally:
            for pipe in pipes:
                pipe.close_write_end()
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
        """Send its program the stop signal, and kill it after ``seconds``."""
        if self._process is None or self._following is None or self._following.done():
            return
        assert self._plan is not None  # noqa: S101 - narrows the type: it has been started
        if seconds > 0:
            self._process.send_signal(self._plan.stop_signal)
            await asyncio.wait([self._following], timeout=seconds)
        self._process.kill()
        await asyncio.shield(self._following)

    async def remove(self) -> None:
        """Kill it, and delete its status."""
        await self.stop(0)
        self._path.unlink(missing_ok=True)

    def reopen_log(self) -> None:
        """Start a new log file."""
        if self._log and self.running:
            self._log.reopen()

    async def run(self, command: Sequence[str], seconds: float) -> Output:
        """Run a command in the container.

        Args:
            command: Command, run as the container's user with its environment.
            seconds: Time limit; 0 for none.

        Raises:
            TimeoutError: The time limit was exceeded.
        """
        assert self._process is not None  # noqa: S101 - narrows the type
        assert self._plan is not None  # noqa: S101 - narrows the type
        assert self._launcher is not None  # noqa: S101 - narrows the type
        arguments = runtime.enter(self._process, self._plan.spec, command)
        environment = runtime.environment_of(self._plan.spec)
        process = self._launcher.call(
            lambda: subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        )
        try:
            async with asyncio.timeout(seconds or None):
                stdout, stderr, _ = await asyncio.gather(
                    _content(process.stdout), _content(process.stderr), _exit_code(process)
                )
        except TimeoutError as error:
            msg = f"command {list(command)} timed out"
            raise TimeoutError(msg) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                await _exit_code(process)
        code = process.returncode or 0
        code = 128 - code if code < 0 else code
        return Output(code, stdout[:_LONGEST_OUTPUT], stderr[:_LONGEST_OUTPUT])

    def processor_nanoseconds(self) -> int:
        """Return the processor time used so far."""
        return usage.processor_nanoseconds(self._process.init) if self._process else 0

    def memory_bytes(self) -> int:
        """Return the memory in use."""
        return usage.memory_bytes(self._process.init) if self._process else 0

    async def _follow(
        self,
        process: runtime.ContainerProcess,
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

    async def _kill_above(self, process: runtime.ContainerProcess, limit: int) -> None:
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
        # Not synced: a crash of the machine ends its containers as well.
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(self.status.SerializeToString())
        temporary.replace(self._path)


async def _content(pipe: IO[bytes] | None) -> bytes:
    """Read a pipe to its end, and close it."""
    assert pipe is not None  # noqa: S101 - narrows the type
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        return await reader.read()
    finally:
        transport.close()


async def _exit_code(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process without using a thread."""
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
