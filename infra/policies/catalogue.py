"""All rules, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Sequence

from infra.policies import (
    buckets,
    clusters,
    databases,
    disclosure,
    identities,
    ingresses,
    networks,
    ownership,
    pods,
    sizes,
    wiring,
)
from infra.policies.declared import Declared
from infra.policies.rule import Rule, StackRule, Violation

RULES: tuple[Rule, ...] = (
    *databases.RULES,
    *buckets.RULES,
    *clusters.RULES,
    *networks.RULES,
    *ownership.RULES,
    *identities.RULES,
    *pods.RULES,
    *ingresses.RULES,
    *disclosure.RULES,
    *sizes.RULES,
    *wiring.RULES,
)
STACK_RULES: tuple[StackRule, ...] = (
    *buckets.STACK_RULES,
    *disclosure.STACK_RULES,
    *wiring.STACK_RULES,
)


def violations(resources: Sequence[Declared]) -> list[Violation]:
    """Return every violation in a stack's resources."""
    alone = [
        Violation(rule.name, resource, complaint)
        for rule in RULES
        for resource in resources
        for complaint in rule.complaints(resource)
    ]
    together = [
        Violation(rule.name, resource, complaint)
        for rule in STACK_RULES
        for resource, complaint in rule.complaints(resources)
    ]
    return [*alone, *together]
