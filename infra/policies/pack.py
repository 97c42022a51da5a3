"""The rules as a pulumi-policy pack: the engine asks it before it makes anything.

All rules are mandatory. What is not known before an `up` is asked about again during it.
"""

from __future__ import annotations

import pulumi_policy as policy

from infra.policies.catalogue import RULES, STACK_RULES
from infra.policies.declared import Declared
from infra.policies.rule import Rule, StackRule

NAME = "previews"


def policies() -> list[policy.Policy]:
    """Each rule as a policy."""
    alone = [_resource_policy(rule) for rule in RULES if rule.engine_tells]
    together = [_stack_policy(rule) for rule in STACK_RULES]
    return [*alone, *together]


def serve() -> None:
    """Answer the engine until it is done."""
    policy.PolicyPack(NAME, policies(), enforcement_level=policy.EnforcementLevel.MANDATORY)


def _resource_policy(rule: Rule) -> policy.ResourceValidationPolicy:
    def validate(
        args: policy.ResourceValidationArgs, report_violation: policy.ReportViolation
    ) -> None:
        declared = Declared(args.urn, args.resource_type, args.name, args.props)
        for complaint in rule.complaints(declared):
            report_violation(complaint, None)

    return policy.ResourceValidationPolicy(rule.name, rule.description, validate)


def _stack_policy(rule: StackRule) -> policy.StackValidationPolicy:
    def validate(
        args: policy.StackValidationArgs, report_violation: policy.ReportViolation
    ) -> None:
        declared = [Declared(r.urn, r.resource_type, r.name, r.props) for r in args.resources]
        for resource, complaint in rule.complaints(declared):
            report_violation(complaint, resource.urn)

    return policy.StackValidationPolicy(rule.name, rule.description, validate)
