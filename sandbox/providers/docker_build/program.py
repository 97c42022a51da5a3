"""The folder in which an engine runs its program, and a real plugin would run."""

from __future__ import annotations

from pathlib import Path

import psutil
import yaml

from sandbox.errors import SandboxError

_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml")


def folder_of_engine(address: str) -> Path | None:
    """The working directory of the engine that listens at ``host:port``, None if it is gone.

    The engine does not tell a plugin that it is attached to where it runs.
    """
    port = address.rpartition(":")[2]
    if not port.isdecimal():
        return None
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == int(port) and connection.pid is not None:
            try:
                return Path(psutil.Process(connection.pid).cwd())
            except psutil.Error:
                return None
    return None


def program_folder(start: Path) -> Path:
    """The program's folder: the project's above ``start``, and ``main`` of its Pulumi.yaml.

    Raises:
        SandboxError: When there is no project, or its file can't be read.
    """
    for folder in (start, *start.parents):
        for name in _PROJECT_FILES:
            if (folder / name).is_file():
                return (folder / _main(folder / name)).resolve()
    raise SandboxError(
        f"the Pulumi project of {start}",
        why="neither the folder nor one above it has a Pulumi.yaml",
        remedy="run pulumi in the project's folder",
    )


def _main(project: Path) -> str:
    try:
        document = yaml.safe_load(project.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SandboxError(
            str(project), why=f"it can't be read: {error}", remedy="correct the file"
        ) from error
    main = document.get("main") if isinstance(document, dict) else None
    return main if isinstance(main, str) else "."
