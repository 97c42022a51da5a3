"""Threads through which the processes of Pods ask before they connect.

A Pod's `Launcher` is a thread that starts all its processes: they inherit the thread's filter.
The `Gate` is one thread that answers the questions of all Pods. It is not the event loop's, which
may be busy with an image while a process waits.

Both end with this program. The processes then end too; a question that is open meanwhile ends
with ENOSYS, never with a connection.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import select
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from sandbox.containers import connections
from sandbox.containers.connections import Call

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Redirect:
    """A call with a destination is made to another address, and the same port unless it has one."""

    address: str
    port: int | None = None


Judge = Callable[[Call], "int | Redirect"]
"""Returns the number of the error that a call ends with; 0 lets it go on."""


class Gate:
    """The thread that answers; daemonic, since it has nothing to finish."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._judges: dict[int, Judge] = {}
        threading.Thread(target=self._run, name="gate", daemon=True).start()

    def launcher(self, judge: Judge) -> Launcher:
        """Return a new thread whose child processes are judged.

        Raises:
            SandboxError: The kernel can't ask about connections.
        """
        made = Launcher()
        try:
            listener = made.call(connections.listen)
        except BaseException:
            made.close()
            raise
        self._judges[listener] = judge
        self._poll.register(listener, select.EPOLLIN)
        return made

    @property
    def watched(self) -> int:
        """Number of Pods whose threads or processes have not ended."""
        return len(self._judges)

    def _run(self) -> None:
        while True:
            for listener, event in self._poll.poll():
                try:
                    if event & select.EPOLLIN:
                        self._answer(listener)
                    elif event & (select.EPOLLHUP | select.EPOLLERR):
                        self._forget(listener)
                except Exception:  # noqa: BLE001 - the calls of all other Pods wait for this thread
                    _LOG.exception("a call of a Pod could not be answered")

    def _answer(self, listener: int) -> None:
        call = connections.receive(listener)
        if call is None:
            return
        verdict: int | Redirect = errno.EPERM
        try:
            verdict = self._judges[listener](call)
        except ProcessLookupError:
            _LOG.debug("a process ended before its call was answered")
        finally:
            if isinstance(verdict, Redirect):
                # In a thread: a connect may wait for its target, and all Pods for this thread.
                threading.Thread(target=_make, args=(listener, call, verdict), daemon=True).start()
            else:
                connections.answer(listener, call.identifier, verdict)

    def _forget(self, listener: int) -> None:
        """Close what no process asks any more: the Pod's thread and all its children ended."""
        self._poll.unregister(listener)
        del self._judges[listener]
        os.close(listener)


def _make(listener: int, call: Call, target: Redirect) -> None:
    error = errno.EPERM
    try:
        error = call.make(target.address, target.port)
    except OSError:
        _LOG.debug("a process ended before its call was made")
    finally:
        connections.answer(listener, call.identifier, error, made=True)


class Launcher:
    """A thread that starts processes; they end with it."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._closed = False
        threading.Thread(target=self._run, name="launcher", daemon=True).start()

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Run a function in the thread, and return its result or raise its error.

        Raises:
            RuntimeError: The thread was ended.
        """
        if self._closed:
            msg = "the Pod's processes have ended, so none is started"
            raise RuntimeError(msg)
        future: Future[_Result] = Future()

        def task() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised by `result` in the caller
                future.set_exception(error)

        self._tasks.put(task)
        return future.result()

    def close(self) -> None:
        """End the thread, after the calls so far."""
        self._closed = True
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
