"""What a Pod asks for that this node can't honour, by name.

The kubelet honours or refuses the rest itself. A field that were ignored would make a Pod
behave here as it would not on a real node.
"""

from __future__ import annotations

from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.node.messages import Message

CLUSTER_DNS = "10.100.0.10"
"""Where Pods would look names up on EKS; here they do as this machine does."""

_RESOLVER = Path("/etc/resolv.conf")
_NODE = 2  # NamespaceMode
_POD = 0


def refuse_sandbox(config: Message) -> None:
    """Refuse a Pod.

    Raises:
        SandboxError: Naming each field that can't be honoured.
    """
    options = config.linux.security_context.namespace_options
    _raise_if(
        ("hostNetwork", options.network == _NODE),
        ("hostPID", options.pid == _NODE),
        ("hostIPC", options.ipc == _NODE),
        ("shareProcessNamespace", options.pid == _POD),
        ("securityContext.sysctls", bool(config.linux.sysctls)),
        ("ports.hostPort", any(port.host_port for port in config.port_mappings)),
        ("dnsConfig", not set(config.dns_config.servers) <= {CLUSTER_DNS, *_name_servers()}),
    )


def refuse_container(config: Message) -> None:
    """Refuse a container.

    Raises:
        SandboxError: Naming each field that can't be honoured.
    """
    security = config.linux.security_context
    _raise_if(
        ("securityContext.privileged", security.privileged),
        ("securityContext.capabilities.add", bool(security.capabilities.add_capabilities)),
        ("stdin or tty", config.stdin or config.tty),
        ("volumeMounts.mountPropagation", any(mount.propagation for mount in config.mounts)),
        ("volumeDevices or resources.claims", bool(config.devices or config.CDI_devices)),
        ("volumes.image", any(mount.image.image for mount in config.mounts)),
    )


def _name_servers() -> set[str]:
    lines = _RESOLVER.read_text().splitlines() if _RESOLVER.is_file() else []
    return {line.split()[1] for line in lines if line.startswith("nameserver ")}


def _raise_if(*fields: tuple[str, bool]) -> None:
    named = [name for name, is_asked in fields if is_asked]
    if named:
        raise SandboxError(
            "UnsupportedBySandbox",
            why=f"the sandbox's node can't honour {', '.join(named)}: containers are processes of"
            " this machine, without privileges, in its network",
            remedy="leave it out of the Pod",
        )
