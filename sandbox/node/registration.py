"""The Node object and its Lease: how the cluster knows that the node is there."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import shutil
from pathlib import Path

from sandbox.kube import clock
from sandbox.kube.client import CONFLICT, NOT_FOUND, UNREACHABLE, ApiClient, ApiError
from sandbox.kube.objects import Object, uid_of
from sandbox.node.config import NodeConfig

_LOG = logging.getLogger(__name__)
_NODES = "/api/v1/nodes"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LEASE_SECONDS = 40
_RENEW_SECONDS = 10.0
_STATUS_SECONDS = 60.0
_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 5.0
KUBELET_VERSION = "v1.36.3"

CPU_OVERCOMMIT = 8
"""Previews ask for production's share of a processor and idle nearly all the time.

Requests only decide here whether a Pod is scheduled, so that a machine with two
processors has to offer more of them than it has.
"""
_MOST_PODS = 250


class Registration:
    """Registers the node and keeps it alive.

    Attributes:
        done: Set once the Node is registered and Ready.
    """

    def __init__(self, client: ApiClient, config: NodeConfig) -> None:
        self._client = client
        self._config = config
        self._uid = ""
        self.done = asyncio.Event()

    async def run(self) -> None:
        """Register, then renew the Lease and the status until cancelled."""
        delay = _RETRY_SECONDS
        next_status = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                if loop.time() >= next_status:
                    await self._register()
                    next_status = loop.time() + _STATUS_SECONDS
                await self._renew()
            except (ApiError, *UNREACHABLE) as error:
                _LOG.info("node %s not registered or renewed: %r", self._config.name, error)
                next_status = 0.0
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_RETRY_SECONDS)
            else:
                delay = _RETRY_SECONDS
                self.done.set()
                await asyncio.sleep(_RENEW_SECONDS)

    async def _register(self) -> None:
        name = self._config.name
        try:
            node = await self._client.create(_NODES, self._node())
        except ApiError as error:
            if error.code != CONFLICT:
                raise
            changes = {"metadata": {"labels": self._node()["metadata"]["labels"]}}
            node = await self._client.patch(f"{_NODES}/{name}", changes)
        self._uid = uid_of(node)
        await self._client.patch(f"{_NODES}/{name}/status", {"status": self._status(node)})

    async def _renew(self) -> None:
        name = self._config.name
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": clock.rfc3339_micro(clock.now()),
        }
        try:
            await self._client.patch(f"{_LEASES}/{name}", {"spec": spec}, strategic=False)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self._uid}
            await self._client.create(
                _LEASES,
                {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": name, "ownerReferences": [owner]},
                    "spec": spec,
                },
            )

    def _node(self) -> Object:
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        )
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self._config.name,
                "labels": {
                    "kubernetes.io/hostname": self._config.name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": architecture,
                    "node.kubernetes.io/instance-type": "sandbox",
                    "topology.kubernetes.io/region": "us-east-1",
                    "topology.kubernetes.io/zone": "us-east-1a",
                },
            },
            "spec": {},
        }

    def _status(self, node: Object) -> Object:
        now = clock.rfc3339(clock.now())
        known = {c["type"]: c for c in node.get("status", {}).get("conditions") or ()}
        amounts = capacity(self._config.home)
        return {
            "addresses": [
                {"type": "InternalIP", "address": self._config.address},
                {"type": "Hostname", "address": self._config.name},
            ],
            "capacity": amounts,
            "allocatable": amounts,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._config.port}},
            "nodeInfo": _node_info(),
            "conditions": [
                _condition(known.get(kind), kind, value, reason, message, now)
                for kind, value, reason, message in _CONDITIONS
            ],
        }


_CONDITIONS = (
    ("Ready", "True", "KubeletReady", "the sandbox's node runs Pods as processes"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "memory is not watched here"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "disks are not watched here"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "processes are not counted here"),
)


def capacity(folder: Path) -> dict[str, str]:
    """What the node offers; ``folder`` says which disk."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    while not folder.exists():
        folder = folder.parent
    return {
        "cpu": str((os.cpu_count() or 1) * CPU_OVERCOMMIT),
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": f"{shutil.disk_usage(folder).total // 1024}Ki",
        "pods": str(_MOST_PODS),
    }


def _condition(
    known: Object | None, kind: str, value: str, reason: str, message: str, now: str
) -> Object:
    same = known is not None and known.get("status") == value
    return {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": now,
        "lastTransitionTime": known["lastTransitionTime"] if known and same else now,
    }


def _node_info() -> Object:
    return {
        "architecture": platform.machine(),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": "process://1",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": _read("/etc/machine-id"),
        "operatingSystem": "linux",
        "osImage": _os_name(),
        "systemUUID": "",
    }


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
