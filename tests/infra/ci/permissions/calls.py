"""The recorded calls of AWS, and what each is about when a stack's own resources are meant."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from contract.stack_name import AppName, StackKind, StackName
from infra.ci.permissions.grant import Place
from infra.ci.permissions.shared import BYPASS
from tests.infra.ci.permissions.simulator import ACCOUNT, Attempt, Context
from tests.infra.ci.permissions.test_permissions import (
    CHANGE_RECORDS,
    DATABASE_IMAGES,
    DELETE_BACKUP,
    GROUP,
    HERE,
    KEPT,
    KEY,
    MODIFY,
    PLACE,
    PRIVATE,
    REGION,
    RESTORE,
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


def place(app: AppName) -> Place:
    """The place with an app's repository and boundaries."""
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{app.project}"
    return replace(
        PLACE,
        repository=app.project,
        boundary=f"{arn}-preview-secrets",
        data_boundary=f"{arn}-data-secrets",
    )


def of_types(types: Collection[str], phases: Collection[str]) -> set[str]:
    """Return the calls that the provider makes for resources of some types."""
    return {call for each in types for phase in phases for call in TYPES[each].get(phase, ())}


def attempts(calls: Collection[str], stack: StackName) -> Iterator[Attempt]:
    """Yield each call with its resource, in every way in which it is made for a stack."""
    about = _about_staging(stack) if stack.kind is StackKind.STAGING else _about_own(stack)
    for call in sorted(set(calls) - NO_PERMISSION):
        for resource, context in about.get(call, [("*", {})]):
            yield Attempt(call, resource, context)


_About = dict[str, list[tuple[str, Context]]]

_COMMIT = {"aws:RequestTag/commit": "abc"}
_STATE = "arn:aws:s3:::acme-state"


def _anyones(stack: StackName) -> _About:
    """Return the resources of the calls that are made for every stack."""
    images: list[tuple[str, Context]] = [(_images(stack), {})]
    if stack.kind is StackKind.STAGING and stack.app.is_platform:
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
        "s3:GetObject": [(_state(stack), {})],
        "s3:PutObject": [(_state(stack), {}), (_lock(stack), {})],
        "secretsmanager:GetSecretValue": [
            (BYPASS_SECRET, {"secretsmanager:SecretId": BYPASS_SECRET})
        ],
    }


def _images(stack: StackName) -> str:
    return f"arn:aws:ecr:{HERE}:repository/{stack.app.project}"


def _bucket(stack: StackName) -> str:
    return f"arn:aws:s3:::{stack.bucket(ACCOUNT)}"


def _state(stack: StackName) -> str:
    return f"{_STATE}/.pulumi/stacks/{stack.app.project}/{stack.value}.json"


def _lock(stack: StackName) -> str:
    folder = f"{_STATE}/.pulumi/locks/organization/{stack.app.project}"
    return f"{folder}/{stack.value}/0123.json"


def _about_own(stack: StackName) -> _About:
    """Return the resources of a preview, or a shared server, that the role creates and deletes."""
    name = stack.name
    new = {"aws:RequestTag/stack": name}
    own = {"aws:ResourceTag/stack": name}
    restored = {**new, **PRIVATE}
    created: Context = {**new, "ec2:CreateAction": "CreateSecurityGroup"}
    staging = StackName.parse("staging", stack.app)
    of_app = place(stack.app)
    boundary = of_app.data_boundary if stack.kind is StackKind.DATA else of_app.boundary
    bound = {"iam:PermissionsBoundary": boundary}
    roles = [role(stack.secrets_role)]
    if stack.kind is StackKind.PREVIEW:
        roles += [role(stack.app_role), role(stack.app_secrets_role)]
    managed: list[tuple[str, Context]] = [(secret("rds!db-1-AbCdEf"), {})]
    bucket: list[tuple[str, Context]] = [(_bucket(stack), {})]
    objects: list[tuple[str, Context]] = [(f"{_bucket(stack)}/a", {})]
    tagged_later: list[tuple[str, Context]] = [(GROUP, {**own, **_COMMIT})]
    return {
        **_anyones(stack),
        RESTORE: [
            (db(name), restored),
            (snapshot(f"rds:{staging.name}-2029-12-30-03-05"), restored),
            (_subnets(staging), restored),
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
        "s3:CreateBucket": [(_bucket(stack), new)],
        "s3:TagResource": [(_bucket(stack), new), (_bucket(stack), _COMMIT)],
        "s3:ListBucket": [*bucket, (_STATE, {})],
        "s3:DeleteObject": [*objects, (_state(stack), {})],
        "s3:DeleteObjectVersion": objects,
    }


OF_BUCKETS = of_types({name for name in TYPES if name.startswith("aws:s3/")}, OWN)


def _subnets(staging: StackName) -> str:
    return f"arn:aws:rds:{HERE}:subgrp:{staging.database_subnet_group}"


def _about_staging(stack: StackName) -> _About:
    """Return the resources of staging, which a person creates."""
    own = {"aws:ResourceTag/stack": stack.name}
    key: list[tuple[str, Context]] = [(KEY, own)]
    about: _About = {
        **_anyones(stack),
        **{call: [(_bucket(stack), {})] for call in OF_BUCKETS},
        "s3:ListBucket": [(_bucket(stack), {}), (_STATE, {})],
        "s3:DeleteObject": [(_lock(stack), {})],
        "s3:TagResource": [(_bucket(stack), _COMMIT)],
        "kms:DescribeKey": key,
        "kms:GetKeyPolicy": key,
        "kms:GetKeyRotationStatus": key,
        "kms:ListResourceTags": key,
        "rds:ListTagsForResource": [(_subnets(stack), {}), (db(stack.name), {})],
        MODIFY: [(db(stack.name), {})],
    }
    arns = {
        "acm:AddTagsToCertificate": f"arn:aws:acm:{HERE}:certificate/0",
        "ec2:CreateTags": f"arn:aws:ec2:{HERE}:subnet/subnet-0",
        "ecr:TagResource": _images(stack),
        "eks:TagResource": f"arn:aws:eks:{HERE}:cluster/lab",
        "iam:TagOpenIDConnectProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks/id/ABC",
        "iam:TagPolicy": f"arn:aws:iam::{ACCOUNT}:policy/previews-preview-secrets",
        "iam:TagRole": role(stack.secrets_role),
        "kms:TagResource": KEY,
        "logs:TagResource": f"arn:aws:logs:{HERE}:log-group:a",
        "rds:AddTagsToResource": db(stack.name),
    }
    tagged: _About = {call: [(arn, {**own, **_COMMIT})] for call, arn in arns.items()}
    return {**about, **tagged, **({} if stack.app.is_platform else _about_app_staging(stack))}


def _about_app_staging(stack: StackName) -> _About:
    """Return the resources that the platform's staging need not name: it reads those of all."""
    images: list[tuple[str, Context]] = [(_images(stack), {})]
    names = (stack.secrets_role, stack.app_role, stack.app_secrets_role)
    roles: list[tuple[str, Context]] = [(role(name), {}) for name in names]
    return {
        **{
            f"ecr:{verb}": images
            for verb in ("DescribeRepositories", "GetLifecyclePolicy", "ListTagsForResource")
        },
        **{
            f"iam:{verb}": roles
            for verb in (
                "GetRole",
                "GetRolePolicy",
                "ListAttachedRolePolicies",
                "ListRolePolicies",
            )
        },
    }
