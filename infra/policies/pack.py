"""The rules as a pulumi-policy pack, which the engine runs before it creates anything.

All rules are mandatory. Values that are unknown before an `up` are checked during it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi_policy as policy
from pulumi_policy.proxy import UnknownValueError

from infra.policies.catalogue import RULES, STACK_RULES
from infra.policies.declared import Declared
from infra.policies.rule import Rule, StackRule

NAME = "previews"


def policies() -> list[policy.Policy]:
    """Return each rule as a policy."""
    alone = [_resource_policy(rule) for rule in RULES if rule.in_engine]
    together = [_stack_policy(rule) for rule in STACK_RULES]
    return [*alone, *together]


def serve() -> None:
    """Serve the engine until it is done."""
    policy.PolicyPack(NAME, policies(), enforcement_level=policy.EnforcementLevel.MANDATORY)


def known(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties without those that are still unknown."""
    found: dict[str, Any] = {}
    for key in properties:
        try:
            found[key] = _known(properties[key])
        except UnknownValueError:
            continue
    return found


def _known(value: object) -> object:
    if isinstance(value, Mapping):
        return known(cast("Mapping[str, Any]", value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = cast("Sequence[object]", value)
        kept: list[object] = []
        for index in range(len(items)):
            try:
                kept.append(_known(items[index]))
            except UnknownValueError:
                continue
        return kept
    return value


def _resource_policy(rule: Rule) -> policy.ResourceValidationPolicy:
    def validate(
        args: policy.ResourceValidationArgs, report_violation: policy.ReportViolation
    ) -> None:
        properties = known(args.props) if rule.of_each_value else args.props
        declared = Declared(args.urn, args.resource_type, args.name, properties)
        for complaint in rule.complaints(declared):
            report_violation(complaint, None)

    return policy.ResourceValidationPolicy(rule.name, rule.description, validate)


def _stack_policy(rule: StackRule) -> policy.StackValidationPolicy:
    def validate(
        args: policy.StackValidationArgs, report_violation: policy.ReportViolation
    ) -> None:
        declared = [
            Declared(
                r.urn, r.resource_type, r.name, known(r.props) if rule.of_each_value else r.props
            )
            for r in args.resources
        ]
        for resource, complaint in rule.complaints(declared):
            report_violation(complaint, resource.urn)

    return policy.StackValidationPolicy(rule.name, rule.description, validate)
