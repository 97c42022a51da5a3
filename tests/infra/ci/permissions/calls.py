"""The recorded calls of AWS, and what each is about when a stack's own resources are meant."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

from contract.stack_name import StackKind, StackName
from infra.ci.permissions.shared import BYPASS
from tests.infra.ci.permissions.simulator import ACCOUNT, Attempt, Context
from tests.infra.ci.permissions.test_permissions import (
    BOUND,
    BUCKET,
    CHANGE_RECORDS,
    DATA_BOUND,
    DATABASE_IMAGES,
    DELETE_BACKUP,
    GROUP,
    HERE,
    IMAGES,
    KEPT,
    KEY,
    MODIFY,
    PRIVATE,
    REGION,
    RESTORE,
    STAGINGS_BUCKET,
    VPC,
    ZONE,
    db,
    records,
    role,
    secret,
    snapshot,
)

Recorded = dict[str, dict[str, Any]]

CALLS: Recorded = tomllib.loads((Path(__file__).parent / "calls.toml").read_text())
TYPES = cast("dict[str, dict[str, list[str]]]", CALLS["types"])
POOL = f"arn:aws:cognito-idp:{HERE}:userpool/{REGION}_Abc"
BYPASS_SECRET = secret(f"{BYPASS}tests-AbCdEf")
OWN = ("create", "read", "update", "tag", "untag", "delete")
"""Phases of a resource in a stack that the role itself creates."""
NO_PERMISSION = frozenset({"sts:GetCallerIdentity"})
"""Calls that AWS allows everybody."""


def of_types(types: Collection[str], phases: Collection[str]) -> set[str]:
    """Return the calls that the provider makes for resources of some types."""
    return {call for each in types for phase in phases for call in TYPES[each].get(phase, ())}


def attempts(calls: Collection[str], stack: StackName) -> Iterator[Attempt]:
    """Yield each call with its resource, in every way in which it is made for a stack."""
    about = _about_staging() if stack.kind is StackKind.STAGING else _about_own(stack)
    for call in sorted(set(calls) - NO_PERMISSION):
        for resource, context in about.get(call, [("*", {})]):
            yield Attempt(call, resource, context)


_About = dict[str, list[tuple[str, Context]]]

_COMMIT = {"aws:RequestTag/commit": "abc"}
_STATE = "arn:aws:s3:::acme-state"


def _anyones(stack: StackName) -> _About:
    """Return the resources of the calls that are made for every stack."""
    state = f"{_STATE}/.pulumi/stacks/previews/{stack.value}.json"
    images: list[tuple[str, Context]] = [(IMAGES, {})]
    if stack.kind is StackKind.STAGING:
        images = [*images, (DATABASE_IMAGES, {})]
    of_state = {"kms:ResourceAliases": "alias/acme-state"}
    pool: list[tuple[str, Context]] = [(POOL, {})]
    return {
        **{
            f"ecr:{name}": images
            for name in (
                "BatchCheckLayerAvailability",
                "BatchDeleteImage",
                "BatchGetImage",
                "CompleteLayerUpload",
                "GetDownloadUrlForLayer",
                "InitiateLayerUpload",
                "ListImages",
                "PutImage",
                "UploadLayerPart",
            )
        },
        "eks:DescribeCluster": [(f"arn:aws:eks:{HERE}:cluster/lab", {})],
        "cognito-idp:CreateUserPoolClient": pool,
        "cognito-idp:DeleteUserPoolClient": pool,
        "cognito-idp:DescribeUserPool": pool,
        "cognito-idp:DescribeUserPoolClient": pool,
        "cognito-idp:GetUserPoolMfaConfig": pool,
        "cognito-idp:UpdateUserPoolClient": pool,
        "kms:Decrypt": [(KEY, of_state)],
        "kms:Encrypt": [(KEY, of_state)],
        "s3:GetObject": [(state, {})],
        "s3:PutObject": [(state, {}), (f"{_STATE}/.pulumi/locks/organization/{_place(stack)}", {})],
        "secretsmanager:GetSecretValue": [
            (BYPASS_SECRET, {"secretsmanager:SecretId": BYPASS_SECRET})
        ],
    }


def _place(stack: StackName) -> str:
    return f"previews/{stack.value}/0123.json"


def _about_own(stack: StackName) -> _About:
    """Return the resources of a preview, or a shared server, that the role creates and deletes."""
    name = stack.name
    new = {"aws:RequestTag/stack": name}
    own = {"aws:ResourceTag/stack": name}
    restored = {**new, **PRIVATE}
    created: Context = {**new, "ec2:CreateAction": "CreateSecurityGroup"}
    bound = DATA_BOUND if stack.kind is StackKind.DATA else BOUND
    roles = [role(stack.secrets_role)]
    if stack.kind is StackKind.PREVIEW:
        roles += [role(stack.app_role), role(stack.app_secrets_role)]
    managed: list[tuple[str, Context]] = [(secret("rds!db-1-AbCdEf"), {})]
    bucket: list[tuple[str, Context]] = [(BUCKET, {})]
    objects: list[tuple[str, Context]] = [(f"{BUCKET}/a", {})]
    state = f"{_STATE}/.pulumi/stacks/previews/{stack.value}.json"
    tagged_later: list[tuple[str, Context]] = [(GROUP, {**own, **_COMMIT})]
    return {
        **_anyones(stack),
        RESTORE: [
            (db(name), restored),
            (snapshot("rds:staging-2029-12-30-03-05"), restored),
            (f"arn:aws:rds:{HERE}:subgrp:staging-database", restored),
            (f"arn:aws:rds:{HERE}:og:default:postgres-17", restored),
            (f"arn:aws:rds:{HERE}:pg:default.postgres17", restored),
        ],
        MODIFY: [(db(name), {**KEPT, "rds:DatabaseClass": "db.t4g.micro"})],
        "rds:AddTagsToResource": [(db(name), new), (db(name), _COMMIT)],
        "rds:RemoveTagsFromResource": [(db(name), {"aws:TagKeys": ["expires"]})],
        "rds:DeleteDBInstance": [(db(name), {})],
        DELETE_BACKUP: [(f"arn:aws:rds:{HERE}:auto-backup:ab-0123", own)],
        "secretsmanager:CreateSecret": managed,
        "secretsmanager:TagResource": managed,
        "secretsmanager:DeleteSecret": [
            (secret(f"{name}/token-AbCdEf"), {}),
            (secret("token-AbCdEf"), own),
        ],
        "kms:DescribeKey": [(KEY, {})],
        "kms:CreateGrant": [
            (
                KEY,
                {
                    "kms:GrantIsForAWSResource": "true",
                    "kms:ViaService": f"rds.{REGION}.amazonaws.com",
                },
            )
        ],
        "ec2:CreateSecurityGroup": [(GROUP, new), (VPC, {})],
        "ec2:CreateTags": [(GROUP, created), *tagged_later],
        "ec2:DeleteTags": tagged_later,
        **{
            f"ec2:{verb}": [(GROUP, own)]
            for verb in (
                "AuthorizeSecurityGroupIngress",
                "DeleteSecurityGroup",
                "RevokeSecurityGroupEgress",
                "RevokeSecurityGroupIngress",
            )
        },
        "iam:CreateRole": [(each, {**new, **bound}) for each in roles],
        "iam:TagRole": [(each, tags) for each in roles for tags in (new, _COMMIT)],
        "iam:UntagRole": [(each, {"aws:TagKeys": ["expires"]}) for each in roles],
        **{
            f"iam:{verb}": [(each, bound) for each in roles]
            for verb in ("PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRoleDescription")
        },
        **{
            f"iam:{verb}": [(each, {}) for each in roles]
            for verb in (
                "DeleteRole",
                "DeleteRolePolicy",
                "DetachRolePolicy",
                "GetRole",
                "GetRolePolicy",
                "ListAttachedRolePolicies",
                "ListInstanceProfilesForRole",
                "ListRolePolicies",
                "ListRoleTags",
            )
        },
        CHANGE_RECORDS: [(ZONE, records("DELETE", f"{name}.preview.example.com"))],
        "route53:ListResourceRecordSets": [(ZONE, {})],
        **dict.fromkeys(OF_BUCKETS, bucket),
        "s3:CreateBucket": [(BUCKET, new)],
        "s3:TagResource": [(BUCKET, new), (BUCKET, _COMMIT)],
        "s3:ListBucket": [*bucket, (_STATE, {})],
        "s3:DeleteObject": [*objects, (state, {})],
        "s3:DeleteObjectVersion": objects,
    }


OF_BUCKETS = of_types({name for name in TYPES if name.startswith("aws:s3/")}, OWN)


def _about_staging() -> _About:
    """Return the resources of staging, which a person creates."""
    stack = StackName.parse("staging")
    tagged = {"aws:ResourceTag/stack": "staging", **_COMMIT}
    about: _About = {
        **_anyones(stack),
        **{call: [(STAGINGS_BUCKET, {})] for call in OF_BUCKETS},
        "s3:ListBucket": [(STAGINGS_BUCKET, {}), (_STATE, {})],
        "s3:DeleteObject": [(f"{_STATE}/.pulumi/locks/organization/{_place(stack)}", {})],
        "s3:TagResource": [(STAGINGS_BUCKET, _COMMIT)],
        "kms:DescribeKey": [(KEY, {})],
        "kms:GetKeyPolicy": [(KEY, {})],
        "kms:GetKeyRotationStatus": [(KEY, {})],
        "kms:ListResourceTags": [(KEY, {})],
        MODIFY: [(db("staging"), {})],
    }
    arns = {
        "acm:AddTagsToCertificate": f"arn:aws:acm:{HERE}:certificate/0",
        "ec2:CreateTags": f"arn:aws:ec2:{HERE}:subnet/subnet-0",
        "ecr:TagResource": IMAGES,
        "eks:TagResource": f"arn:aws:eks:{HERE}:cluster/lab",
        "iam:TagOpenIDConnectProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks/id/ABC",
        "iam:TagPolicy": f"arn:aws:iam::{ACCOUNT}:policy/previews-preview-secrets",
        "iam:TagRole": role("staging-secrets"),
        "kms:TagResource": KEY,
        "logs:TagResource": f"arn:aws:logs:{HERE}:log-group:a",
        "rds:AddTagsToResource": db("staging"),
    }
    return {**about, **{call: [(arn, tagged)] for call, arn in arns.items()}}
