"""What the sandbox's addresses stand for, and what a denied connection looks like."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.core_v1 import Namespace, Pod
from lightkube.resources.networking_v1 import NetworkPolicy

from sandbox.balancer.follower import Follower
from sandbox.containers.connections import Call, Destination
from sandbox.node import network
from sandbox.node.denials import Denied, PodIdentity
from sandbox.node.gate import Redirect
from sandbox.node.network import Network, Surroundings
from sandbox.settings import Settings

API = "127.99.0.1"
AWS = ("127.99.0.2", 4566)
RESOLVER = "10.255.0.53"
APP = PodIdentity("127.99.10.1", "pr-42", "web", "uid-1", {"app": "web"})
OTHER = PodIdentity("127.99.10.2", "pr-43", "other", "uid-2", {"app": "web"})


@dataclass
class Cache:
    """A follower's objects."""

    objects: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked(Call):
    """A call of a socket of a chosen kind."""

    kind: str = "TCP"

    def protocol(self) -> str:
        return self.kind


class World:
    """A network without a cluster and without processes."""

    def __init__(self) -> None:
        around = Surroundings(
            ipaddress.IPv4Network("127.99.0.0/16"), (API, 6443), AWS, frozenset({RESOLVER})
        )
        self.network = Network(around)
        self.caches = {kind: Cache() for kind in (NetworkPolicy, Namespace, Pod)}
        self.network._followers = self.caches  # type: ignore[assignment]
        self.denied: list[Denied] = []
        self.network._reporter.report = self.denied.append  # type: ignore[method-assign]
        for pod in (APP, OTHER):
            self.network.add(pod)

    def allow(self, *rules: dict[str, Any], kind: str = "Egress") -> None:
        found = {
            "metadata": {"name": f"policy-{kind}", "namespace": "pr-42"},
            "spec": {"podSelector": {}, "policyTypes": [kind], kind.lower(): list(rules)},
        }
        self.caches[NetworkPolicy].objects[f"pr-42/{kind}"] = found

    def asks(
        self,
        address: str,
        port: int,
        kind: str = "TCP",
        *,
        of: PodIdentity = APP,
        connects: bool = True,
        binds: bool = False,
    ) -> int | Redirect:
        destination = Destination(ipaddress.ip_address(address), port)
        call = Asked(1, 1, 1, (destination,), binds, connects, opens=False, kind=kind)
        return self.network._judge(of, tuple, call)


@pytest.fixture
def world() -> Iterator[World]:
    return World()


