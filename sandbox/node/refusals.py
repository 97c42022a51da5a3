"""Refusal, by name, of the fields of a Pod that this node does not support.

A field that was ignored instead would make a Pod behave differently from a real node. The kubelet
itself supports or refuses all other fields; kinds of volumes are in ``volumes.py``.
"""

from __future__ import annotations

from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.node.messages import Message
from sandbox.node.volumes import unsupported

CLUSTER_DNS = "10.100.0.10"
"""Address of the cluster's DNS on EKS; here Pods use this machine's resolver."""

_RESOLVER = Path("/etc/resolv.conf")
_NODE = 2  # NamespaceMode
_POD = 0


def refuse_sandbox(config: Message) -> None:
    """Refuse a Pod with a field that is not supported.

    Raises:
        SandboxError: Its message names each such field.
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
    """Refuse a container with a field or a volume that is not supported.

    Raises:
        SandboxError: Its message names each of them.
    """
    security = config.linux.security_context
    _raise_if(
        ("securityContext.privileged", security.privileged),
        ("securityContext.capabilities.add", bool(security.capabilities.add_capabilities)),
        ("stdin or tty", config.stdin or config.tty),
        ("volumeDevices or resources.claims", bool(config.devices or config.CDI_devices)),
        *((name, True) for name in dict.fromkeys(unsupported(config))),
    )


def _name_servers() -> set[str]:
    lines = _RESOLVER.read_text().splitlines() if _RESOLVER.is_file() else []
    return {line.split()[1] for line in lines if line.startswith("nameserver ")}


def _raise_if(*fields: tuple[str, bool]) -> None:
    named = [name for name, is_asked in fields if is_asked]
    if named:
        raise SandboxError(
            "UnsupportedBySandbox",
            why=f"the sandbox's node does not support {', '.join(named)}: containers are"
            " processes of this machine, without privileges, in its network",
            remedy="remove it from the Pod",
        )
