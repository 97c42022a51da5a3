"""Causes and remedies of failed builds, by the last lines of the Go command."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.errors import SandboxError

_LINES_SHOWN = 12

_ROOM = (
    "free some space (`go clean -cache` empties the compiler's), or use another disk:"
    " SANDBOX_CACHE=<folder> for the tools, GOCACHE and GOMODCACHE for the compiler."
    " What was built so far is kept."
)
_PINS = (
    "don't continue: find the proxy that returned it (`go env GOPROXY`), and clear the cache"
    " with `go clean -modcache`."
)
_PROXY = (
    "use a proxy that has it (`go env GOPROXY` shows yours), or copy the finished folder"
    " from a machine that has it."
)
_NETWORK = (
    "check the network and `go env GOPROXY`, then run this again; finished downloads are kept."
)
_UNREACHABLE = (
    r"dial tcp|no such host|Could not resolve host|connection refused|i/o timeout"
    r"|network is unreachable|TLS handshake timeout|proxyconnect|connection reset"
    r"|module lookup disabled"
)
_NEWER = "install a newer one, or take Go off PATH: the sandbox then installs one for itself."
_MEMORY = "give the machine 4 GiB of free memory, then run this again."

CAUSES = (
    (r"no space left on device|disk quota exceeded", "the disk is full", _ROOM),
    (r"checksum mismatch|SECURITY ERROR", "a download is not what go.sum pins", _PINS),
    (
        r"\b(403 Forbidden|404 Not Found|410 Gone)\b",
        "the module proxy refuses a module",
        _PROXY,
    ),
    (_UNREACHABLE, "the module proxy can't be reached", _NETWORK),
    (r"requires go >= |toolchain not available", "the Go compiler is too old", _NEWER),
    (
        r"signal: killed|cannot allocate memory|out of memory",
        "the compiler was killed, most likely for lack of memory",
        _MEMORY,
    ),
)
"""Patterns in the order of the search, each with its cause and remedy."""


def explain(title: str, log: Path) -> SandboxError:
    """Return the error of a failed build with its output in ``log``."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = "\n    ".join(lines[-_LINES_SHOWN:])
    shown = f":\n    {last}\n  The whole output: {log}"
    for pattern, cause, remedy in CAUSES:
        if any(re.search(pattern, line) for line in lines[-_LINES_SHOWN:]):
            return SandboxError(f"building {title}", why=cause + shown, remedy=remedy)
    return SandboxError(
        f"building {title}",
        why=f"the compiler failed{shown}",
        remedy="read the log; if the build was interrupted, run this again.",
    )