def to(cidr: str, port: int) -> dict[str, Any]:
    return {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": port}]}


def test_a_pod_that_no_policy_selects_is_open_also_to_this_machine(world: World) -> None:
    for address in ("203.0.113.9", "127.0.0.1", "::1", API, OTHER.address):
        assert world.asks(address, 6379) == 0
    assert world.denied == []


def test_a_pod_reaches_itself_whatever_the_policies(world: World) -> None:
    world.allow()
    assert world.asks(APP.address, 1) == 0


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_all_addresses_are_the_pods_own_one(world: World, address: str) -> None:
    """In its network namespace on a cluster there is no other."""
    assert world.asks(address, 8000, binds=True) == Redirect(APP.address)
    assert world.asks(address, 0, binds=True) == 0, "a client's port is anywhere"


def test_an_address_of_its_own_choice_is_bound_as_it_is(world: World) -> None:
    assert world.asks("127.0.0.1", 8000, binds=True) == 0


@pytest.mark.parametrize(
    ("address", "port", "rule"),
    [
        # A database's address is the VPC's with the same last numbers.
        ("127.99.1.5", 5432, to("10.0.1.5/32", 5432)),
        # The API server is on its usual port, AWS outside of the VPC.
        (API, 6443, to("10.0.0.1/32", 443)),
        (*AWS, to("52.94.0.0/22", 443)),
        (OTHER.address, 8000, to("10.0.10.2/32", 8000)),
        ("203.0.113.9", 443, to("203.0.113.9/32", 443)),
        ("::ffff:203.0.113.9".removeprefix("::ffff:"), 443, to("203.0.113.0/24", 443)),
    ],
)
def test_an_address_is_judged_as_what_it_stands_for(
    world: World, address: str, port: int, rule: dict[str, Any]
) -> None:
    world.allow()
    assert world.asks(address, port) == errno.ETIMEDOUT
    world.allow(rule)
    assert world.asks(address, port) == 0
    assert world.asks(address, port + 1) == errno.ETIMEDOUT


def test_the_machines_name_servers_are_the_clusters_dns(world: World) -> None:
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    world.allow({"to": [peer], "ports": [{"port": 53, "protocol": "UDP"}]})
    assert world.asks(RESOLVER, 53, "UDP") == 0
    assert world.asks(RESOLVER, 53, "TCP") == errno.ETIMEDOUT
    assert world.asks("192.0.2.53", 53, "UDP") == errno.EPERM


def test_a_datagram_ends_with_another_error_than_a_connection(world: World) -> None:
    world.allow(to("203.0.113.9/32", 443))
    assert world.asks("203.0.113.9", 8125, "UDP", connects=False) == errno.EPERM
    assert world.asks("203.0.113.9", 8125) == errno.ETIMEDOUT
    assert [denied.destination for denied in world.denied] == [
        "udp 203.0.113.9:8125",
        "tcp 203.0.113.9:8125",
    ]


def test_looking_up_an_address_that_may_be_connected_to_is_not_reported(world: World) -> None:
    world.allow(to("203.0.113.9/32", 443))
    # As getaddrinfo(3) does to sort addresses.
    assert world.asks("203.0.113.9", 443, "UDP") == errno.EPERM
    assert world.denied == []


def test_a_message_on_an_open_connection_is_let_through(world: World) -> None:
    world.allow()
    assert world.asks("203.0.113.9", 443, "TCP", connects=False) == 0


def test_a_pod_is_closed_by_the_policies_of_its_target_too(world: World) -> None:
    world.allow(kind="Ingress")
    assert world.asks(APP.address, 8000, of=OTHER) == errno.ETIMEDOUT
    (denied,) = world.denied
    assert denied.message == (
        "tcp 127.99.10.1:8000 (Pod pr-42/web) is denied by policy-Ingress: no rule lets this Pod in"
    )


def test_a_pod_that_has_ended_is_no_peer_any_more(world: World) -> None:
    world.allow({"to": [{"namespaceSelector": {}}]})
    assert world.asks(OTHER.address, 8000) == 0
    world.network.remove(OTHER)
    world.network.remove(OTHER)
    assert world.asks(OTHER.address, 8000) == errno.ETIMEDOUT


def test_labels_and_named_ports_are_those_of_the_api_for_the_same_pod(world: World) -> None:
    def known(uid: str) -> None:
        world.caches[Pod].objects["pr-43/other"] = {
            "metadata": {"uid": uid, "labels": {"app": "db"}},
            "spec": {"containers": [{"ports": [{"name": "pg", "containerPort": 5432}]}]},
        }

    selector = {"matchLabels": {"app": "db"}}
    world.allow(
        {
            "to": [{"namespaceSelector": {}, "podSelector": selector}],
            "ports": [{"port": "pg"}],
        }
    )
    assert world.asks(OTHER.address, 5432) == errno.ETIMEDOUT
    known("that of an earlier Pod")
    assert world.asks(OTHER.address, 5432) == errno.ETIMEDOUT
    known("uid-2")
    assert world.asks(OTHER.address, 5432) == 0
    assert world.asks(OTHER.address, 5433) == errno.ETIMEDOUT


def test_a_denial_says_what_to_do(world: World) -> None:
    world.allow()
    world.asks("203.0.113.9", 443)
    assert world.denied[0].message == (
        "tcp 203.0.113.9:443 is denied by policy-Egress: no rule allows this Pod to connect; if the"
        " app needs it, name its host and port under `egress` in preview.yaml"
    )
    # What it would not be given is not advised.
    for address in ("127.99.1.5", "169.254.169.254", "10.9.9.9"):
        world.asks(address, 443)
        assert world.denied[-1].message == (
            f"tcp {address}:443 is denied by policy-Egress: no rule allows this Pod to connect; no"
            " preview may connect to a private network"
        )
    world.asks(*AWS)
    assert "preview.yaml" in world.denied[-1].message


class Broken(Follower):
    """A follower of something that nobody expected."""

    fails = asyncio.Event()

    async def run(self) -> None:
        self.synced.set()
        await self.fails.wait()
        raise TypeError("not an object")


async def test_no_pod_runs_on_policies_that_are_not_followed_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def connected(_kubeconfig: Path) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(network, "connect", connected)
    monkeypatch.setattr(network, "Follower", Broken)

    async def serve() -> None:
        async with world.network.running(Path("kubeconfig")):
            Broken.fails.set()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(serve(), 30)


def test_the_network_is_the_accounts() -> None:
    from sandbox.aws import foundation

    assert foundation._NETWORK == network.VPC
    assert ipaddress.ip_network(network.VPC).prefixlen == Settings().network.prefixlen


def test_name_servers_are_read_from_the_resolvers_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_RESOLVER", tmp_path / "resolv.conf")
    assert network.name_servers() == frozenset()
    (tmp_path / "resolv.conf").write_text(
        "# nameserver 1.1.1.1\nsearch a b\nnameserver 127.0.0.53\n nameserver 10.0.0.2\nnameserver"
    )
    assert network.name_servers() == {"127.0.0.53", "10.0.0.2"}
