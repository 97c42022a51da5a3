"""The error that people see: what failed, why, and what to do."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of commands, which `--help` and docs/runbook.md list."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # typer's own
    NO_ROOM = 3
    LEFT = 4
    UNREAD = 5


class PreviewsError(Exception):
    """An error with its remedy.

    Attributes:
        code: Name of the message in docs/runbook.md, always a literal in the code that raises it,
            or in the row of a table that it is made from: a test collects them, so that the
            runbook stays complete.
        what: Name of the thing that failed ("pull request 42").
        why: The cause: found and expected values.
        remedy: Instruction for the reader.
    """

    exit_code: ClassVar[Exit] = Exit.FAILED

    def __init__(self, code: str, what: str, *, why: str, remedy: str) -> None:
        super().__init__(f"{what}: {why}\n  What to do: {remedy}")
        self.code = code
        self.what = what
        self.why = why
        self.remedy = remedy

    def as_document(self) -> dict[str, str]:
        """Return the error as a document for scripts."""
        return {"code": self.code, "what": self.what, "why": self.why, "remedy": self.remedy}


# By name, since importing these clients takes longer than most commands.
_NETWORK_FAULTS = frozenset(
    {
        "botocore.exceptions.ConnectionError",
        "botocore.exceptions.HTTPClientError",
        "builtins.ConnectionError",
        "httpx.TransportError",
        "socket.gaierror",
        "ssl.SSLError",
        "urllib3.exceptions.HTTPError",
    }
)


def is_network_fault(error: BaseException) -> bool:
    """Return whether an error is that a server can't be reached, by whichever client."""
    if isinstance(error, BrokenPipeError):
        return False  # As of a reader such as `head`, which has ended.
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return not kinds.isdisjoint(_NETWORK_FAULTS)


def for_people(what: str, error: BaseException) -> PreviewsError:
    """Return an error as people can be shown it: one that nobody foresaw gets a remedy, too.

    Whoever shows it raises the error itself again, so that the log has the traceback.

    Args:
        what: Name of the thing that failed.
        error: The error.
    """
    if isinstance(error, PreviewsError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(
            "interrupted",
            what,
            why="it was asked to stop",
            remedy="run the same command again: it continues where it stopped.",
        )
    if is_network_fault(error):
        return PreviewsError(
            "network",
            what,
            why=f"a server can't be reached: {type(error).__name__}: {error}",
            remedy="check this machine's network, name resolution, proxy and VPN, and whether the"
            " server lets it in; then run the same command again: it continues where it stopped.",
        )
    return PreviewsError(
        "unexpected",
        what,
        why=": ".join(filter(None, [type(error).__name__, str(error)])),
        remedy="read the traceback in the log of the run, and report it; running the same command"
        " again continues where it stopped.",
    )


class UsageError(PreviewsError):
    """An argument that no command can be run with."""

    exit_code = Exit.USAGE


class StoppedError(PreviewsError):
    """A request to stop, which ended an operation."""


class NotFoundError(PreviewsError):
    """A thing that does not exist on GitHub, or that the token has no access to."""
