"""Evaluation of IAM policies, as far as the sandbox's roles need it.

A statement that this module does not support never grants anything:
AmazonIAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """Request that is evaluated.

    Attributes:
        action: Action: ``secretsmanager:GetSecretValue``.
        resource: ARN, or ``*``; None for a trust policy, which has no resource.
        federated: ARN of the caller's identity provider, for a trust policy.
        caller: ARN of the caller, for a resource's own policy.
        context: Condition keys and their values.
    """

    action: str
    resource: str | None = None
    federated: str | None = None
    caller: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)


def is_allowed(documents: Iterable[str], attempt: Attempt) -> bool:
    """Return True if a statement allows the request and none denies it."""
    return _effects(documents, attempt) == {"Allow"}


def is_denied(documents: Iterable[str], attempt: Attempt) -> bool:
    """Return True if a statement denies the request, whatever others allow."""
    return "Deny" in _effects(documents, attempt)


def _effects(documents: Iterable[str], attempt: Attempt) -> set[Any]:
    return {
        statement.get("Effect")
        for document in documents
        for statement in _list(json.loads(document).get("Statement", []))
        if _applies(statement, attempt)
    }


def _applies(statement: Mapping[str, Any], attempt: Attempt) -> bool:
    denies = statement.get("Effect") == "Deny"
    return (
        _names_action(statement, attempt.action)
        and _names_resource(statement, attempt.resource)
        and _names_principal(statement, attempt)
        and all(
            _holds(operator, key, _list(expected), attempt.context, otherwise=denies)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _names_action(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not _matches_any(_list(statement["NotAction"]), action, ignore_case=True)
    return _matches_any(_list(statement.get("Action", [])), action, ignore_case=True)


def _names_resource(statement: Mapping[str, Any], resource: str | None) -> bool:
    if resource is None:
        return "Resource" not in statement and "NotResource" not in statement
    if "NotResource" in statement:
        return not _matches_any(_list(statement["NotResource"]), resource)
    return _matches_any(_list(statement.get("Resource", [])), resource)


def _names_principal(statement: Mapping[str, Any], attempt: Attempt) -> bool:
    principal = statement.get("Principal", {})
    if attempt.caller is not None:
        named = principal.get("AWS", []) if isinstance(principal, Mapping) else principal
        return not {"*", attempt.caller}.isdisjoint(_list(named))
    if attempt.federated is None:
        return "Principal" not in statement
    return isinstance(principal, Mapping) and attempt.federated in _list(
        principal.get("Federated", [])
    )


def _holds(
    operator: str, key: str, expected: list[str], context: Mapping[str, str], *, otherwise: bool
) -> bool:
    value = context.get(key)
    match operator:
        case "StringEquals":
            return value is not None and value in expected
        case "StringLike":
            return value is not None and _matches_any(expected, value)
        case "StringNotEquals":
            return value not in expected
        case "Bool":
            return value is not None and value in [str(one).lower() for one in expected]
    return otherwise


def _matches_any(patterns: list[str], value: str, *, ignore_case: bool = False) -> bool:
    if ignore_case:
        patterns, value = [pattern.lower() for pattern in patterns], value.lower()
    # IAM supports * and ?, and no character sets.
    return any(fnmatch.fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in patterns)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
