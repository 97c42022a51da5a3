"""RUN: a command in the image's root, whose changes become a layer."""

from __future__ import annotations

import collections
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.containers import runtime
from sandbox.containers.layers import is_empty, is_opaque
from sandbox.containers.machine import BaseImage, parts_of
from sandbox.containers.runtime import ContainerSpec, Mount, part_name
from sandbox.containers.tree import ImageTree
from sandbox.errors import SandboxError

# Docker's capabilities for a build, without raw sockets and devices.
_CAPABILITIES: Final = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
    *("net_bind_service", "sys_chroot", "audit_write", "setfcap"),
)
_LAST_LINES: Final = 20

# Settings of this machine by which a RUN reaches package registries; images do not keep them.
_PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
_PASSED: Final = (
    *_PROXIES,
    *(name.upper() for name in _PROXIES),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "NPM_CONFIG_REGISTRY", "GOPROXY", "GOSUMDB"),
    *("PIP_CERT", "PIP_CONFIG_FILE", "PIP_DEFAULT_TIMEOUT", "PIP_EXTRA_INDEX_URL"),
    *("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX", "PIP_RETRIES", "PIP_TRUSTED_HOST"),
    *("UV_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX"),
    *("UV_HTTP_TIMEOUT", "UV_INDEX_URL", "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_NO_INDEX"),
)
# Configuration files that no variable refers to.
_SETTINGS: Final = {
    "NPM_CONFIG_USERCONFIG": ("~/.npmrc",),
    "PIP_CONFIG_FILE": ("~/.config/pip/pip.conf", "~/.pip/pip.conf"),
    "UV_CONFIG_FILE": ("~/.config/uv/uv.toml",),
}
_VISIBLE: Final = ("/etc/", "/usr/", "/dev/")


class RunFailed(Exception):  # noqa: N818 - it is the RUN that failed
    """A RUN exited with another code than 0.

    Attributes:
        code: Its exit code.
        lines: The last lines of its output.
    """

    def __init__(self, code: int, lines: Iterable[str]) -> None:
        super().__init__(f"exited with {code}")
        self.code = code
        self.lines = tuple(lines)


class Interrupt:
    """Event by which another thread ends a build: it kills the running command."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_set = False

    def set(self) -> None:
        """End the build."""
        with self._lock:
            self._is_set = True
            if self._process is not None:
                _kill(self._process)

    def check(self) -> None:
        """Check that the build is not interrupted.

        Raises:
            SandboxError: It is interrupted.
        """
        if self._is_set:
            raise SandboxError(
                "the build",
                why="it was interrupted",
                remedy="build again: it continues after the last finished instruction",
            )

    @contextmanager
    def ending(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Kill a process when interrupted, and in any case after the block."""
        with self._lock:
            self._process = process
            if self._is_set:
                _kill(process)
        try:
            yield
        finally:
            with self._lock:
                self._process = None
            # All its children end with the first process of its namespace.
            _kill(process)
            process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Run:
    """One command.

    Attributes:
        layers: The image so far, top first.
        tmpfs: Targets of ``--mount=type=tmpfs``.
        locks: Locks of unshared cache mounts, held while the command runs.
    """

    layers: tuple[Path, ...]
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    uid: int
    gid: int
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    locks: tuple[AbstractContextManager[None], ...] = field(default=())


def run(
    command: Run,
    upper: Path,
    image: tuple[ImageTree, BaseImage],
    log: Callable[[str], None],
    interrupt: Interrupt,
) -> Path:
    """Run a command, and return the folder of its changes.

    Args:
        command: Command to run.
        upper: Empty folder for its changes.
        image: The image so far, on the machine as its base.
        log: Called with each line of the output.
        interrupt: Event that ends the command early.

    Raises:
        RunFailed: It exits with another code than 0.
        SandboxError: It was interrupted.
    """
    tree, base = image
    variables, machine = _machine_environment(os.environ)
    mounts = (*machine, *command.mounts)
    stubs = [_stubs(target, tree) for target in (*(m.target for m in mounts), *command.tmpfs)]
    spec = ContainerSpec(
        layers=command.layers,
        argv=command.argv,
        env={**variables, **command.env},
        cwd=command.cwd,
        uid=command.uid,
        gid=command.gid,
        mounts=mounts,
        tmpfs=command.tmpfs,
        capabilities=_CAPABILITIES,
        upper=upper,
    )
    code, lines = _follow(spec, log, interrupt)
    if code != 0:
        raise RunFailed(code, lines)
    layer = _collect(upper, base)
    for missing in stubs:
        _remove_stubs(layer, missing, tree)
    return layer


def _follow(
    spec: ContainerSpec, log: Callable[[str], None], interrupt: Interrupt
) -> tuple[int, Iterable[str]]:
    last: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
    process = runtime.popen(spec, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with interrupt.ending(process):
        for raw in process.stdout or ():
            line = raw.decode(errors="replace").rstrip()
            last.append(line)
            log(line)
        code = process.wait()
    interrupt.check()
    return code, last


def _collect(upper: Path, base: BaseImage) -> Path:
    """Merge the changes of the root and of the overlays within it."""
    layer = upper / "diff" / part_name("")
    for part in parts_of(base):
        changes = upper / "diff" / part_name(part)
        if is_empty(changes):
            continue
        place = layer
        for name in part.split("/")[:-1]:
            place /= name
            place.mkdir(mode=0o755, exist_ok=True)
        changes.rename(layer / part)
    return layer


def _stubs(target: str, tree: ImageTree) -> list[str]:
    """Return the paths that a mount at ``target`` creates in the image, deepest first."""
    path = tree.resolve(target)
    missing = []
    while path and tree.find(path) is None:
        missing.append(path)
        path = path.rpartition("/")[0]
    return [*missing, path] if missing else []


def _remove_stubs(layer: Path, stubs: list[str], tree: ImageTree) -> None:
    for path in stubs:
        place = layer / path
        try:
            status = place.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_size == 0:
            place.unlink()
        elif not path or not stat.S_ISDIR(status.st_mode) or not is_empty(place):
            return
        elif _is_unchanged(place, status, tree.status(path)):
            place.rmdir()


def _is_unchanged(place: Path, status: os.stat_result, below: os.stat_result | None) -> bool:
    if below is None:
        return True
    same = (status.st_mode, status.st_uid, status.st_gid)
    return same == (below.st_mode, below.st_uid, below.st_gid) and not is_opaque(place)


def _machine_environment(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[Mount, ...]]:
    """Return variables for a RUN, and mounts of the files that they refer to.

    Args:
        environ: The builder's own environment.
    """
    variables = {name: environ[name] for name in _PASSED if environ.get(name)}
    for name, candidates in _SETTINGS.items():
        found = [path for text in candidates if (path := Path(text).expanduser()).is_file()]
        if found and name not in variables:
            variables[name] = str(found[0])
    mounts = []
    for name, value in variables.items():
        path = Path(value)
        if not path.is_absolute() or not path.exists() or _is_visible(path):
            continue
        # At a path of its own: the original may be below a folder that is not accessible.
        target = f"/run/builder/{name.lower()}/{path.name}"
        mounts.append(Mount(path.resolve(), target))
        variables[name] = target
    return variables, tuple(mounts)


def _is_visible(path: Path) -> bool:
    return os.path.realpath(path).startswith(_VISIBLE) and str(path).startswith(_VISIBLE)
