"""The kubelet's messages with the fields that plans and refusals read, without its descriptors.

`test_runtime_service.py` tests the same code with the real messages. A field that is missing here
can't be read, so that a misspelt one fails.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Message(SimpleNamespace):
    """A message's fields by name; a nested message that is None is not set."""

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        return getattr(self, name) is not None


def value(of: int) -> Message:
    return Message(value=of)


def mount(host: str, container: str, **fields: Any) -> Message:
    unset = {"readonly": False, "propagation": 0, "image": Message(image="")}
    return Message(host_path=host, container_path=container, **{**unset, **fields})


def container(security: dict[str, Any] | None = None, **fields: Any) -> Message:
    """Return a ContainerConfig; other fields are not set."""
    context = {
        "run_as_user": None,
        "run_as_username": "",
        "run_as_group": None,
        "supplemental_groups": [],
        "readonly_rootfs": False,
        "privileged": False,
        "capabilities": Message(add_capabilities=[]),
        **(security or {}),
    }
    unset: dict[str, Any] = {
        "metadata": Message(name="main"),
        "command": [],
        "args": [],
        "envs": [],
        "working_dir": "",
        "mounts": [],
        "stop_signal": 0,
        "stdin": False,
        "tty": False,
        "devices": [],
        "CDI_devices": [],
        "linux": Message(
            security_context=Message(**context),
            resources=Message(memory_limit_in_bytes=fields.pop("memory", 0)),
        ),
    }
    return Message(**{**unset, **fields})


def pod(namespaces: dict[str, int] | None = None, **fields: Any) -> Message:
    """Return the kubelet's PodSandboxConfig of an ordinary Pod."""
    options = Message(**{"network": 0, "pid": 1, "ipc": 0, **(namespaces or {})})
    unset: dict[str, Any] = {
        "hostname": "named",
        "port_mappings": [],
        "dns_config": Message(servers=[]),
        "linux": Message(
            security_context=Message(namespace_options=options),
            sysctls=fields.pop("sysctls", {}),
        ),
    }
    return Message(**{**unset, **fields})
