"""Stacks and places in memory, in the place of Pulumi's and AWS's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from contract.stack_name import StackName
from previews.clients import Clients
from previews.errors import PreviewsError
from previews.inventory.item import Item
from previews.pulumi.stacks import Stacks
from previews.pulumi.state import StackState, StackSummary, read_state
from tests.contract.platform import PLATFORM

NOW = datetime.now(UTC)


def failure(what: str) -> PreviewsError:
    return PreviewsError("some-failure", what, why="it broke", remedy="mend it.")


@dataclass
class MemoryStacks:
    """As many of `Stacks`' methods as the lifecycle calls, without Pulumi.

    Attributes:
        fail_on: The call that fails: ``destroy pr-42``.
        stays: The resources that a state still has after a destroy.
    """

    known: dict[str, StackSummary] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    backend: str = "https://api.pulumi.com"
    calls: list[str] = field(default_factory=list)
    fail_on: str = ""
    on_destroy: Callable[[str], None] | None = None
    stays: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, *, days_ago: float = 0, **deployment: Any) -> None:
        updated = NOW - timedelta(days=days_ago)
        self.known[name] = StackSummary(name=name, last_update=updated)
        self.documents[name] = {"version": 3, "deployment": deployment}

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if call == self.fail_on:
            raise failure(call)

    def all(self) -> list[StackSummary]:
        self._called("all")
        return sorted(self.known.values(), key=lambda summary: summary.name)

    def exists(self, stack: str) -> bool:
        self._called(f"exists {stack}")
        return stack in self.known

    def of_all_apps(self) -> list[StackName]:
        found = (StackName.find(summary.name) for summary in self.all())
        return [stack for stack in found if stack is not None]

    def state(self, stack: str, *, project: str = "previews") -> StackState:
        self._called(f"state {stack}")
        return read_state(stack, self.documents[stack])

    def history(self, stack: str, *, limit: int = 1) -> list[dict[str, Any]]:
        return self.updates[:limit]

    def tags(self, stack: str) -> dict[str, str]:
        return self.kept_tags.get(stack, {})

    def tag(self, stack: str, name: str, value: str) -> None:
        self._called(f"tag {stack}")
        self.kept_tags.setdefault(stack, {})[name] = value

    def destroy(self, stack: str) -> None:
        self._called(f"destroy {stack}")
        if self.on_destroy is not None:
            self.on_destroy(stack)
        self.documents[stack]["deployment"]["resources"] = list(self.stays)
        self.updates.insert(0, {"kind": "destroy", "result": "succeeded"})

    def refresh(self, stack: str) -> None:
        self._called(f"refresh {stack}")

    def replace_state(self, stack: str, file: Path) -> None:
        self._called(f"replace {stack}")
        self.documents[stack] = json.loads(file.read_text())

    def cancel(self, stack: str) -> None:
        self._called(f"cancel {stack}")
        self.updates = []

    def remove(self, stack: str) -> None:
        self._called(f"remove {stack}")
        if self.documents[stack]["deployment"].get("resources"):
            # As `pulumi stack rm` does without --force.
            raise failure(f"'{stack}' still has resources; removal rejected")
        del self.known[stack]

    def backend_url(self) -> str:
        return self.backend


@dataclass
class MemoryPlace:
    """Somewhere things are.

    Attributes:
        fails: Whether nothing can be looked at.
        refuses: The ids of what it refuses to delete.
        lingers: The ids of what it agrees to delete, and then doesn't.
    """

    items: list[Item] = field(default_factory=list)
    name: str = "RDS"
    looks: int = 0
    removed: list[str] = field(default_factory=list)
    fails: bool = False
    refuses: tuple[str, ...] = ()
    lingers: tuple[str, ...] = ()

    def find(self) -> Iterable[Item]:
        self.looks += 1
        if self.fails:
            raise failure(self.name)
        return list(self.items)

    def remove(self, item: Item) -> None:
        if item.id in self.refuses:
            raise failure(f"{self.name} {item.id}")
        self.removed.append(item.id)
        if item.id not in self.lingers:
            self.items.remove(item)


@dataclass(frozen=True)
class Named:
    """A repository that was never renamed."""

    name: str

    def has_been(self, name: str) -> bool:
        return name == self.name


def thing(
    stack: str, *, place: str = "RDS", kind: str = "instance", expires: str = "", **more: Any
) -> Item:
    return Item(stack=stack, place=place, kind=kind, id=stack, by="tag", expires=expires, **more)


def clients_of(stacks: MemoryStacks, *places: MemoryPlace, **settings: Any) -> Clients:
    """Clients whose stacks and places are these, and whose GitHub is the environment's."""
    from previews.settings import Settings

    clients = Clients(Settings.read(**settings))
    clients.__dict__["stacks"] = cast("Stacks", stacks)
    clients.__dict__["places"] = places
    clients.__dict__["platform"] = PLATFORM
    return clients
