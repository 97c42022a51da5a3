"""Inventory of the account, for a comparison before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.client import client
from sandbox.settings import Settings


@dataclass(frozen=True, order=True)
class Item:
    """A resource.

    Attributes:
        type: Type as in the service's ARNs: ``rds:db``.
        id: ID, unique for its type; a dependent resource has ``<owner>/<id>``.
        tags: Its tags, or those of its owner.
    """

    type: str
    id: str
    tags: dict[str, str] = field(default_factory=dict, compare=False, hash=False)


def inventory(settings: Settings) -> list[Item]:
    """Return all resources of the AWS APIs that the program uses, sorted.

    Args:
        settings: The sandbox; it must be running.
    """

    def service(name: str) -> Any:
        return client(settings, name)

    looks: tuple[tuple[str, Callable[[Any], Iterator[Item]]], ...] = (
        ("rds", _rds),
        ("ec2", _ec2),
        ("secretsmanager", _secrets),
        ("ecr", _ecr),
        ("iam", _iam),
        ("eks", _eks),
        ("kms", _kms),
        ("logs", _logs),
        ("s3", _s3),
    )
    return sorted(item for name, look in looks for item in look(service(name)))


def _rds(rds: Any) -> Iterator[Item]:
    for instance in rds.describe_db_instances()["DBInstances"]:
        yield Item("rds:db", instance["DBInstanceIdentifier"], _tags(instance.get("TagList")))
    for snapshot in rds.describe_db_snapshots()["DBSnapshots"]:
        yield Item("rds:snapshot", snapshot["DBSnapshotIdentifier"], _tags(snapshot.get("TagList")))
    for backup in rds.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]:
        yield Item("rds:auto-backup", backup["DBInstanceIdentifier"])
    for group in rds.describe_db_subnet_groups()["DBSubnetGroups"]:
        tags = rds.list_tags_for_resource(ResourceName=group["DBSubnetGroupArn"])["TagList"]
        yield Item("rds:subgrp", group["DBSubnetGroupName"], _tags(tags))
    for group in rds.describe_db_parameter_groups()["DBParameterGroups"]:
        if not group["DBParameterGroupName"].startswith("default."):
            tags = rds.list_tags_for_resource(ResourceName=group["DBParameterGroupArn"])["TagList"]
            yield Item("rds:pg", group["DBParameterGroupName"], _tags(tags))


def _ec2(ec2: Any) -> Iterator[Item]:
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        yield Item("ec2:vpc", vpc["VpcId"], _tags(vpc.get("Tags")))
    for subnet in ec2.describe_subnets()["Subnets"]:
        yield Item("ec2:subnet", subnet["SubnetId"], _tags(subnet.get("Tags")))
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        yield Item("ec2:security-group", group["GroupId"], _tags(group.get("Tags")))
    for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]:
        identifier = f"{rule['GroupId']}/{rule['SecurityGroupRuleId']}"
        yield Item("ec2:security-group-rule", identifier, _tags(rule.get("Tags")))


def _secrets(secrets: Any) -> Iterator[Item]:
    for page in secrets.get_paginator("list_secrets").paginate(IncludePlannedDeletion=True):
        for secret in page["SecretList"]:
            yield Item("secretsmanager:secret", secret["Name"], _tags(secret.get("Tags")))


def _ecr(ecr: Any) -> Iterator[Item]:
    for repository in ecr.describe_repositories()["repositories"]:
        name = repository["repositoryName"]
        tags = ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
        yield Item("ecr:repository", name, _tags(tags))
        for image in ecr.describe_images(repositoryName=name)["imageDetails"]:
            yield Item("ecr:image", f"{name}/{image['imageDigest']}")
            for tag in image.get("imageTags", []):
                yield Item("ecr:image-tag", f"{name}/{tag}")


def _iam(iam: Any) -> Iterator[Item]:
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        tags = _tags(iam.list_role_tags(RoleName=name)["Tags"])
        yield Item("iam:role", name, tags)
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            yield Item("iam:role-policy", f"{name}/{policy}", tags)
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            yield Item("iam:role-policy-attachment", f"{name}/{attached['PolicyName']}", tags)
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        yield Item("iam:policy", policy["PolicyName"], _tags(policy.get("Tags")))
    for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        yield Item("iam:oidc-provider", provider["Arn"].partition("oidc-provider/")[2])


def _eks(eks: Any) -> Iterator[Item]:
    for name in eks.list_clusters()["clusters"]:
        yield Item("eks:cluster", name, eks.describe_cluster(name=name)["cluster"].get("tags", {}))


def _kms(kms: Any) -> Iterator[Item]:
    for key in kms.list_keys()["Keys"]:
        identifier = key["KeyId"]
        found = kms.describe_key(KeyId=identifier)["KeyMetadata"]
        # AWS keeps a deleted key for some days.
        if found["KeyState"] != "PendingDeletion":
            tags = kms.list_resource_tags(KeyId=identifier)["Tags"]
            yield Item("kms:key", identifier, {tag["TagKey"]: tag["TagValue"] for tag in tags})
    for alias in kms.list_aliases()["Aliases"]:
        if "TargetKeyId" in alias:
            yield Item("kms:alias", alias["AliasName"])


def _logs(logs: Any) -> Iterator[Item]:
    for group in logs.describe_log_groups()["logGroups"]:
        yield Item("logs:log-group", group["logGroupName"])


def _s3(s3: Any) -> Iterator[Item]:
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        yield Item("s3:bucket", name)
        for version in s3.list_object_versions(Bucket=name).get("Versions", []):
            yield Item("s3:object", f"{name}/{version['Key']}@{version['VersionId']}")


def _tags(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or []}
