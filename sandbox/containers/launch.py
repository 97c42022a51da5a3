"""Turns itself into a container's process; started by ``sandbox.containers.runtime``.

    python -I -S launch.py <fd>

``<fd>`` is an unlinked file in memory that holds a marshalled ``Launch`` (see ``spec.py``):
arguments and environment can be read by every user of the machine, and a container's carry
passwords. The process assembles the root in namespaces of its own and executes the container's
command in itself, so that its pid, signals and exit code are the container's. When it can't, it
writes one line that begins with ``sandbox-container: `` and exits with 128, as a container does
that the kubelet reports with the reason ``StartError``.
"""

from __future__ import annotations

import marshal
import os
import sys

# Isolated mode finds no package by itself.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sandbox.containers import identity, kernel, ownership, rootfs, steps

START_FAILED = 128
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from sandbox.containers.spec import Launch


def _find(program: str, path: str) -> str:
    """Looks a program up as a shell does; ``os.execvpe`` imports from the root that is gone."""
    if "/" in program:
        return program
    for folder in path.split(":"):
        candidate = f"{folder or '.'}/{program}"
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    msg = f"{program}: no such program in the image's PATH, {path}"
    raise identity.Refused(msg)


def _execute(launch: Launch) -> NoReturn:
    environment = dict(launch["env"])
    environment.setdefault("HOME", identity.home_of(launch["uid"]))
    os.chdir(launch["cwd"])
    program = _find(launch["argv"][0], environment["PATH"])
    try:
        os.execve(program, launch["argv"], environment)  # noqa: S606 - no shell is wanted
    except OSError as error:
        msg = f"{program}: {error.strerror}"
        raise identity.Refused(msg) from error


def _become(launch: Launch) -> NoReturn:
    os.umask(0)
    is_root = os.geteuid() == 0
    is_build = launch["upper"] is not None
    identity.enter_namespaces(
        launch["uid"], launch["gid"], with_hostname=launch["hostname"] is not None
    )
    rootfs.assemble(launch)
    if is_build:
        steps.hold_processes_together(launch["parent"])
    if launch["hostname"] is not None:
        kernel.set_hostname(launch["hostname"])
    identity.set_limits(launch["rlimits"])
    identity.drop_privileges(launch["uid"], launch["gid"], launch["capabilities"])
    if is_build and not is_root:
        ownership.pretend()
    kernel.restore_signals()
    os.umask(0o022)
    kernel.die_with_parent()
    if not is_build and os.getppid() != launch["parent"]:
        # It died before it could be followed.
        os._exit(START_FAILED)
    _execute(launch)


def main() -> NoReturn:
    """Reads the launch from the file descriptor named by the only argument."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        launch: Launch = marshal.load(file)  # noqa: S302 - written by our own parent process
    try:
        _become(launch)
    except identity.Refused as refusal:
        message = str(refusal)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
    except Exception as error:  # noqa: BLE001 - whatever it is, one line and one exit code
        message = f"{type(error).__name__}: {error}"
    os.write(2, f"sandbox-container: {message}\n".encode())
    os._exit(START_FAILED)


main()
