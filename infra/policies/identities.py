"""A preview's IAM role: assumed by one service account, for one secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from infra.policies.declared import Declared, Properties, below, each, get
from infra.policies.ownership import ROLE, ROLE_POLICY
from infra.policies.rule import Rule

_APPENDED = "-??????"
_WILDCARD = {*"*?"}
_READS = frozenset({"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"})


def taken_by_its_own(role: Declared) -> Iterator[str]:
    """Require that only a service account of the preview's namespace may assume its role."""
    if not role.in_preview:
        return
    namespace = role.stack.namespace
    for statement in _statements(role.get("assumeRolePolicy")):
        if statement.get("Action") != "sts:AssumeRoleWithWebIdentity":
            yield f"it may be assumed by {statement.get('Action')}"
        equals = below(statement, "Condition", "StringEquals")
        subjects = [v for key, v in equals.items() if key.endswith(":sub")]
        if not subjects or not all(
            str(subject).startswith(f"system:serviceaccount:{namespace}:") for subject in subjects
        ):
            yield f"it may be assumed by others than a service account of {namespace}"
    if role.get("managedPolicyArns") or role.get("inlinePolicies"):
        yield "it has policies that are not resources of their own"


def reads_one_secret(policy: Declared) -> Iterator[str]:
    """Require that a preview's role only reads secrets that are named in full."""
    if not policy.in_preview:
        return
    for statement in _statements(policy.get("policy")):
        actions = set(_strings(statement.get("Action")))
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement or not actions <= _READS:
            yield f"it allows {', '.join(sorted(actions - _READS)) or 'all but some actions'}"
        resources = _strings(statement.get("Resource"))
        if not resources or any(_WILDCARD & {*_full(resource, policy)} for resource in resources):
            yield f"it names no resource in full: {', '.join(resources) or 'none'}"


def _full(resource: str, policy: Declared) -> str:
    """Return an ARN without the six characters that Secrets Manager appends to the app's own."""
    own = f":secret:{policy.stack.managed_secret('')}"
    return resource.removesuffix(_APPENDED) if own in resource else resource


def _statements(document: object) -> list[Properties]:
    """Parse the statements of a policy, which is JSON."""
    parsed = json.loads(document) if isinstance(document, str) else document
    statements = get(parsed, "Statement")
    return each(parsed, "Statement") if isinstance(statements, list) else [below(statements)]


def _strings(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in cast("list[object]", value)]
    return [] if value is None else [str(value)]


RULES = (
    Rule(
        "preview-role-taken-by-its-own",
        "A preview's role is for its own namespace alone.",
        taken_by_its_own,
        frozenset({ROLE}),
    ),
    Rule(
        "preview-role-reads-one-secret",
        "A preview's role reads secrets that are named in full, and does nothing else.",
        reads_one_secret,
        frozenset({ROLE_POLICY}),
    ),
)
