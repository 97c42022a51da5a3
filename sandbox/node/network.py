"""Enforcement of NetworkPolicies on this node's Pods.

A Pod's processes ask before they connect (``gate.py``), and are judged by the policies as
Kubernetes defines them (``network_policy.py``). Where a packet would be dropped, a connection
ends at once with the error that it would end with later (ETIMEDOUT), and a message with EPERM; an
Event on the Pod says so, once for each destination.

All addresses are this machine's, so each destination is judged as what it stands for:

- an address of a Service is that of one of its ready Pods, as with kube-proxy (``services.py``);
- an address of the sandbox is the VPC's with the same last two numbers, which is in the
  networks that the program allows, such as the databases';
- the API server is that address on port 443, and the AWS APIs are a public address on port 443;
- a name server of this machine is a Pod of the cluster's DNS;
- any other loopback address is the Pod itself if one of its processes listens there. Otherwise
  nothing listens there, as on a cluster, whatever this machine runs.

Connections that are open stay open when a policy changes. What this machine itself sends to
a Pod (the load balancer, the kubelet's probes, people) is the node's, which Kubernetes always
lets in.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import random
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightkube.resources.core_v1 import Namespace, Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.networking_v1 import NetworkPolicy

from sandbox.balancer.follower import Follower, connect
from sandbox.balancer.model import Object
from sandbox.containers import runtime
from sandbox.containers.connections import Call, Destination
from sandbox.containers.runtime import ContainerSpec
from sandbox.errors import SandboxError
from sandbox.node.denials import Denied, PodIdentity, Reporter
from sandbox.node.gate import Gate, Launcher, Redirect
from sandbox.node.listening import listens
from sandbox.node.network_policy import EGRESS, Place, Policy, denial, isolates
from sandbox.node.services import HostsFiles, ready_backends, service_at

_HTTPS: Final = 443
_DNS_PORT: Final = 53
_DNS_NAMESPACE: Final = "kube-system"
_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
VPC: Final = "10.0.0.0/16"
"""The account's network (``sandbox/aws/foundation.py``)."""
_AWS: Final = "52.94.0.1"  # One of Amazon's, for rules about public addresses.
_NAME_LABEL: Final = "kubernetes.io/metadata.name"
_TCP, _UDP = "TCP", "UDP"
_PROBE: Final = "import socket; socket.create_connection(('127.0.0.1', 1))"
_PROBE_SECONDS: Final = 30
_RESOLVER = Path("/etc/resolv.conf")

Processes = Callable[[], Iterable[int]]
"""Returns the process identifiers of a Pod."""


@dataclass(frozen=True)
class Surroundings:
    """Surroundings of the Pods.

    Attributes:
        network: The sandbox's addresses.
        api: Address and port of the Kubernetes API.
        aws: Address and port of the AWS APIs.
        name_servers: Addresses of this machine's name servers.
    """

    network: ipaddress.IPv4Network
    api: tuple[str, int]
    aws: tuple[str, int]
    name_servers: frozenset[str]


