"""Services on the node: their names in a Pod's hosts, and the Pods behind their addresses."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice

from sandbox.node.gate import Redirect
from sandbox.node.services import Backend, HostsFiles, hosts, ready_backends, service_at
from tests.sandbox.node.test_network import APP, OTHER, Cache, World

REDIS, MAIL = "10.100.7.1", "10.100.7.2"


def service(name: str, address: str, namespace: str = "pr-42", **ports: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "clusterIP": address,
            "ports": [{"name": each, "port": number} for each, number in ports.items()],
        },
    }


def endpoints(
    name: str, *addresses: str, ready: bool = True, namespace: str = "pr-42", **ports: int
) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"{name}-x",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "ports": [{"name": each, "port": number} for each, number in ports.items()],
        "endpoints": [{"addresses": [each], "conditions": {"ready": ready}} for each in addresses],
    }


def test_a_service_has_its_short_name_in_its_own_namespace_alone() -> None:
    services = [service("redis", REDIS), service("redis", MAIL, "pr-43"), service("x", "None")]
    assert hosts(services, "pr-42") == (
        f"{REDIS}\tredis redis.pr-42 redis.pr-42.svc redis.pr-42.svc.cluster.local\n"
        f"{MAIL}\tredis.pr-43 redis.pr-43.svc redis.pr-43.svc.cluster.local\n"
    )


def test_a_pod_s_file_follows_the_services_in_place(tmp_path: Path) -> None:
    files, path = HostsFiles(), tmp_path / "hosts"
    files.update({"pr-42/redis": service("redis", REDIS)})
    files.add(APP, path, "127.0.0.1\tlocalhost\n")
    inode = path.stat().st_ino
    assert path.read_text().startswith(f"127.0.0.1\tlocalhost\n{REDIS}\tredis ")
    files.update({})
    assert path.read_text() == "127.0.0.1\tlocalhost\n"
    assert path.stat().st_ino == inode, "containers have mounted the file itself"
    files.remove(APP)
    files.update({"pr-42/redis": service("redis", REDIS)})
    assert path.read_text() == "127.0.0.1\tlocalhost\n"


def test_only_ready_pods_of_the_port_are_behind_a_service() -> None:
    mail = service("mail", MAIL, smtp=1025, http=80)
    slices = [
        endpoints("mail", "127.99.10.7", smtp=1025, http=8025),
        endpoints("mail", "127.99.10.8", ready=False, smtp=1025),
        endpoints("mail", "127.99.10.9", namespace="pr-43", smtp=1025),
        endpoints("other", "127.99.10.10", smtp=1025),
    ]
    assert ready_backends(mail, 1025, slices) == [Backend("127.99.10.7", 1025)]
    assert ready_backends(mail, 80, slices) == [Backend("127.99.10.7", 8025)]
    assert ready_backends(mail, 81, slices) == []
    assert service_at([mail], MAIL) is mail
    assert service_at([mail], REDIS) is None


@pytest.fixture
def world() -> World:
    world = World()
    world.caches[Service] = Cache(
        {
            "pr-42/web": service("web", REDIS, http=80),
            "pr-43/other": service("other", MAIL, "pr-43", http=80),
        }
    )
    world.caches[EndpointSlice] = Cache(
        {"pr-43/other": endpoints("other", OTHER.address, namespace="pr-43", http=8000)}
    )
    return world


def test_a_connection_to_a_service_is_made_to_its_pod(world: World) -> None:
    assert world.asks(MAIL, 80) == Redirect(OTHER.address, 8000)


def test_a_service_without_a_ready_pod_refuses(world: World) -> None:
    assert world.asks(REDIS, 80) == errno.ECONNREFUSED
    assert world.asks(MAIL, 81) == errno.ECONNREFUSED


def test_the_policies_are_about_the_pod_behind_a_service(world: World) -> None:
    world.allow({"to": [{"podSelector": {}}], "ports": [{"port": 8000}]})
    assert world.asks(MAIL, 80) == errno.ETIMEDOUT, "it is of another namespace"
    peer = {"namespaceSelector": {}, "podSelector": {}}
    world.allow({"to": [peer], "ports": [{"port": 80}]})
    assert world.asks(MAIL, 80) == errno.ETIMEDOUT, "the Pod's port counts"
    world.allow({"to": [peer], "ports": [{"port": 8000}]})
    assert world.asks(MAIL, 80) == Redirect(OTHER.address, 8000)
