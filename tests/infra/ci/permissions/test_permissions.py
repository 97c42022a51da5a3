"""What CI's roles may do and may not, decided by an evaluator of IAM's own rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from contract.stack_name import PLATFORM_APP
from infra.ci.permissions.grant import Grant, Place, policy
from infra.ci.permissions.shared import STATE_KEY, state_grants
from infra.ci.permissions.table import (
    BOUNDARY,
    DATA_BOUNDARY,
    PREVIEW,
    STAGING_DEPLOYMENT,
    preview_grants,
)
from tests.infra.ci.permissions.simulator import ACCOUNT, Attempt, Context, decide, unknown

REGION = "eu-west-1"
HERE = f"{REGION}:{ACCOUNT}"
BOUNDARY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/previews-preview-secrets"
DATA_BOUNDARY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/previews-data-secrets"
PLACE = Place(
    database_repository="previews-database",
    partition="aws",
    region=REGION,
    account=ACCOUNT,
    cluster="lab",
    vpc="vpc-1",
    repository="previews",
    boundary=BOUNDARY_ARN,
    data_boundary=DATA_BOUNDARY_ARN,
    state_bucket="acme-state",
    state_key="alias/acme-state",
    identity_provider=f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.{REGION}.amazonaws.com/id/ABC",
    domain="preview.example.com",
)
POLICIES = {
    "branches-alone": policy(preview_grants(PLATFORM_APP, restores=False), PLACE),
    "preview": policy((*PREVIEW, STATE_KEY, *state_grants("pr-*")), PLACE),
    "staging": policy((*STAGING_DEPLOYMENT, STATE_KEY, *state_grants("staging*", "data-*")), PLACE),
    "boundary": policy(BOUNDARY, PLACE),
    "data-boundary": policy(DATA_BOUNDARY, PLACE),
}

YES, NO, NEVER = "Allowed", "ImplicitlyDenied", "ExplicitlyDenied"
OTHER = "999999999999"


def db(name: str, here: str = HERE) -> str:
    return f"arn:aws:rds:{here}:db:{name}"


def snapshot(name: str) -> str:
    return f"arn:aws:rds:{HERE}:snapshot:{name}"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def secret(name: str) -> str:
    return f"arn:aws:secretsmanager:{HERE}:secret:{name}"


GROUP = f"arn:aws:ec2:{HERE}:security-group/sg-0123456789abcdef0"
VPC = f"arn:aws:ec2:{HERE}:vpc/vpc-1"
OTHER_VPC = f"arn:aws:ec2:{HERE}:vpc/vpc-2"
DATABASE_IMAGES = f"arn:aws:ecr:{HERE}:repository/previews-database"
IMAGES = f"arn:aws:ecr:{HERE}:repository/previews"
KEY = f"arn:aws:kms:{HERE}:key/0123"
STATE = "arn:aws:s3:::acme-state/.pulumi"

BUCKET = f"arn:aws:s3:::pr-42-{ACCOUNT}"
STAGINGS_BUCKET = f"arn:aws:s3:::staging-{ACCOUNT}"
OTHERS_BUCKET = "arn:aws:s3:::pr-42-999999999999"

NEW = {"aws:RequestTag/stack": "pr-42"}
NEW_STAGING = {"aws:RequestTag/stack": "staging"}
OURS = {"aws:ResourceTag/stack": "pr-42"}
STAGINGS = {"aws:ResourceTag/stack": "staging"}
BOUND = {"iam:PermissionsBoundary": BOUNDARY_ARN}
DATA_BOUND = {"iam:PermissionsBoundary": DATA_BOUNDARY_ARN}
NEW_DATA = {"aws:RequestTag/stack": "data-8"}
DATAS = {"aws:ResourceTag/stack": "data-8"}
ADMIN = {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}

OF_DATABASE = "aws:ResourceTag/aws:rds:primaryDBInstanceArn"
STACK_OF_ROLE = "aws:PrincipalTag/stack"
OF_SECRET = "kms:EncryptionContext:SecretARN"
VIA_SECRETS = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
# What AWS knows of a session that a pod of the cluster began with its token, in a role of pr-42's.
OF_THE_CLUSTER = {"aws:FederatedProvider": PLACE.identity_provider}
ITS_STACK = {STACK_OF_ROLE: "pr-42"}
ITS_OWN = {**OF_THE_CLUSTER, **ITS_STACK}

RESTORE = "rds:RestoreDBInstanceFromDBSnapshot"
MODIFY = "rds:ModifyDBInstance"
KEPT_BY_RDS = {"aws:ResourceTag/aws:secretsmanager:owningService": "rds"}
DELETE_BACKUP = "rds:DeleteDBInstanceAutomatedBackup"
BACKUP = f"arn:aws:rds:{HERE}:auto-backup:ab-0123"
CHANGE_RECORDS = "route53:ChangeResourceRecordSets"
ZONE = "arn:aws:route53:::hostedzone/Z1"


def records(verb: str, *names: str) -> dict[str, str | list[str]]:
    """Return the conditions of a call that changes records."""
    return {
        f"{CHANGE_RECORDS}Actions": [verb],
        f"{CHANGE_RECORDS}NormalizedRecordNames": [*names],
    }


# What AWS knows of a restore as the program declares it, and of the change that follows it.
PRIVATE = {"rds:PubliclyAccessible": "false", "rds:DatabaseClass": "db.t4g.micro"}
KEPT = {"rds:ManageMasterUserPassword": "true"}
RESTORED = {**NEW, **PRIVATE}
RESTORED_DATA = {**NEW_DATA, **PRIVATE}
CREATE_GROUP = "ec2:CreateSecurityGroup"

# The action, what it is about, what AWS knows of the call, and whether the preview role may.
PREVIEW_CALLS: list[tuple[str, str, Context, str]] = [
    # A database of its own, from staging's automated snapshots.
    (RESTORE, db("pr-42"), RESTORED, YES),
    (RESTORE, db("pr-42"), PRIVATE, NO),
    (RESTORE, db("pr-42"), {**RESTORED, **NEW_STAGING}, NO),
    (RESTORE, db("pr-42"), {**RESTORED, "rds:PubliclyAccessible": "true"}, NO),
    (RESTORE, db("pr-42"), NEW, NO),
    (RESTORE, db("pr-42"), {**RESTORED, "rds:DatabaseClass": "db.t4g.medium"}, YES),
    (RESTORE, db("pr-42"), {**RESTORED, "rds:DatabaseClass": "db.t4g.large"}, NO),
    (RESTORE, db("pr-42"), {**RESTORED, "rds:DatabaseClass": "db.r6g.12xlarge"}, NO),
    (RESTORE, db("pr-42"), {**RESTORED, **KEPT}, YES),
    (RESTORE, db("pr-42"), {**RESTORED, "rds:ManageMasterUserPassword": "false"}, NO),
    (RESTORE, db("staging-copy"), RESTORED, NO),
    (RESTORE, db("pr-42", f"us-east-1:{ACCOUNT}"), RESTORED, NO),
    (RESTORE, snapshot("rds:staging-2029-12-30-03-05"), RESTORED, YES),
    (RESTORE, snapshot("staging-final"), RESTORED, NO),
    (RESTORE, snapshot("rds:payroll-2029-12-30-03-05"), RESTORED, NO),
    (RESTORE, f"arn:aws:rds:{HERE}:subgrp:staging-database", RESTORED, YES),
    (RESTORE, f"arn:aws:rds:{HERE}:subgrp:public", RESTORED, NO),
    (RESTORE, f"arn:aws:rds:{HERE}:pg:default.postgres17", RESTORED, YES),
    (RESTORE, f"arn:aws:rds:{HERE}:og:default:postgres-17", RESTORED, YES),
    (MODIFY, db("pr-42"), KEPT, YES),
    # A call that sets a password says nothing of RDS keeping it.
    (MODIFY, db("pr-42"), {}, NO),
    (MODIFY, db("pr-42"), {"rds:ManageMasterUserPassword": "false"}, NO),
    (MODIFY, db("pr-42"), {**KEPT, "rds:DatabaseClass": "db.t4g.large"}, NO),
    (MODIFY, db("staging"), KEPT, NO),
    ("rds:DeleteDBInstance", db("pr-42"), {}, YES),
    ("rds:DeleteDBInstance", db("staging"), {}, NO),
    ("rds:DeleteDBInstance", db("production"), {}, NO),
    (DELETE_BACKUP, BACKUP, OURS, YES),
    (DELETE_BACKUP, BACKUP, STAGINGS, NO),
    (DELETE_BACKUP, BACKUP, {}, NO),
    (CHANGE_RECORDS, ZONE, records("DELETE", "pr-42.preview.example.com"), YES),
    (CHANGE_RECORDS, ZONE, records("DELETE", "front.pr-42.preview.example.com"), YES),
    (CHANGE_RECORDS, ZONE, records("UPSERT", "pr-42.preview.example.com"), NO),
    (CHANGE_RECORDS, ZONE, records("DELETE", "\\052.preview.example.com"), NO),
    (CHANGE_RECORDS, ZONE, records("DELETE", "staging.preview.example.com"), NO),
    (CHANGE_RECORDS, ZONE, records("DELETE", "pr-42.preview.example.com", "example.com"), NO),
    (CHANGE_RECORDS, ZONE, {}, NO),
    ("rds:DeleteDBInstance", db("xpr-42"), {}, NO),
    ("rds:AddTagsToResource", db("pr-42"), {"aws:RequestTag/commit": "abc"}, YES),
    ("rds:AddTagsToResource", db("pr-42"), NEW_STAGING, NO),
    ("rds:AddTagsToResource", db("staging"), NEW, NO),
    ("rds:DescribeDBSnapshots", "*", {}, YES),
    # Data does not leave.
    ("rds:ModifyDBSnapshotAttribute", snapshot("rds:staging-2029-12-30-03-05"), {}, NEVER),
    ("rds:CopyDBSnapshot", snapshot("rds:staging-2029-12-30-03-05"), {}, NEVER),
    ("rds:StartExportTask", snapshot("rds:staging-2029-12-30-03-05"), {}, NEVER),
    ("rds:CreateDBSnapshot", db("pr-42"), {}, NO),
    ("rds:DeleteDBSnapshot", snapshot("rds:staging-2029-12-30-03-05"), {}, NO),
    # Secrets are made by RDS, and read by nobody here.
    ("secretsmanager:CreateSecret", secret("rds!db-1-AbCdEf"), {}, YES),
    ("secretsmanager:TagResource", secret("rds!db-1-AbCdEf"), {}, YES),
    ("secretsmanager:CreateSecret", secret("service-token-AbCdEf"), {}, NO),
    ("secretsmanager:GetSecretValue", secret("rds!db-1-AbCdEf"), {}, NEVER),
    ("secretsmanager:GetSecretValue", secret("staging-AbCdEf"), {}, NEVER),
    ("secretsmanager:BatchGetSecretValue", "*", {}, NEVER),
    ("secretsmanager:PutResourcePolicy", secret("rds!db-1-AbCdEf"), {}, NO),
    ("secretsmanager:DeleteSecret", secret("rds!db-1-AbCdEf"), {}, NO),
    ("secretsmanager:DeleteSecret", secret("rds!db-1-AbCdEf"), {**OURS, **KEPT_BY_RDS}, NO),
    ("secretsmanager:DeleteSecret", secret("staging-AbCdEf"), STAGINGS, NO),
    ("secretsmanager:DeleteSecret", secret("previews-bypass-tests-AbCdEf"), {}, NO),
    ("secretsmanager:DeleteSecret", secret("pr-42/token-AbCdEf"), {}, YES),
    ("secretsmanager:DeleteSecret", secret("token-AbCdEf"), OURS, YES),
    ("kms:DescribeKey", KEY, {}, YES),
    ("kms:Decrypt", KEY, {}, NO),
    ("kms:Decrypt", KEY, {"kms:ResourceAliases": "alias/acme-state"}, YES),
    ("kms:Encrypt", KEY, {"kms:ResourceAliases": "alias/payroll"}, NO),
    ("kms:ScheduleKeyDeletion", KEY, {}, NO),
    (
        "kms:CreateGrant",
        KEY,
        {"kms:GrantIsForAWSResource": "true", "kms:ViaService": f"rds.{REGION}.amazonaws.com"},
        YES,
    ),
    ("kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "true"}, NO),
    # Its security group.
    (CREATE_GROUP, GROUP, NEW, YES),
    (CREATE_GROUP, GROUP, {}, NO),
    (CREATE_GROUP, GROUP, NEW_STAGING, NO),
    (CREATE_GROUP, VPC, {}, YES),
    (CREATE_GROUP, OTHER_VPC, {}, NO),
    ("ec2:CreateTags", GROUP, {**NEW, "ec2:CreateAction": "CreateSecurityGroup"}, YES),
    ("ec2:CreateTags", GROUP, NEW, NO),
    ("ec2:CreateTags", GROUP, {**OURS, "aws:RequestTag/commit": "abc"}, YES),
    ("ec2:CreateTags", GROUP, {**OURS, **NEW_STAGING}, NO),
    ("ec2:CreateTags", GROUP, {**STAGINGS, **NEW}, NO),
    ("ec2:CreateTags", f"arn:aws:ec2:{HERE}:instance/i-1", {**OURS, **NEW}, NO),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, OURS, YES),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, STAGINGS, NO),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, {}, NO),
    ("ec2:RevokeSecurityGroupEgress", GROUP, OURS, YES),
    ("ec2:DeleteSecurityGroup", GROUP, OURS, YES),
    ("ec2:DeleteSecurityGroup", GROUP, STAGINGS, NO),
    ("ec2:RunInstances", f"arn:aws:ec2:{HERE}:instance/*", NEW, NO),
    # The role of its SecretStore.
    ("iam:CreateRole", role("pr-42-secrets"), {**NEW, **BOUND}, YES),
    ("iam:CreateRole", role("pr-42-secrets"), NEW, NO),
    ("iam:CreateRole", role("pr-42-secrets"), {**NEW, **ADMIN}, NO),
    ("iam:CreateRole", role("pr-42-secrets"), BOUND, NO),
    ("iam:CreateRole", role("admin"), {**NEW, **BOUND}, NO),
    ("iam:CreateRole", role("pr-42"), {**NEW, **BOUND}, NO),
    # A role's stack is the one that it is named after, for ever.
    ("iam:CreateRole", role("pr-43-secrets"), {**NEW, **BOUND}, NO),
    ("iam:CreateRole", role("staging-secrets"), {**NEW_STAGING, **BOUND}, NO),
    ("iam:TagRole", role("pr-42-secrets"), NEW, YES),
    ("iam:TagRole", role("pr-42-secrets"), {"aws:RequestTag/commit": "abc"}, YES),
    ("iam:TagRole", role("pr-43-secrets"), NEW, NO),
    ("iam:TagRole", role("pr-43-app"), {**NEW, "aws:RequestTag/commit": "abc"}, NO),
    ("iam:TagRole", role("staging-secrets"), {"aws:RequestTag/commit": "abc"}, NO),
    ("iam:UntagRole", role("pr-42-secrets"), {"aws:TagKeys": ["expires", "commit"]}, YES),
    ("iam:UntagRole", role("pr-42-secrets"), {"aws:TagKeys": ["commit", "stack"]}, NO),
    ("iam:UntagRole", role("pr-42-secrets"), {"aws:TagKeys": ["Stack"]}, NO),
    ("iam:DetachRolePolicy", role("pr-42-app"), {}, YES),
    ("iam:DetachRolePolicy", role("staging-app"), {}, NO),
    ("iam:PutRolePolicy", role("pr-42-secrets"), BOUND, YES),
    ("iam:PutRolePolicy", role("pr-42-secrets"), {}, NO),
    ("iam:PutRolePolicy", role("previews-deploy-preview"), BOUND, NO),
    ("iam:PutRolePolicy", role("staging-secrets"), BOUND, NO),
    ("iam:UpdateAssumeRolePolicy", role("pr-42-secrets"), BOUND, YES),
    ("iam:UpdateAssumeRolePolicy", role("previews-deploy-staging"), BOUND, NO),
    ("iam:AttachRolePolicy", role("pr-42-secrets"), BOUND, NEVER),
    ("iam:DeleteRolePermissionsBoundary", role("pr-42-secrets"), BOUND, NEVER),
    ("iam:PutRolePermissionsBoundary", role("pr-42-secrets"), ADMIN, NEVER),
    ("iam:CreatePolicyVersion", BOUNDARY_ARN, {}, NEVER),
    ("iam:PassRole", role("pr-42-secrets"), {}, NEVER),
    ("iam:DeleteRole", role("pr-42-secrets"), {}, YES),
    ("iam:DeleteRole", role("staging-secrets"), {}, NO),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x", {}, NO),
    ("sts:AssumeRole", role("pr-42-secrets"), {}, NEVER),
    ("sts:AssumeRole", f"arn:aws:iam::{OTHER}:role/x", {}, NEVER),
    # Servers that previews share are none of a preview's business.
    (RESTORE, db("data-8"), RESTORED, NO),
    (RESTORE, db("data-8"), RESTORED_DATA, NO),
    (MODIFY, db("data-8"), KEPT, NO),
    ("rds:DeleteDBInstance", db("data-8"), {}, NO),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, DATAS, NO),
    ("iam:CreateRole", role("pr-42-secrets"), {**NEW, **DATA_BOUND}, NO),
    ("iam:CreateRole", role("data-8-secrets"), {**NEW_DATA, **DATA_BOUND}, NO),
    ("iam:UpdateAssumeRolePolicy", role("data-8-secrets"), DATA_BOUND, NO),
    ("s3:PutObject", f"{STATE}/stacks/previews/data-8.json", {}, NO),
    # Images, cluster, state.
    ("ecr:GetAuthorizationToken", "*", {}, YES),
    ("ecr:PutImage", IMAGES, {}, YES),
    ("ecr:BatchDeleteImage", IMAGES, {}, YES),
    # The image that gets master passwords comes from the default branch alone.
    ("ecr:PutImage", DATABASE_IMAGES, {}, NO),
    ("ecr:BatchDeleteImage", DATABASE_IMAGES, {}, NO),
    ("ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/payroll", {}, NO),
    ("ecr:SetRepositoryPolicy", IMAGES, {}, NO),
    ("ecr:PutImageTagMutability", IMAGES, {}, NO),
    ("ecr:DeleteRepository", IMAGES, {}, NO),
    ("eks:DescribeCluster", f"arn:aws:eks:{HERE}:cluster/lab", {}, YES),
    ("eks:CreateAccessEntry", f"arn:aws:eks:{HERE}:cluster/lab", {}, NO),
    ("s3:GetObject", f"{STATE}/meta.yaml", {}, YES),
    ("s3:GetObject", f"{STATE}/stacks/previews/pr-42.json", {}, YES),
    ("s3:GetObject", f"{STATE}/stacks/previews/staging.json", {}, NO),
    ("s3:GetObject", f"{STATE}/backups/previews/staging/staging.1.json", {}, NO),
    ("s3:GetObject", f"{STATE}/history/previews/staging/staging-1.history.json", {}, NO),
    ("s3:GetObject", f"{STATE}/stacks/previews/data-8.json", {}, NO),
    ("s3:PutObject", f"{STATE}/stacks/previews/pr-42.json", {}, YES),
    ("s3:PutObject", f"{STATE}/locks/organization/previews/pr-42/1.json", {}, YES),
    ("s3:PutObject", f"{STATE}/stacks/previews/staging.json", {}, NO),
    ("s3:DeleteObject", f"{STATE}/locks/organization/previews/staging/1.json", {}, NO),
    ("s3:PutBucketPolicy", "arn:aws:s3:::acme-state", {}, NO),
    # A bucket, whose files it never reads, and the role of the pods that do.
    ("s3:CreateBucket", BUCKET, NEW, YES),
    ("s3:CreateBucket", BUCKET, {}, NO),
    ("s3:CreateBucket", BUCKET, NEW_STAGING, NO),
    ("s3:CreateBucket", STAGINGS_BUCKET, NEW, NO),
    ("s3:CreateBucket", OTHERS_BUCKET, NEW, NO),
    ("s3:TagResource", BUCKET, {"aws:RequestTag/commit": "abc"}, YES),
    ("s3:TagResource", BUCKET, NEW_STAGING, NO),
    ("s3:TagResource", STAGINGS_BUCKET, NEW, NO),
    ("s3:ListAllMyBuckets", "*", {}, YES),
    ("s3:ListBucket", BUCKET, {}, YES),
    ("s3:GetBucketPolicy", BUCKET, {}, YES),
    ("s3:GetBucketPolicy", STAGINGS_BUCKET, {}, NO),
    ("s3:PutBucketPolicy", BUCKET, {}, YES),
    ("s3:PutBucketPolicy", STAGINGS_BUCKET, {}, NO),
    ("s3:PutBucketAcl", BUCKET, {}, NO),
    ("s3:PutReplicationConfiguration", BUCKET, {}, NO),
    ("s3:DeleteBucket", BUCKET, {}, YES),
    ("s3:DeleteBucket", STAGINGS_BUCKET, {}, NO),
    ("s3:DeleteBucket", "arn:aws:s3:::acme-state", {}, NO),
    ("s3:ListBucketVersions", BUCKET, {}, YES),
    ("s3:DeleteObjectVersion", f"{BUCKET}/a/b", {}, YES),
    ("s3:DeleteObjectVersion", f"{STAGINGS_BUCKET}/a/b", {}, NO),
    ("s3:GetObject", f"{BUCKET}/a/b", {}, NO),
    ("s3:GetObjectVersion", f"{BUCKET}/a/b", {}, NO),
    ("s3:PutObject", f"{BUCKET}/a/b", {}, NO),
    ("s3:GetObject", f"{STAGINGS_BUCKET}/a/b", {}, NO),
    ("iam:CreateRole", role("pr-42-app"), {**NEW, **BOUND}, YES),
    ("iam:CreateRole", role("pr-42-app"), NEW, NO),
    ("iam:PutRolePolicy", role("pr-42-app"), BOUND, YES),
    ("iam:PutRolePolicy", role("staging-app"), BOUND, NO),
    ("iam:DeleteRole", role("pr-42-app"), {}, YES),
    ("sts:AssumeRole", role("pr-42-app"), {}, NEVER),
]

STAGING_CALLS: list[tuple[str, str, Context, str]] = [
    ("rds:ModifyDBInstance", db("staging"), {}, YES),
    ("rds:ModifyDBInstance", db("pr-42"), {}, NO),
    ("rds:DeleteDBInstance", db("staging"), {}, NO),
    ("rds:DescribeDBInstances", "*", {}, YES),
    ("rds:AddTagsToResource", db("staging"), {**STAGINGS, "aws:RequestTag/commit": "a"}, YES),
    ("rds:AddTagsToResource", db("staging"), {**STAGINGS, **NEW}, NO),
    ("rds:ModifyDBSnapshotAttribute", snapshot("rds:staging-2029-12-30-03-05"), {}, NEVER),
    ("rds:StartExportTask", snapshot("rds:staging-2029-12-30-03-05"), {}, NEVER),
    ("secretsmanager:GetSecretValue", secret("rds!db-1-AbCdEf"), {}, NEVER),
    ("iam:TagRole", role("staging-secrets"), {**STAGINGS, "aws:RequestTag/commit": "a"}, YES),
    ("iam:TagRole", role("admin"), {}, NO),
    ("iam:CreateRole", role("x"), {}, NO),
    ("iam:PutRolePolicy", role("previews-deploy-staging"), {}, NO),
    ("iam:UpdateAssumeRolePolicy", role("previews-deploy-staging"), {}, NO),
    ("iam:AttachRolePolicy", role("staging-secrets"), {}, NEVER),
    ("iam:PassRole", role("admin"), {}, NEVER),
    ("iam:GetRole", role("staging-secrets"), {}, YES),
    ("ecr:PutImage", IMAGES, {}, YES),
    ("ecr:BatchDeleteImage", IMAGES, {}, NO),
    ("ecr:PutImage", DATABASE_IMAGES, {}, YES),
    ("ecr:BatchDeleteImage", DATABASE_IMAGES, {}, NO),
    ("eks:DescribeCluster", f"arn:aws:eks:{HERE}:cluster/lab", {}, YES),
    ("eks:DeleteCluster", f"arn:aws:eks:{HERE}:cluster/lab", {}, NO),
    ("ec2:DeleteVpc", VPC, {}, NO),
    ("s3:PutObject", f"{STATE}/stacks/previews/staging.json", {}, YES),
    ("s3:PutObject", f"{STATE}/stacks/previews/pr-42.json", {}, NO),
    # Newer data for new previews: a server of its own, and its end.
    (RESTORE, db("data-8"), RESTORED_DATA, YES),
    (RESTORE, db("data-8"), PRIVATE, NO),
    (RESTORE, db("data-8"), NEW_DATA, NO),
    (RESTORE, db("data-8"), {**RESTORED_DATA, "rds:DatabaseClass": "db.r6g.xlarge"}, YES),
    (RESTORE, db("data-8"), {**RESTORED_DATA, "rds:DatabaseClass": "db.r6g.2xlarge"}, NO),
    (RESTORE, db("data-8"), {**RESTORED_DATA, "rds:PubliclyAccessible": "true"}, NO),
    (RESTORE, db("pr-42"), RESTORED, NO),
    (RESTORE, snapshot("rds:staging-2029-12-30-03-05"), RESTORED_DATA, YES),
    (RESTORE, snapshot("staging-final"), RESTORED_DATA, NO),
    (MODIFY, db("data-8"), KEPT, YES),
    (MODIFY, db("data-8"), {}, NO),
    ("rds:DeleteDBInstance", db("data-8"), {}, YES),
    ("rds:DeleteDBInstance", db("pr-42"), {}, NO),
    ("secretsmanager:CreateSecret", secret("rds!db-1-AbCdEf"), {}, YES),
    ("secretsmanager:CreateSecret", secret("service-token-AbCdEf"), {}, NO),
    (CREATE_GROUP, GROUP, NEW_DATA, YES),
    (CREATE_GROUP, GROUP, NEW, NO),
    (CREATE_GROUP, VPC, {}, YES),
    (CREATE_GROUP, OTHER_VPC, {}, NO),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, DATAS, YES),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, STAGINGS, NO),
    ("ec2:DeleteSecurityGroup", GROUP, DATAS, YES),
    ("ec2:DeleteSecurityGroup", GROUP, OURS, NO),
    ("iam:CreateRole", role("data-8-secrets"), {**NEW_DATA, **DATA_BOUND}, YES),
    ("iam:CreateRole", role("data-8-secrets"), NEW_DATA, NO),
    ("iam:CreateRole", role("data-8-secrets"), {**NEW_DATA, **ADMIN}, NO),
    ("iam:PutRolePolicy", role("data-8-secrets"), DATA_BOUND, YES),
    ("iam:PutRolePolicy", role("data-8-secrets"), {}, NO),
    ("iam:DeleteRole", role("data-8-secrets"), {}, YES),
    ("iam:DeleteRole", role("staging-secrets"), {}, NO),
    ("s3:PutObject", f"{STATE}/stacks/previews/data-8.json", {}, YES),
    # Staging's bucket is compared and tagged; a person makes and removes it.
    ("s3:GetBucketPolicy", STAGINGS_BUCKET, {}, YES),
    ("s3:TagResource", STAGINGS_BUCKET, {"aws:RequestTag/commit": "abc"}, YES),
    ("s3:TagResource", STAGINGS_BUCKET, NEW, NO),
    ("s3:PutBucketPolicy", STAGINGS_BUCKET, {}, NO),
    ("s3:CreateBucket", STAGINGS_BUCKET, NEW_STAGING, NO),
    ("s3:DeleteBucket", STAGINGS_BUCKET, {}, NO),
    ("s3:GetObject", f"{STAGINGS_BUCKET}/a/b", {}, NO),
    ("s3:DeleteObject", f"{STAGINGS_BUCKET}/a/b", {}, NO),
    ("s3:CreateBucket", BUCKET, NEW, NO),
    ("s3:DeleteBucket", BUCKET, {}, NO),
    ("iam:CreateRole", role("data-8-app"), {**NEW_DATA, **DATA_BOUND}, NO),
]


@pytest.mark.parametrize(
    ("name", "calls"), [("preview", PREVIEW_CALLS), ("staging", STAGING_CALLS)]
)
def test_a_role_may_do_what_the_table_says_and_nothing_else(
    name: str, calls: list[tuple[str, str, Context, str]]
) -> None:
    attempts = [Attempt(action, resource, context) for action, resource, context, _ in calls]
    found = decide(attempts, POLICIES[name])
    wrong = [
        f"{attempt.action} on {attempt.resource} with {dict(attempt.context)}: {answer}"
        for attempt, answer, (*_, expected) in zip(attempts, found, calls, strict=True)
        if answer != expected
    ]
    assert wrong == []


def test_whatever_a_previews_role_is_given_the_boundary_leaves_previews_secrets_alone() -> None:
    everything = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
    )
    read = "secretsmanager:GetSecretValue"
    stripe = secret("previews/previews/stripe-AbCdEf")
    others = secret("previews/orders/stripe-AbCdEf")
    attempts = [
        Attempt(read, secret("rds!db-1-AbCdEf"), {**ITS_OWN, OF_DATABASE: db("pr-42")}),
        Attempt(read, secret("rds!db-2-AbCdEf"), {**ITS_OWN, OF_DATABASE: db("pr-43")}),
        Attempt(read, secret("rds!db-2-AbCdEf"), {**ITS_OWN, OF_DATABASE: db("staging")}),
        Attempt(read, secret("rds!db-3-AbCdEf"), ITS_OWN),
        Attempt(read, secret("token-AbCdEf"), {**ITS_OWN, OF_DATABASE: db("pr-42")}),
        Attempt(read, stripe, ITS_OWN),
        Attempt(read, others, ITS_OWN),
        Attempt("kms:Decrypt", KEY, {**ITS_OWN, **VIA_SECRETS, OF_SECRET: stripe}),
        Attempt("kms:Decrypt", KEY, {**ITS_OWN, **VIA_SECRETS, OF_SECRET: others}),
        Attempt("kms:Decrypt", KEY, {**ITS_OWN, OF_SECRET: stripe}),
        Attempt("rds:DeleteDBInstance", db("staging"), ITS_OWN),
        Attempt("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x", ITS_OWN),
    ]
    assert decide(attempts, everything) == [YES] * len(attempts)
    bound = decide(attempts, everything, boundary=POLICIES["boundary"])
    assert bound == [YES, NO, NO, NO, NO, YES, NO, YES, NO, NO, NO, NO]


@pytest.mark.parametrize(
    "session",
    [
        pytest.param({**ITS_STACK}, id="another account's, or a service's"),
        pytest.param({**ITS_STACK, "aws:FederatedProvider": GITHUB}, id="another provider's"),
        pytest.param({**OF_THE_CLUSTER}, id="a role's without the tag"),
        pytest.param({**OF_THE_CLUSTER, STACK_OF_ROLE: "staging"}, id="staging's"),
        pytest.param({**OF_THE_CLUSTER, STACK_OF_ROLE: "orders-pr-42"}, id="another app's"),
    ],
)
def test_whoever_a_previews_role_trusts_the_boundary_opens_it_to_its_own_pods_alone(
    session: Mapping[str, str],
) -> None:
    stack = session.get(STACK_OF_ROLE, "pr-42")
    attempts = [
        Attempt("secretsmanager:GetSecretValue", secret("rds!db-1"), {OF_DATABASE: db(stack)}),
        Attempt("secretsmanager:GetSecretValue", secret("previews/previews/stripe-AbCdEf")),
        Attempt("s3:GetObject", f"arn:aws:s3:::{stack}-{ACCOUNT}/a"),
        Attempt("s3:ListBucket", f"arn:aws:s3:::{stack}-{ACCOUNT}"),
    ]
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    allowed = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    for boundary in ("boundary", "data-boundary"):
        tried = [replace(one, context={**one.context, **session}) for one in attempts]
        assert set(decide(tried, allowed, boundary=POLICIES[boundary])) == {NO}


def test_whatever_a_previews_role_is_given_the_boundary_leaves_previews_buckets_alone() -> None:
    everything = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
    )
    attempts = [
        Attempt("s3:GetObject", f"{BUCKET}/a", ITS_OWN),
        Attempt("s3:PutObject", f"{BUCKET}/a", ITS_OWN),
        Attempt("s3:ListBucket", BUCKET, ITS_OWN),
        Attempt("s3:GetObject", f"arn:aws:s3:::pr-43-{ACCOUNT}/a", ITS_OWN),
        Attempt("s3:PutBucketPolicy", BUCKET, ITS_OWN),
        Attempt("s3:DeleteBucket", BUCKET, ITS_OWN),
        Attempt("s3:GetObject", f"{STAGINGS_BUCKET}/a", ITS_OWN),
        Attempt("s3:GetObject", f"{OTHERS_BUCKET}/a", ITS_OWN),
        Attempt("s3:GetObject", f"{STATE}/stacks/previews/pr-42.json", ITS_OWN),
        Attempt("s3:ListAllMyBuckets", context=ITS_OWN),
    ]
    bound = decide(attempts, everything, boundary=POLICIES["boundary"])
    assert bound == [YES, YES, YES, NO, NO, NO, NO, NO, NO, NO]
    assert set(decide(attempts, everything, boundary=POLICIES["data-boundary"])) == {NO}


def test_neither_boundary_reaches_the_other_s_secrets() -> None:
    attempts = [
        Attempt(
            "secretsmanager:GetSecretValue",
            secret("rds!db-1-AbCdEf"),
            {**OF_THE_CLUSTER, STACK_OF_ROLE: name, OF_DATABASE: db(name)},
        )
        for name in ("pr-42", "data-8", "staging")
    ]
    assert decide(attempts, POLICIES["boundary"]) == [YES, NO, NO]
    assert decide(attempts, POLICIES["data-boundary"]) == [NO, YES, NO]


def test_where_previews_have_branches_alone_their_role_restores_nothing() -> None:
    attempts = [
        Attempt(RESTORE, db("pr-42"), RESTORED),
        Attempt(MODIFY, db("pr-42"), KEPT),
        Attempt("secretsmanager:CreateSecret", secret("rds!db-1-AbCdEf")),
        Attempt("kms:DescribeKey", KEY),
        # What one of an older platform has left is still deleted.
        Attempt("rds:DeleteDBInstance", db("pr-42")),
    ]
    assert decide(attempts, POLICIES["preview"]) == [YES] * 5
    assert decide(attempts, POLICIES["branches-alone"]) == [NO, NO, NO, NO, YES]


TABLES = {
    "preview": (*PREVIEW, STATE_KEY, *state_grants("pr-*")),
    "staging": (*STAGING_DEPLOYMENT, STATE_KEY, *state_grants("staging*", "data-*")),
}


@pytest.mark.parametrize(
    ("name", "calls"), [("preview", PREVIEW_CALLS), ("staging", STAGING_CALLS)]
)
def test_grants_that_share_a_statement_allow_no_more_than_apart(
    name: str, calls: list[tuple[str, str, Context, str]]
) -> None:
    apart = [json.loads(policy([grant], PLACE))["Statement"][0] for grant in TABLES[name]]
    together = json.loads(POLICIES[name])["Statement"]
    assert len(together) < len(apart)
    attempts = [Attempt(action, resource, context) for action, resource, context, _ in calls]
    document = json.dumps({"Version": "2012-10-17", "Statement": apart})
    assert decide(attempts, document) == decide(attempts, POLICIES[name])


@pytest.mark.parametrize(
    ("one", "other", "statements"),
    [
        # About the same, or of services whose actions are not about each other's resources.
        (("ec2:DescribeVpcs", "*"), ("rds:DescribeDBInstances", "*"), 1),
        (("rds:DeleteDBInstance", db("a")), ("iam:DeleteRole", role("a")), 1),
        (("rds:DeleteDBInstance", db("a")), ("rds:RebootDBInstance", db("a")), 1),
        (("rds:DeleteDBInstance", db("a")), ("rds:RebootDBInstance", db("b")), 2),
        (("rds:DeleteDBInstance", db("a")), ("iam:ListRoles", "*"), 2),
        (("rds:DeleteDBInstance", db("a")), ("iam:DeleteRole", db("b")), 2),
    ],
)
def test_grants_share_a_statement_only_where_it_means_the_same(
    one: tuple[str, str], other: tuple[str, str], statements: int
) -> None:
    grants = [Grant("a reason", (action,), (resource,)) for action, resource in (one, other)]
    assert len(json.loads(policy(grants, PLACE))["Statement"]) == statements
    conditioned = [grants[0], replace(grants[1], when={"Bool": {"aws:SecureTransport": "true"}})]
    assert len(json.loads(policy(conditioned, PLACE))["Statement"]) == 2


@pytest.mark.parametrize("name", POLICIES)
def test_every_action_exists_and_knows_the_conditions_on_it(name: str) -> None:
    assert unknown(POLICIES[name]) == []


def test_an_action_or_a_condition_that_aws_does_not_know_is_found() -> None:
    statement = {
        "Action": ["rds:DeleteDbInstances", "rds:DeleteDBInstance"],
        "Condition": {"StringEquals": {"aws:RequestTag/stack": "pr-42"}},
    }
    assert unknown(json.dumps({"Statement": [statement]})) == [
        "rds:DeleteDbInstances: AWS has no such action",
        "rds:DeleteDBInstance: it knows no condition aws:RequestTag/stack",
    ]


@pytest.mark.parametrize(
    ("name", "most"),
    [("preview", 10240), ("staging", 10240), ("boundary", 6144), ("data-boundary", 6144)],
)
def test_a_policy_is_as_short_as_aws_wants_it(name: str, most: int) -> None:
    assert len("".join(POLICIES[name].split())) <= most


def test_every_grant_says_why() -> None:
    tables = (
        *PREVIEW,
        *STAGING_DEPLOYMENT,
        *BOUNDARY,
        *DATA_BOUNDARY,
        STATE_KEY,
        *state_grants("*"),
    )
    assert [grant for grant in tables if not grant.why] == []


_LOOKS = ("BatchGet", "Describe", "Get", "List", "View")


def test_nothing_but_looking_is_allowed_on_everything_without_a_condition() -> None:
    for grant in (*PREVIEW, *STAGING_DEPLOYMENT, *BOUNDARY):
        if grant.effect == "Allow" and "*" in grant.on and not grant.when:
            verbs = [action.partition(":")[2] for action in grant.actions]
            assert [verb for verb in verbs if not verb.startswith(_LOOKS)] == [], grant.why
