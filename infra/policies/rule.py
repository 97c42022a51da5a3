"""A rule: a name, a sentence, the types that it applies to, and a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from infra.policies.declared import Declared

Check = Callable[[Declared], Iterable[str]]
"""Function that returns each complaint about one resource."""

StackCheck = Callable[[Sequence[Declared]], Iterable[tuple[Declared, str]]]
"""Function that returns each complaint about one of a stack's resources, seen together."""


@dataclass(frozen=True)
class Rule:
    """A rule about single resources.

    Attributes:
        name: Name, as violations show it.
        description: The rule in one sentence.
        check: Function of the rule.
        types: Type tokens that it applies to, in full; empty for every type.
        of_each_value: True if it checks each value separately. It then also runs before an `up`,
            on the values that are known by then.
        in_engine: False if it needs a property that the engine doesn't pass to policies. It then
            applies only in tests and to a stack's state.
    """

    name: str
    description: str
    check: Check
    types: frozenset[str] = frozenset()
    of_each_value: bool = False
    in_engine: bool = True

    def complaints(self, resource: Declared) -> list[str]:
        """Return each complaint about a resource."""
        if self.types and resource.type not in self.types:
            return []
        return list(self.check(resource))


@dataclass(frozen=True)
class StackRule:
    """A rule about all resources of a stack together.

    Attributes:
        name: Name, as violations show it.
        description: The rule in one sentence.
        check: Function of the rule.
        types: Type tokens that it applies to, in full.
        of_each_value: The same as of a `Rule`.
    """

    name: str
    description: str
    check: StackCheck
    types: frozenset[str]
    of_each_value: bool = False

    def complaints(self, resources: Sequence[Declared]) -> list[tuple[Declared, str]]:
        """Return each complaint with its resource."""
        seen = [r for r in resources if not self.types or r.type in self.types]
        return list(self.check(seen))


@dataclass(frozen=True)
class Violation:
    """A violation of a rule.

    Attributes:
        rule: Name of the rule.
        resource: The resource.
        complaint: Description of the violation.
    """

    rule: str
    resource: Declared
    complaint: str

    def __str__(self) -> str:
        """Return one line for a person."""
        return f"{self.rule}: {self.resource.type} {self.resource.name}: {self.complaint}"
