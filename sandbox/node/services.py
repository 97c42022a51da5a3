"""Names and addresses of Services for Pods, in place of the cluster's DNS and of kube-proxy.

A Service's name is in each Pod's ``/etc/hosts``, which is rewritten when Services change. Its
address is nobody's on this machine: a connection to it is made to one of its ready Pods instead
(``network.py``). Headless Services have no address, and so no name here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.balancer.model import Object
from sandbox.node.denials import PodIdentity

HOSTS: Final = "/etc/hosts"
_DOMAIN: Final = "svc.cluster.local"
_HEADLESS: Final = "None"
_SERVICE_LABEL: Final = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Backend:
    """Address and port of a Pod behind a Service."""

    address: str
    port: int


def service_at(services: Iterable[Object], address: str) -> Object | None:
    """Return the Service that has an address."""
    return next((one for one in services if one["spec"].get("clusterIP") == address), None)


def ready_backends(service: Object, port: int, slices: Iterable[Object]) -> list[Backend]:
    """Return the ready Pods behind a TCP port of a Service."""
    metadata = service["metadata"]
    names = {
        one.get("name") or ""
        for one in service["spec"].get("ports") or ()
        if one["port"] == port and (one.get("protocol") or "TCP") == "TCP"
    }
    return [
        Backend(address, target["port"])
        for found in slices
        if found["metadata"]["namespace"] == metadata["namespace"]
        and (found["metadata"].get("labels") or {}).get(_SERVICE_LABEL) == metadata["name"]
        for target in found.get("ports") or ()
        if (target.get("name") or "") in names
        for endpoint in found.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready")
        for address in endpoint["addresses"]
    ]


def hosts(services: Iterable[Object], namespace: str) -> str:
    """Return the lines of ``/etc/hosts`` with the Services' names, as a namespace has them."""
    return "".join(sorted(_lines(services, namespace)))


def _lines(services: Iterable[Object], namespace: str) -> Iterator[str]:
    for one in services:
        address = one["spec"].get("clusterIP") or _HEADLESS
        if address == _HEADLESS:
            continue
        name, own = one["metadata"]["name"], one["metadata"]["namespace"]
        names = [f"{name}.{own}", f"{name}.{own}.svc", f"{name}.{own}.{_DOMAIN}"]
        yield f"{address}\t{' '.join([*([name] if own == namespace else []), *names])}\n"


@dataclass(frozen=True)
class _HostsFile:
    namespace: str
    path: Path
    own: str


class HostsFiles:
    """The ``/etc/hosts`` of this node's Pods."""

    def __init__(self) -> None:
        self._files: dict[str, _HostsFile] = {}
        self._services: Mapping[str, Object] = {}

    def add(self, pod: PodIdentity, path: Path, own: str) -> None:
        """Write a Pod's file, and keep it up to date.

        Args:
            pod: The Pod.
            path: Its file, which its containers mount.
            own: The kubelet's lines, with the Pod's own name.
        """
        self._files[pod.address] = _HostsFile(pod.namespace, path, own)
        self._write(self._files[pod.address])

    def remove(self, pod: PodIdentity) -> None:
        """Leave a Pod's file as it is."""
        self._files.pop(pod.address, None)

    def update(self, services: Mapping[str, Object]) -> None:
        """Write the files with the Services that there are now."""
        self._services = services
        for file in self._files.values():
            self._write(file)

    def _write(self, file: _HostsFile) -> None:
        content = f"{file.own}{hosts(self._services.values(), file.namespace)}".encode()
        # In place, since containers mount the file itself; and at no time empty.
        descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
        finally:
            os.close(descriptor)
