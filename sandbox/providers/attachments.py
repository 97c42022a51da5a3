"""Emulators to which Pulumi's engine attaches, and their ports."""

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
    """Return the version of a plugin that the installed SDK requires."""
    return metadata.version(f"pulumi-{name}")


def attachments(settings: Settings) -> dict[str, int]:
    """Return the ports on 127.0.0.1 of the running emulators, by plugin name.

    The emulator of an installed plugin is omitted, so that the plugin is used. The one for
    docker-build always attaches: the real plugin needs a Docker or BuildKit daemon, and a
    registry that implements the distribution protocol, which the sandbox lacks.
    """
    return {
        name: port
        for name, port in read_ports(settings).items()
        if name == "docker-build" or not is_installed(name, settings.home / "pulumi" / "home")
    }


def is_installed(name: str, pulumi_home: Path) -> bool:
    """Return True if the engine finds the plugin: on PATH, or of exactly the SDK's version."""
    if shutil.which(f"pulumi-resource-{name}"):
        return True
    return (pulumi_home / "plugins" / f"resource-{name}-v{plugin_version(name)}").is_dir()


def ports_file(settings: Settings) -> Path:
    """Return the file with the server's ports and its process identity."""
    return settings.home / "run" / "providers.json"


def write_ports(settings: Settings, ports: dict[str, int], server: ProcessIdentity) -> None:
    """Write the emulators' ports, atomically."""
    path = ports_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"server": asdict(server), "ports": ports}))


def read_ports(settings: Settings) -> dict[str, int]:
    """Return the emulators' ports; empty while the server does not run."""
    try:
        document = json.loads(ports_file(settings).read_text())
        server = ProcessIdentity(**document["server"])
        ports = {str(name): int(port) for name, port in document["ports"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return ports if server.is_alive() else {}


def last_ports(settings: Settings) -> dict[str, int]:
    """Return the last ports, to be reused, since shells may have exported them."""
    try:
        ports = json.loads(ports_file(settings).read_text())["ports"]
        return {str(name): int(port) for name, port in ports.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
