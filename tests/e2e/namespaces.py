"""Namespaces that can't be deleted, each for a reason that occurs in real clusters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from sandbox.supervisor import read_status
from tests.e2e.world import World
from tests.waiting import eventually

_FINALIZER = "example.com/held"
_GROUP = "stale.example.com"


def ends(world: World, stack: str) -> Any:
    """Since when a stack's namespace is being removed; None where it is not."""
    found = world.kubectl("get", "namespace", stack)["metadata"]
    return found.get("deletionTimestamp")


def is_gone(world: World, stack: str) -> bool:
    """Return True if a stack has no namespace."""
    namespaces = world.kubectl("get", "namespaces")["items"]
    return all(one["metadata"]["name"] != stack for one in namespaces)


@contextmanager
def held_by_a_finalizer(world: World, stack: str) -> Iterator[tuple[str, ...]]:
    """Something in it is for a controller to clear away that does not run.

    Yields:
        What a failure has to name.
    """
    world.kubectl("create", "configmap", "held", "--namespace", stack)
    _finalize(world, stack, [_FINALIZER])
    try:
        yield "NamespaceFinalizersRemaining", _FINALIZER
    finally:
        _finalize(world, stack, [])


def _finalize(world: World, stack: str, finalizers: list[str]) -> None:
    patch = json.dumps({"metadata": {"finalizers": finalizers}})
    world.kubectl(
        *("patch", "configmap", "held", "--namespace", stack, "--type=merge", "--patch", patch)
    )


@contextmanager
def held_by_a_dead_api(world: World, _stack: str) -> Iterator[tuple[str, ...]]:
    """An aggregated API does not answer, so that nobody knows what is in a namespace.

    Yields:
        What a failure has to name.
    """
    name = f"v1.{_GROUP}"
    document = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {
            "group": _GROUP,
            "version": "v1",
            "groupPriorityMinimum": 1,
            "versionPriority": 1,
            "insecureSkipTLSVerify": True,
            "service": {"namespace": "default", "name": "nowhere"},
        },
    }
    file = world.settings.home / "dead-api.json"
    file.write_text(json.dumps(document))
    world.kubectl("create", "--filename", str(file))

    def is_known() -> bool:
        found = world.kubectl("get", "apiservice", name).get("status", {}).get("conditions", ())
        return any(one["type"] == "Available" and one["status"] == "False" for one in found)

    try:
        eventually(is_known, f"{name} is known not to answer")
        yield "NamespaceDeletionDiscoveryFailure", _GROUP
    finally:
        world.run("kubectl", "delete", "apiservice", name)


@contextmanager
def external_secrets_stopped(world: World) -> Iterator[None]:
    """The operator hangs: nothing that waits for it goes on, and nobody starts it again."""
    (row,) = [one for one in read_status(world.settings) if one.name == "external-secrets"]
    process = psutil.Process(row.pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def end_within(world: World, stack: str, seconds: int) -> float:
    """Shorten the bound within which a namespace has to end; returns the one that it had."""
    file = world.state_file(stack)
    state = json.loads(file.read_text())
    (namespace,) = [
        resource
        for resource in state["checkpoint"]["latest"]["resources"]
        if resource["type"] == "kubernetes:core/v1:Namespace"
    ]
    had = namespace["customTimeouts"]["delete"]
    namespace["customTimeouts"]["delete"] = seconds
    file.write_text(json.dumps(state))
    return float(had)
