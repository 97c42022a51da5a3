"""A small program through the real engine, the emulator and the emulated AWS APIs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws.client import client
from tests.sandbox.providers.engine import Stack, World

pytestmark = pytest.mark.sandbox

_PROGRAM = """
import json
import os
import pulumi
import pulumi_aws as aws

stack, env = pulumi.get_stack(), os.environ.get
tags = {"stack": stack, "commit": env("COMMIT") or "a"}
cluster = aws.eks.get_cluster_output(name="sandbox")
vpc = cluster.vpc_config.vpc_id
group = aws.ec2.SecurityGroup(
    "group", name=stack, description="d", vpc_id=vpc, tags=tags,
    ingress=[{"protocol": "tcp", "from_port": 5432, "to_port": 5432, "description": "pods",
              "security_groups": [cluster.vpc_config.cluster_security_group_id]}])
subnets = aws.rds.SubnetGroup(
    "subnets", name=stack, description="d", subnet_ids=cluster.vpc_config.subnet_ids, tags=tags)
database = aws.rds.Instance(
    "database", identifier=stack, engine="postgres", engine_version="16",
    instance_class="db.t4g.micro", allocated_storage=20, storage_encrypted=True, db_name="app",
    username="dbadmin", manage_master_user_password=True, db_subnet_group_name=subnets.name,
    vpc_security_group_ids=[group.id], backup_retention_period=0, skip_final_snapshot=True,
    apply_immediately=True, tags=tags)
role = aws.iam.Role("role", name=stack, tags=tags, assume_role_policy=json.dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "ec2.amazonaws.com"}}]}))
aws.iam.RolePolicy("read", name="read", role=role.name, policy=pulumi.Output.json_dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Action": "secretsmanager:GetSecretValue",
    "Resource": database.master_user_secrets[0].secret_arn}]}))
repository = aws.ecr.Repository("repository", name=stack, force_delete=False, tags=tags)
if env("MORE") == "input":
    aws.ecr.Repository("odd", name=f"{stack}-odd", region="eu-west-1", tags=tags)
if env("MORE") == "type":
    aws.sqs.Queue("odd", name="odd")
if env("MORE") == "function":
    aws.get_caller_identity()
pulumi.export("address", database.address)
pulumi.export("url", repository.repository_url)
"""


@pytest.fixture
def stack(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Stack:
    name = re.sub(r"\W|_", "-", request.node.name.removeprefix("test_"))[:40].strip("-")
    return Stack(world, tmp_path, f"aws-{name}", _PROGRAM)


def _left(stack: Stack) -> dict[str, list[Any]]:
    """Everything of the stack's name that AWS knows."""

    def named(service: str, operation: str, items: str, key: str) -> list[Any]:
        found = getattr(client(stack.world.settings, service), operation)()[items]
        return [it[key] for it in found if it[key] == stack.name]

    return {
        "groups": named("ec2", "describe_security_groups", "SecurityGroups", "GroupName"),
        "subnets": named("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
        "databases": named("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
        "roles": named("iam", "list_roles", "Roles", "RoleName"),
        "repositories": named("ecr", "describe_repositories", "repositories", "repositoryName"),
    }


def test_up_is_whole_a_new_commit_changes_tags_and_destroy_leaves_nothing(stack: Stack) -> None:
    assert "7 created" in stack.up()
    assert "7 unchanged" in stack.up()
    assert "7 unchanged" in stack.run("refresh", "-y", "--skip-preview")
    preview = stack.run("preview", "--diff", COMMIT="b")
    assert "5 to update" in preview
    assert "to replace" not in preview
    assert "5 updated" in stack.up(COMMIT="b")
    assert all(len(names) == 1 for names in _left(stack).values())
    stack.destroy()
    assert not any(_left(stack).values())


def test_a_lost_state_is_gone_on_with_and_nothing_is_there_twice(stack: Stack) -> None:
    stack.up()
    before = stack.resource("database")["outputs"]
    stack.forget()
    assert "6 created" in stack.up(COMMIT="b")
    after = stack.resource("database")["outputs"]
    assert after["resourceId"] == before["resourceId"]
    assert after["masterUserSecrets"] == before["masterUserSecrets"]
    assert all(len(names) == 1 for names in _left(stack).values())
    stack.destroy()
    assert not any(_left(stack).values())


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("input", "this emulator does not support 'region'"),
        ("type", "aws:sqs/queue:Queue"),
        ("function", "aws:index/getCallerIdentity:getCallerIdentity"),
    ],
)
def test_what_is_not_known_is_refused_by_name(stack: Stack, more: str, text: str) -> None:
    assert text in stack.up(MORE=more, fails=True)
    stack.destroy()


def test_a_server_that_was_killed_serves_again_at_the_same_ports(stack: Stack) -> None:
    before = stack.world.variables["PULUMI_DEBUG_PROVIDERS"]
    stack.up()
    stack.world.restart("providers")
    assert stack.world.variables["PULUMI_DEBUG_PROVIDERS"] == before
    assert "7 unchanged" in stack.up()
    stack.destroy()
