"""Description of a process that the supervisor keeps running."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Process:
    """One process of the sandbox.

    Attributes:
        name: Name in ``sandbox status`` and of its log file.
        argv: The command, without secrets: arguments are visible to every user.
        ready: Returns None once the process serves, else the reason why it does not yet.
            Called every 50 ms; must return within a second and never raise.
        env: Added to the supervisor's environment.
        depends_on: Names of processes that must be ready before this one starts.
        listens: ``(address, port)`` pairs checked to be free before the process starts.
        stop_seconds: Time between SIGTERM and SIGKILL.
        oneshot: A task: it counts as ready once it has exited with 0, is run
            again after a failure, and is not restarted after success.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], str | None] = lambda: None
    env: Mapping[str, str] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    listens: tuple[tuple[str, int], ...] = ()
    stop_seconds: float = 10.0
    oneshot: bool = False
