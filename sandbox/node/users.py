"""Which user and group a container's process is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class RefusedUserError(Exception):
    """The Pod and the image do not agree on a user that may run."""


@dataclass(frozen=True)
class User:
    """Numeric user and group."""

    uid: int
    gid: int


def resolve(
    pod_context: Mapping[str, Any],
    container_context: Mapping[str, Any],
    *,
    image_user: str,
    layers: Sequence[Path],
) -> User:
    """The user by the container's security context, the Pod's, then the image.

    Args:
        pod_context: ``spec.securityContext``.
        container_context: The container's ``securityContext``, which wins.
        image_user: ``User`` of the image's config: ``uid|name[:gid|group]`` or empty.
        layers: The image's layers, top first, for names in its ``/etc/passwd``.

    Raises:
        RefusedUserError: In the kubelet's words.
    """
    context = {**pod_context, **container_context}
    must_not_be_root = bool(context.get("runAsNonRoot"))
    uid = context.get("runAsUser")
    gid = context.get("runAsGroup")
    if uid is None:
        name, _, group = image_user.partition(":")
        if must_not_be_root and name and not name.isdigit():
            msg = (
                f"container has runAsNonRoot and image has non-numeric user ({name}), "
                "cannot verify user is non-root"
            )
            raise RefusedUserError(msg)
        uid, own_group = _user(name or "0", layers)
        if gid is None:
            gid = _group(group, layers) if group else own_group
    if must_not_be_root and uid == 0:
        how = "container's runAsUser breaks non-root policy"
        if context.get("runAsUser") is None:
            how = "container has runAsNonRoot and image will run as root"
        raise RefusedUserError(how)
    if gid is None:
        gid = _user(str(uid), layers)[1]
    return User(uid, gid)


def _user(name: str, layers: Sequence[Path]) -> tuple[int, int]:
    for fields in _lines("passwd", layers, 7):
        if name in {fields[0], fields[2]}:
            return int(fields[2]), int(fields[3])
    if name.isdigit():
        return int(name), 0
    msg = f"unable to find user {name}: no matching entries in passwd file"
    raise RefusedUserError(msg)


def _group(name: str, layers: Sequence[Path]) -> int:
    if name.isdigit():
        return int(name)
    for fields in _lines("group", layers, 4):
        if fields[0] == name:
            return int(fields[2])
    msg = f"unable to find group {name}: no matching entries in group file"
    raise RefusedUserError(msg)


def _lines(name: str, layers: Sequence[Path], count: int) -> Iterator[list[str]]:
    # The uppermost file hides the others; below the layers is this machine.
    for root in (*layers, Path("/")):
        path = root / "etc" / name
        if path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                fields = line.split(":")
                if len(fields) == count and fields[2].isdigit():
                    yield fields
            return
