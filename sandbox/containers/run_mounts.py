"""``RUN --mount=...``: folders that a command sees and that are not part of its layer."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Final

_KEYS: Final = {
    "bind": {"target", "source", "from", "rw"},
    "cache": {"target", "id", "sharing", "uid", "gid", "mode", "rw"},
    "secret": {"target", "id", "required", "env", "uid", "gid", "mode"},
    "ssh": {"target", "id", "required", "uid", "gid", "mode"},
    "tmpfs": {"target", "size"},
}
_ALIASES: Final = {
    "dst": "target",
    "destination": "target",
    "src": "source",
    "readwrite": "rw",
    "ro": "readonly",
}
_SHARING: Final = ("shared", "private", "locked")


@dataclass(frozen=True)
class RunMount:
    """One ``--mount``.

    Attributes:
        kind: ``bind``, ``cache``, ``tmpfs``, ``secret`` or ``ssh``. The last two are never
            mounted: a build here has no secrets, and BuildKit leaves out those that it lacks.
        target: Path as written; relative to the working directory.
        source: For a bind: path within ``origin``.
        origin: For a bind: stage or named context; None is the build context.
        name: For a cache: the id by which builds share it.
        exclusive: For a cache: True if one build at a time may use it.
        writable: For a bind: True if the command may write; the changes are discarded.
        owner: For a new cache: uid and gid.
        mode: For a new cache: permissions.
    """

    kind: str
    target: str
    source: str = "."
    origin: str | None = None
    name: str = ""
    exclusive: bool = False
    writable: bool = False
    owner: tuple[int, int] = (0, 0)
    mode: int = 0o755


def parse_mount(text: str) -> RunMount:
    """Parse the value of ``--mount``.

    Raises:
        ValueError: A type or a key is not supported.
    """
    fields = _fields(text)
    kind = fields.pop("type", "bind")
    keys = _KEYS.get(kind)
    if keys is None:
        msg = f"--mount=type={kind} is not supported; use one of {', '.join(_KEYS)}"
        raise ValueError(msg)
    if _is_true(fields.pop("readonly", "false")):
        fields["rw"] = "false"
    unknown = fields.keys() - keys
    if unknown:
        names = ", ".join(sorted(unknown))
        msg = f"--mount=type={kind} has no {names}; supported are {', '.join(sorted(keys))}"
        raise ValueError(msg)
    if kind in {"secret", "ssh"}:
        return _absent(kind, fields)
    target = fields.get("target")
    if not target:
        msg = f"--mount=type={kind} needs a target"
        raise ValueError(msg)
    sharing = fields.get("sharing", "shared")
    if sharing not in _SHARING:
        msg = f"sharing={sharing} is unknown; use one of {', '.join(_SHARING)}"
        raise ValueError(msg)
    return RunMount(
        kind=kind,
        target=target,
        source=fields.get("source", "."),
        origin=fields.get("from"),
        name=fields.get("id", target),
        exclusive=sharing != "shared",
        writable=_is_true(fields.get("rw", "true" if kind == "cache" else "false")),
        owner=(int(fields.get("uid", "0")), int(fields.get("gid", "0"))),
        mode=int(fields.get("mode", "0755"), 8),
    )


def _absent(kind: str, fields: dict[str, str]) -> RunMount:
    if _is_true(fields.get("required", "false")):
        msg = (
            f"--mount=type={kind} requires {fields.get('id', 'default')}, and a build in the"
            " sandbox has no secrets; leave out `required`, and let the command work without it"
        )
        raise ValueError(msg)
    return RunMount(kind, "")


def _fields(text: str) -> dict[str, str]:
    fields = {}
    for part in next(csv.reader([text])):
        key, equals, value = part.partition("=")
        name = key.strip().lower()
        fields[_ALIASES.get(name, name)] = value if equals else "true"
    return fields


def _is_true(text: str) -> bool:
    if text.lower() not in {"true", "false", "1", "0"}:
        msg = f"expected true or false, found {text!r}"
        raise ValueError(msg)
    return text.lower() in {"true", "1"}
