"""What the launcher is told, as plain types that ``marshal`` carries."""

from __future__ import annotations

from typing import TypedDict


class BaseImage(TypedDict):
    """What of this machine stands in for the image that a Dockerfile starts FROM.

    Attributes:
        folders: Top-level folders shown from the machine ("usr", "etc").
        links: Top-level links of the machine ("bin" to "usr/bin").
        python: Folder shown at ``/usr/local``, or None when the interpreter is ``/usr``'s.
        files: Path inside the container to the content that replaces the machine's.
        symlinks: Path inside the container to the target of a link added to the machine's.
        hidden: Paths inside the container that the machine has and an image has not.
    """

    folders: list[str]
    links: dict[str, str]
    python: str | None
    files: dict[str, bytes]
    symlinks: dict[str, str]
    hidden: list[str]


class Launch(TypedDict):
    """One container's process; the fields of ``ContainerSpec``, checked and made absolute.

    Attributes:
        mounts: ``(source, target, read_only)``.
        capabilities: Bit mask of the capabilities that uid 0 may have.
        upper: Folder that collects what the process writes, None to forget it. With one, the
            process and all its descendants also end together with the launcher.
        parent: Pid of the process that the container's dies with.
    """

    base: BaseImage
    layers: list[str]
    argv: list[str]
    env: dict[str, str]
    cwd: str
    uid: int
    gid: int
    read_only_root: bool
    mounts: list[tuple[str, str, bool]]
    tmpfs: list[str]
    rlimits: dict[str, int]
    hostname: str | None
    capabilities: int
    upper: str | None
    parent: int
