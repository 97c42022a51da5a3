"""Which emulators a Pulumi engine is to be attached to, and at which ports."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from sandbox.settings import Settings
from sandbox.system import ProcessIdentity, write_atomically

NAMES = ("aws", "docker-build")


def plugin_version(name: str) -> str:
    """The version of a plugin that the installed SDK asks the engine for."""
    return metadata.version(f"pulumi-{name}")


def attachments(settings: Settings) -> dict[str, int]:
    """The running emulators by plugin name, with their ports on 127.0.0.1.

    An installed plugin is used, so its emulator is left out. The one for docker-build
    always attaches: the real plugin needs a Docker or BuildKit daemon, and pushes over
    the network to a registry that speaks the distribution protocol; the sandbox has neither.
    """
    return {
        name: port
        for name, port in read_ports(settings).items()
        if name == "docker-build" or not is_installed(name, settings.home / "pulumi" / "home")
    }


def is_installed(name: str, pulumi_home: Path) -> bool:
    """Whether the engine would find this plugin: on PATH, else of the SDK's very version."""
    if shutil.which(f"pulumi-resource-{name}"):
        return True
    return (pulumi_home / "plugins" / f"resource-{name}-v{plugin_version(name)}").is_dir()


def ports_file(settings: Settings) -> Path:
    """Where the server says at which ports it serves, and who it is."""
    return settings.home / "run" / "providers.json"


def write_ports(settings: Settings, ports: dict[str, int], server: ProcessIdentity) -> None:
    """Say where the emulators serve, whole or not at all."""
    path = ports_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"server": asdict(server), "ports": ports}))


def read_ports(settings: Settings) -> dict[str, int]:
    """Where the emulators serve; empty while none does."""
    try:
        document = json.loads(ports_file(settings).read_text())
        server = ProcessIdentity(**document["server"])
        ports = {str(name): int(port) for name, port in document["ports"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return ports if server.is_alive() else {}


def last_ports(settings: Settings) -> dict[str, int]:
    """Where the emulators served last, to be used again: shells may have them exported."""
    try:
        ports = json.loads(ports_file(settings).read_text())["ports"]
        return {str(name): int(port) for name, port in ports.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
