"""Users and groups from an image's ``/etc/passwd`` and ``/etc/group``."""

from __future__ import annotations

from sandbox.containers.machine import BaseImage
from sandbox.containers.tree import ImageTree


def user_of(text: str, tree: ImageTree, base: BaseImage) -> tuple[int, int]:
    """Return uid and gid of ``USER name|uid[:group|gid]``; the default group is the user's.

    Raises:
        ValueError: The image has no such user or group.
    """
    user, _, group = text.partition(":")
    lines = _lines("etc/passwd", tree, base)
    entry = next((line for line in lines if user in (line[0], line[2])), None)
    if entry is None and not user.isdecimal():
        msg = f"the image has no user {user!r}"
        raise ValueError(msg)
    uid = int(entry[2]) if entry else int(user)
    if group:
        return uid, _group_of(group, tree, base)
    return uid, int(entry[3]) if entry else 0


def owner_of(text: str, tree: ImageTree, base: BaseImage) -> tuple[int, int]:
    """Return uid and gid of ``--chown=user[:group]``; without a group, the gid equals the uid.

    Raises:
        ValueError: The image has no such user or group.
    """
    uid, _ = user_of(text.partition(":")[0], tree, base)
    group = text.partition(":")[2]
    return uid, _group_of(group, tree, base) if group else uid


def _group_of(text: str, tree: ImageTree, base: BaseImage) -> int:
    for line in _lines("etc/group", tree, base):
        if text in (line[0], line[2]):
            return int(line[2])
    if text.isdecimal():
        return int(text)
    msg = f"the image has no group {text!r}"
    raise ValueError(msg)


def _lines(path: str, tree: ImageTree, base: BaseImage) -> list[list[str]]:
    content = tree.read_over(path, base["files"].get(path, b""))
    lines = [line.split(":") for line in content.decode(errors="replace").splitlines()]
    fields = 7 if path == "etc/passwd" else 4
    return [line for line in lines if len(line) == fields and line[2].isdecimal()]
