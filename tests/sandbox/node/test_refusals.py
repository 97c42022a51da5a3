"""Refusals name each field that the node does not support, one by one and together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.node import refusals
from sandbox.node.refusals import refuse_container, refuse_sandbox
from tests.sandbox.node.fake_messages import Message, container, mount, pod

EVERYWHERE = "10.100.0.10"


RESOLVER = """\
# nameserver 192.0.2.3
search example.com
nameserver 192.0.2.1
nameserver 192.0.2.2
options edns0
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Resolver configuration of this machine."""
    path = tmp_path / "resolv.conf"
    path.write_text(RESOLVER)
    monkeypatch.setattr(refusals, "_RESOLVER", path)
    return path


def port(number: int) -> Message:
    return Message(host_port=number)


def servers(*addresses: str) -> Message:
    return Message(servers=list(addresses))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"namespaces": {"network": 2}}, "hostNetwork"),
        ({"namespaces": {"pid": 2}}, "hostPID"),
        ({"namespaces": {"ipc": 2}}, "hostIPC"),
        ({"namespaces": {"pid": 0}}, "shareProcessNamespace"),
        ({"sysctls": {"kernel.shm_rmid_forced": "1"}}, "securityContext.sysctls"),
        ({"port_mappings": [port(0), port(80)]}, "ports.hostPort"),
        ({"dns_config": servers(EVERYWHERE, "192.0.2.3")}, "dnsConfig"),
        (
            {"namespaces": {"network": 2, "pid": 0}, "port_mappings": [port(80), port(0)]},
            "hostNetwork, shareProcessNamespace, ports.hostPort",
        ),
    ],
)
def test_a_pod_that_asks_for_more(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(SandboxError) as caught:
        refuse_sandbox(pod(**fields))
    assert f"does not support {named}: " in caught.value.why


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"namespaces": {"network": 0, "pid": 1, "ipc": 1}},
        {"namespaces": {"network": 1, "ipc": 0}},
        {"port_mappings": [port(0), port(0)]},
        {"dns_config": servers(EVERYWHERE)},
        {"dns_config": servers("192.0.2.1", "192.0.2.2")},
        {"dns_config": servers("192.0.2.1", "192.0.2.2", EVERYWHERE)},
    ],
)
def test_a_pod_that_asks_for_what_there_is(fields: dict[str, Any]) -> None:
    refuse_sandbox(pod(**fields))


def test_a_machine_without_a_resolver_has_the_cluster_s_address_alone(machine: Path) -> None:
    machine.unlink()
    refuse_sandbox(pod(dns_config=servers(EVERYWHERE)))
    with pytest.raises(SandboxError, match="dnsConfig"):
        refuse_sandbox(pod(dns_config=servers("192.0.2.1")))


PLAIN = mount("/a", "/b")
CAPABLE = Message(add_capabilities=["NET_ADMIN"])


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (container({"privileged": True}), "securityContext.privileged"),
        (container({"capabilities": CAPABLE}), "securityContext.capabilities.add"),
        (container(stdin=True), "stdin or tty"),
        (container(tty=True), "stdin or tty"),
        (
            container(mounts=[PLAIN, mount("/a", "/c", propagation=1)]),
            "volumeMounts.mountPropagation",
        ),
        (container(devices=["/dev/x"]), "volumeDevices or resources.claims"),
        (container(CDI_devices=["x"]), "volumeDevices or resources.claims"),
        (
            container(mounts=[PLAIN, mount("/a", "/c", image=Message(image="x"))]),
            "volumes.image",
        ),
        (container({"privileged": True}, tty=True), "securityContext.privileged, stdin or tty"),
    ],
)
def test_a_container_that_asks_for_more(config: Message, named: str) -> None:
    with pytest.raises(SandboxError) as caught:
        refuse_container(config)
    assert f"does not support {named}: " in caught.value.why


def test_a_container_that_asks_for_what_there_is() -> None:
    refuse_container(container(mounts=[PLAIN, mount("/a", "/c", readonly=True)]))
