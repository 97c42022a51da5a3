"""A preview's IAM roles: assumed by one service account, for its secrets or its bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from infra.bucket_access import ON_BUCKET, ON_OBJECTS
from infra.policies.declared import Declared, Properties, below, each, get
from infra.policies.ownership import ROLE, ROLE_POLICY, belongs
from infra.policies.rule import Rule

_APPENDED = "-??????"
_WILDCARD = {*"*?"}
_USES = frozenset({*ON_BUCKET, *ON_OBJECTS})
_READS = frozenset({"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"})
_DECRYPTS = frozenset({"kms:Decrypt"})


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


def uses_its_own(policy: Declared) -> Iterator[str]:
    """Require that a preview's role reads secrets that are named in full, or uses its bucket."""
    if not policy.in_preview:
        return
    for statement in _statements(policy.get("policy")):
        actions = set(_strings(statement.get("Action")))
        if statement.get("Effect") != "Allow":
            continue
        resources = _strings(statement.get("Resource"))
        allowed = _USES if any(":s3:" in resource for resource in resources) else _READS
        if actions and actions <= _DECRYPTS:
            allowed, resources = _DECRYPTS, _decrypted(statement)
        if "NotAction" in statement or not actions <= allowed:
            yield f"it allows {', '.join(sorted(actions - allowed)) or 'all but some actions'}"
        if not resources or any(_WILDCARD & {*_full(resource, policy)} for resource in resources):
            yield f"it names no resource in full: {', '.join(resources) or 'none'}"
        for resource in resources:
            bucket = resource.partition(":s3:::")[2].partition("/")[0]
            if bucket and not belongs(bucket, policy.stack):
                yield f"it is for the bucket {bucket}: expected one of {policy.stack}"


def _decrypted(statement: Properties) -> list[str]:
    """Return the secrets that a key is used for, none where it is used for anything else."""
    service = below(statement, "Condition", "StringEquals").get("kms:ViaService")
    secrets = below(statement, "Condition", "StringLike").get("kms:EncryptionContext:SecretARN")
    return _strings(secrets) if str(service).startswith("secretsmanager.") else []


def _full(resource: str, policy: Declared) -> str:
    """Return an ARN without its usual end.

    That is six characters that Secrets Manager appends to the app's own, or all objects.
    """
    own = f":secret:{policy.stack.managed_secret('')}"
    if ":s3:" in resource:
        return resource.removesuffix("/*")
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
        "preview-role-uses-its-own",
        "A preview's role reads secrets that are named in full, or uses its own bucket.",
        uses_its_own,
        frozenset({ROLE_POLICY}),
    ),
)
