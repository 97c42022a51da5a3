"""What a rule is: a name, a sentence, the types that it looks at, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from infra.policies.declared import Declared

Check = Callable[[Declared], Iterable[str]]
"""Each complaint about one resource, none where it is as it should be."""

StackCheck = Callable[[Sequence[Declared]], Iterable[tuple[Declared, str]]]
"""Each complaint about one of a stack's resources, which are looked at together."""


@dataclass(frozen=True)
class Rule:
    """What each resource by itself must be.

    Attributes:
        name: Its name, as violations show it.
        description: The rule in one sentence.
        check: The function.
        types: Type tokens that it looks at, in full; empty for every type.
        of_each_value: Whether it looks at each value by itself. It can then be asked before an `up`
            as well, about the values that are known by then.
        engine_tells: Whether the engine tells policies what it needs. Where not, the rule holds
            in the tests and over a stack's state.
    """

    name: str
    description: str
    check: Check
    types: frozenset[str] = frozenset()
    of_each_value: bool = False
    engine_tells: bool = True

    def complaints(self, resource: Declared) -> list[str]:
        """What is wrong with a resource."""
        if self.types and resource.type not in self.types:
            return []
        return list(self.check(resource))


@dataclass(frozen=True)
class StackRule:
    """What a stack's resources together must be.

    Attributes:
        name: Its name, as violations show it.
        description: The rule in one sentence.
        check: The function.
        types: Type tokens that it looks at, in full.
        of_each_value: As of a `Rule`.
    """

    name: str
    description: str
    check: StackCheck
    types: frozenset[str]
    of_each_value: bool = False

    def complaints(self, resources: Sequence[Declared]) -> list[tuple[Declared, str]]:
        """What is wrong with which resource."""
        seen = [r for r in resources if not self.types or r.type in self.types]
        return list(self.check(seen))


@dataclass(frozen=True)
class Violation:
    """One thing that a rule found.

    Attributes:
        rule: The rule's name.
        resource: The resource.
        complaint: What is wrong with it.
    """

    rule: str
    resource: Declared
    complaint: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.rule}: {self.resource.type} {self.resource.name}: {self.complaint}"
