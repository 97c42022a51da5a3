"""Configuration of an image, as a Dockerfile's instructions set it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.containers.runtime import DEFAULT_PATH

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def architecture() -> str:
    """Return this machine's architecture by its name in images."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


@dataclass
class ImageConfig:
    """``config`` of an OCI image configuration, with Docker's ``healthcheck``.

    Attributes:
        cmd_is_inherited: True if ``cmd`` is an earlier stage's, which ENTRYPOINT resets.
    """

    env: dict[str, str] = field(default_factory=lambda: {"PATH": DEFAULT_PATH})
    workdir: str = "/"
    user: str = ""
    shell: list[str] = field(default_factory=lambda: ["/bin/sh", "-c"])
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    stop_signal: str | None = None
    healthcheck: dict[str, Any] | None = None
    author: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    cmd_is_inherited: bool = False

    def document(self) -> dict[str, Any]:
        """Return the image configuration without ``rootfs`` and time of creation.

        The same files and settings give the same image, whenever it is built.
        """
        config: dict[str, Any] = {
            "Env": [f"{name}={value}" for name, value in self.env.items()],
            "WorkingDir": self.workdir,
            "User": self.user,
            "Cmd": self.cmd,
            "Entrypoint": self.entrypoint,
            "Labels": self.labels,
            "ExposedPorts": {port: {} for port in self.ports},
            "Volumes": {volume: {} for volume in self.volumes},
            "StopSignal": self.stop_signal,
            "Healthcheck": self.healthcheck,
        }
        return {
            **({"author": self.author} if self.author else {}),
            "architecture": architecture(),
            "os": "linux",
            "config": {key: value for key, value in config.items() if value},
            "history": self.history,
        }


def nanoseconds(text: str) -> int:
    """Parse a duration such as ``1m30s`` into nanoseconds.

    Raises:
        ValueError: It is not a duration.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        msg = f"{text!r} is no duration; expected one such as 30s or 1m30s"
        raise ValueError(msg)
    return int(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))
