"""What is left of a stack, found by looking rather than by what Pulumi says."""

from __future__ import annotations

from sandbox.aws.inventory import inventory
from sandbox.kubectl import read
from sandbox.settings import Settings


def leftovers(stack: str, settings: Settings) -> list[str]:
    """Everything in AWS and Kubernetes that carries the stack's tag or name.

    Args:
        stack: Name of the stack, ``pr-42``.
        settings: The sandbox to look into; it must be running.

    Returns:
        One line a thing, sorted; empty when nothing is left.
    """
    found = [
        f"{item.type} {item.id}"
        for item in inventory(settings)
        if item.tags.get("stack") == stack or stack in item.id.split("/")
    ]
    found += [
        f"Namespace {namespace['metadata']['name']}"
        for namespace in read(settings, "namespaces")["items"]
        if namespace["metadata"]["name"] == stack
    ]
    return sorted(found)