class Network:
    """The node's Pods, their neighbours and the policies.

    Attributes:
        hosts_files: The Pods' files with the names of Services.

    The methods are called in the event loop, and Pods are judged in the gate's thread. It reads
    the followers' dictionaries by calls that CPython does not interrupt.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._gate = Gate()
        self._pods: dict[str, PodIdentity] = {}
        self._followers: dict[Any, Follower] = {}
        self._reporter = Reporter()
        self.hosts_files = HostsFiles()

    def check(self) -> None:
        """Let a process in a container try to connect.

        Raises:
            SandboxError: It can't be stopped from connecting on this machine.
        """
        asked: list[Destination] = []

        def refuse(call: Call) -> int:
            asked.extend(call.destinations)
            return errno.ECONNREFUSED

        launcher = self._gate.launcher(refuse)
        spec = ContainerSpec(layers=(), argv=("python3", "-IS", "-c", _PROBE), env={})
        try:
            process = launcher.call(
                lambda: runtime.popen(spec, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            )
            _, stderr = process.communicate(timeout=_PROBE_SECONDS)
        finally:
            launcher.close()
        if not asked:
            raise SandboxError(
                "NetworkPolicies on this machine",
                why="a container's connection could not be judged: "
                + (stderr.decode(errors="replace").strip() or "it was not asked about"),
                remedy="allow this user to trace its own processes (the capability SYS_PTRACE in"
                " a container; `sysctl kernel.yama.ptrace_scope` below 2)",
            )

    @asynccontextmanager
    async def running(self, kubeconfig: Path) -> AsyncIterator[None]:
        """Follow the policies, and write Events; ready when all policies are known.

        The block is cancelled if following fails: no Pod may run on policies that are out of date.

        Raises:
            SandboxError: There are no credentials.
            ExceptionGroup: Following failed otherwise than by the API server's absence.
        """
        async with connect(kubeconfig) as client, asyncio.TaskGroup() as group:
            for kind in (NetworkPolicy, Namespace, Pod, EndpointSlice):
                self._followers[kind] = Follower(client, kind, lambda: None)
            self._followers[Service] = Follower(client, Service, self._update_names)
            tasks = [
                group.create_task(coroutine)
                for coroutine in (
                    *(follower.run() for follower in self._followers.values()),
                    self._reporter.run(client),
                )
            ]
            try:
                for follower in self._followers.values():
                    await follower.synced.wait()
                yield
            finally:
                for task in tasks:
                    task.cancel()

    def add(self, pod: PodIdentity) -> None:
        """Add a Pod of this node."""
        self._pods[pod.address] = pod

    def remove(self, pod: PodIdentity) -> None:
        """Remove a Pod; removing it twice has no effect."""
        self._pods.pop(pod.address, None)
        self._reporter.forget(pod)
        self.hosts_files.remove(pod)

    def launcher(self, pod: PodIdentity, processes: Processes) -> Launcher:
        """Return a thread whose processes are the Pod's.

        Raises:
            SandboxError: The kernel can't ask about connections.
        """
        return self._gate.launcher(lambda call: self._judge(pod, processes, call))

    def _judge(self, pod: PodIdentity, processes: Processes, call: Call) -> int | Redirect:
        """Return the error's number that a call ends with, 0 for none, or where it gets to."""
        if call.binds:
            return _bind(pod, call)
        for destination in call.destinations:
            verdict = self._judge_one(pod, processes, call, destination)
            if verdict:
                return verdict
        return 0

    def _judge_one(
        self, pod: PodIdentity, processes: Processes, call: Call, destination: Destination
    ) -> int | Redirect:
        address, port = str(destination.address), destination.port
        if address == pod.address:
            return 0
        service = service_at(list(self._followed(Service).values()), address)
        if service is not None and call.connects and call.protocol() == _TCP:
            return self._judge_service(pod, processes, call, service, port)
        source, stands_for = self._place_of(pod), self._stand_in(destination)
        if stands_for is None:
            if call.connects and listens(processes(), port, pod.address):
                return Redirect(pod.address)
            policies = self._policies_of(pod.namespace)
            isolated = any(isolates(policy, source, EGRESS) for policy in policies)
            if not isolated or call.protocol() != _TCP or listens(processes(), port):
                return 0
            self._reporter.report(Denied(pod, _TCP, address, port))
            return errno.ECONNREFUSED
        return self._judge_place(pod, source, call, destination, stands_for)

    def _judge_place(
        self,
        pod: PodIdentity,
        source: Place,
        call: Call,
        destination: Destination,
        stands_for: tuple[Place, int],
    ) -> int:
        """Return the error's number that a call to another than the Pod itself ends with."""
        address, port = str(destination.address), destination.port
        target, target_port = stands_for
        policies = self._policies_of(pod.namespace, target.namespace)
        found = {
            protocol: denial(source, target, target_port, protocol, policies)
            for protocol in (_TCP, _UDP)
        }
        # The socket is looked at only where it matters.
        protocol = call.protocol() if any(found.values()) else _TCP
        denied = found[protocol]
        if denied is None or (protocol == _TCP and call.is_on_open_connection):
            return 0
        # getaddrinfo(3) connects a UDP socket to each address that it found, and sends nothing.
        if protocol == _TCP or not call.connects or found[_TCP]:
            self._reporter.report(
                Denied(pod, protocol, address, port, denied, target.name, target.address)
            )
        return errno.ETIMEDOUT if protocol == _TCP else errno.EPERM

    def _judge_service(
        self, pod: PodIdentity, processes: Processes, call: Call, service: Object, port: int
    ) -> int | Redirect:
        slices = list(self._followed(EndpointSlice).values())
        backends = ready_backends(service, port, slices)
        if not backends:
            return errno.ECONNREFUSED
        # No secret: kube-proxy chooses at random too.
        chosen = random.choice(backends)  # noqa: S311
        destination = Destination(ipaddress.ip_address(chosen.address), chosen.port)
        verdict = self._judge_one(pod, processes, call, destination)
        return verdict or Redirect(chosen.address, chosen.port)

    def _update_names(self) -> None:
        self.hosts_files.update(self._followed(Service))

    def _stand_in(self, destination: Destination) -> tuple[Place, int] | None:
        """Return what a destination stands for; None for the Pod itself."""
        address, port, around = destination.address, destination.port, self._surroundings
        text = str(address)
        if port == _DNS_PORT and text in around.name_servers:
            labels = self._labels_of(_DNS_NAMESPACE)
            return Place(text, _DNS_NAMESPACE, _DNS_LABELS, labels), port
        if (pod := self._pods.get(text)) is not None:
            return self._place_of(pod), port
        if (text, port) == around.aws:
            return Place(_AWS), _HTTPS
        if address in around.network:
            return Place(_in_vpc(text)), _HTTPS if (text, port) == around.api else port
        if address.is_loopback or address.is_unspecified:
            return None
        return Place(text), port

    def _place_of(self, pod: PodIdentity) -> Place:
        found: Object = self._followed(Pod).get(f"{pod.namespace}/{pod.name}") or {}
        if found.get("metadata", {}).get("uid") != pod.uid:
            found = {}  # Not known yet, or a later one of the same name.
        return Place(
            _in_vpc(pod.address),
            pod.namespace,
            {**pod.labels, **(found.get("metadata", {}).get("labels") or {})},
            self._labels_of(pod.namespace),
            dict(_named_ports(found)),
            f"Pod {pod.namespace}/{pod.name}",
        )

    def _labels_of(self, namespace: str) -> Mapping[str, str]:
        found = self._followed(Namespace).get(f"/{namespace}") or {"metadata": {}}
        # Every namespace has this one, also before it is followed.
        return {_NAME_LABEL: namespace, **(found["metadata"].get("labels") or {})}

    def _policies_of(self, *namespaces: str) -> list[Policy]:
        found = list(self._followed(NetworkPolicy).values())
        return [policy for policy in found if policy["metadata"]["namespace"] in namespaces]

    def _followed(self, kind: Any) -> dict[str, Object]:
        follower = self._followers.get(kind)
        return {} if follower is None else follower.objects


def _bind(pod: PodIdentity, call: Call) -> int | Redirect:
    """Give all addresses of a Pod the meaning that they have in its own network: its one."""
    for destination in call.destinations:
        if destination.address.is_unspecified and destination.port:
            return Redirect(pod.address)
    return 0


def _in_vpc(address: str) -> str:
    """Return the address of the VPC with the same last two numbers."""
    return ".".join((*VPC.split(".")[:2], *address.split(".")[2:]))


def name_servers() -> frozenset[str]:
    """Return the addresses of this machine's name servers."""
    lines = _RESOLVER.read_text().splitlines() if _RESOLVER.is_file() else []
    fields = (line.split() for line in lines)
    return frozenset(each[1] for each in fields if each[:1] == ["nameserver"] and each[1:])


def _named_ports(pod: Object) -> Iterator[tuple[tuple[str, str], int]]:
    for container in pod.get("spec", {}).get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name"):
                yield (port["name"], port.get("protocol") or _TCP), port["containerPort"]
