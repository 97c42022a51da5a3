"""The kubelet's messages as far as plans and refusals read them, without a kubelet's description.

`test_runtime_service.py` holds the same code against the messages themselves. A field that isn't
here can't be read, so that a misspelt one fails.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Message(SimpleNamespace):
    """Fields by name; a message within that is None was not set."""

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        return getattr(self, name) is not None


def value(of: int) -> Message:
    return Message(value=of)


def mount(host: str, container: str, **fields: Any) -> Message:
    unset = {"readonly": False, "propagation": 0, "image": Message(image="")}
    return Message(host_path=host, container_path=container, **{**unset, **fields})


def container(security: dict[str, Any] | None = None, **fields: Any) -> Message:
    """A ContainerConfig; what isn't given is not set."""
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
    """A PodSandboxConfig as the kubelet makes it of a Pod that asks for nothing special."""
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
