"""Inventory of a sandbox, for a comparison before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sandbox.aws.inventory import inventory as aws_inventory
from tests.e2e.processes import serves_a_client, words
from tests.e2e.world import World

# Kubernetes' own: leases are renewed, events expire, metrics come some seconds after a Pod.
_NOT_OURS = (
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "nodes.metrics.k8s.io",
    "pods.metrics.k8s.io",
)


def everything(world: World) -> set[str]:
    """AWS, Kubernetes, processes, folders of data and images, a line each."""
    return {
        *_aws(world),
        *_kubernetes(world),
        *_processes(world),
        *_folders(world.settings.home),
        *_stacks(world),
    }


def _aws(world: World) -> Iterator[str]:
    for item in aws_inventory(world.settings):
        yield f"aws {item.type} {item.id}"


def _kubernetes(world: World) -> Iterator[str]:
    for name in _listable_kinds(world):
        if name in _NOT_OURS:
            continue
        for item in world.kubectl("get", name, "--all-namespaces")["items"]:
            metadata = item["metadata"]
            yield f"kubernetes {name} {metadata.get('namespace', '')}/{metadata['name']}"


def _listable_kinds(world: World) -> list[str]:
    output = world.run("kubectl", "api-resources", "--verbs=list", "--output=name")
    return [line for line in output.splitlines() if line and " " not in line]


def _processes(world: World) -> Iterator[str]:
    """Return the supervisor's descendants by command and count, without pids."""
    seen: Counter[str] = Counter()
    for process in world.processes():
        command = " ".join(words(process))
        # A server's workers come and go; what it serves stays.
        if command and not serves_a_client(process):
            seen[command] += 1
            yield f"process {command} #{seen[command]}"


def _folders(home: Path) -> Iterator[str]:
    # Layers and results of builds stay a while as a cache, which belongs to no stack.
    images = ("images/images/*", "images/blobs/*", "images/tags/**/*")
    for pattern in ("rds/*", "snapshots/*", "node/*/*", *images):
        for path in home.glob(pattern):
            yield f"folder {path.relative_to(home)}"


def _stacks(world: World) -> Iterator[str]:
    """Files of Pulumi's backend, but for history and copies, which it keeps on purpose."""
    backend = world.settings.home / "pulumi" / "state" / ".pulumi"
    for path in backend.rglob("*"):
        kept = {"history", "backups"} & set(path.relative_to(backend).parts)
        if path.is_file() and not kept and ".bak" not in path.suffixes:
            yield f"state {path.relative_to(backend)}"
