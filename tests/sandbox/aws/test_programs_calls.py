"""The calls behind the types that the program registers, apart from databases and images."""

from __future__ import annotations

import json

import pytest

from sandbox.aws.inventory import inventory
from sandbox.settings import CLUSTER_NAME
from tests.sandbox.aws.conftest import Aws

pytestmark = pytest.mark.sandbox

TAGS = [{"Key": "stack", "Value": "pr-42"}, {"Key": "expires", "Value": "2030-01-01"}]


def test_a_security_group_that_lets_the_cluster_in(aws: Aws) -> None:
    before = inventory(aws.settings)
    ec2 = aws.client("ec2")
    network = aws.client("eks").describe_cluster(name=CLUSTER_NAME)["cluster"]["resourcesVpcConfig"]
    group = ec2.create_security_group(
        GroupName="pr-42-database",
        Description="PostgreSQL from the cluster",
        VpcId=network["vpcId"],
        TagSpecifications=[{"ResourceType": "security-group", "Tags": TAGS}],
    )["GroupId"]
    ingress = {
        "IpProtocol": "tcp",
        "FromPort": 5432,
        "ToPort": 5432,
        "UserIdGroupPairs": [
            {"GroupId": network["clusterSecurityGroupId"], "Description": "the cluster"}
        ],
    }

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ingress])

    [found] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    [permission] = found["IpPermissions"]
    assert permission["FromPort"] == 5432
    assert permission["UserIdGroupPairs"][0]["GroupId"] == network["clusterSecurityGroupId"]
    assert found["Tags"] == TAGS
    rules = [item for item in set(inventory(aws.settings)) - set(before) if "rule" in item.type]
    assert len(rules) == 2
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[ingress])
    ec2.delete_security_group(GroupId=group)
    assert inventory(aws.settings) == before


def test_a_subnet_group_and_the_networks_blocks(aws: Aws) -> None:
    before = inventory(aws.settings)
    ec2, rds = aws.client("ec2"), aws.rds
    network = aws.client("eks").describe_cluster(name=CLUSTER_NAME)["cluster"]["resourcesVpcConfig"]
    [vpc] = ec2.describe_vpcs(VpcIds=[network["vpcId"]])["Vpcs"]
    assert [block["CidrBlock"] for block in vpc["CidrBlockAssociationSet"]] == ["10.0.0.0/16"]

    rds.create_db_subnet_group(
        DBSubnetGroupName="staging",
        DBSubnetGroupDescription="private subnets",
        SubnetIds=network["subnetIds"],
        Tags=TAGS,
    )

    [group] = rds.describe_db_subnet_groups(DBSubnetGroupName="staging")["DBSubnetGroups"]
    assert {subnet["SubnetIdentifier"] for subnet in group["Subnets"]} == set(network["subnetIds"])
    [item] = set(inventory(aws.settings)) - set(before)
    assert (item.type, item.id, item.tags["stack"]) == ("rds:subgrp", "staging", "pr-42")
    rds.modify_db_subnet_group(
        DBSubnetGroupName="staging",
        DBSubnetGroupDescription="one subnet",
        SubnetIds=network["subnetIds"][:1],
    )
    [group] = rds.describe_db_subnet_groups(DBSubnetGroupName="staging")["DBSubnetGroups"]
    assert group["DBSubnetGroupDescription"] == "one subnet"
    assert [it["SubnetIdentifier"] for it in group["Subnets"]] == network["subnetIds"][:1]
    rds.delete_db_subnet_group(DBSubnetGroupName="staging")
    assert inventory(aws.settings) == before


def test_a_repository_with_scanning_and_a_lifecycle(aws: Aws) -> None:
    ecr = aws.client("ecr")
    policy = {"rules": [{"rulePriority": 1, "selection": {}, "action": {"type": "expire"}}]}
    policy["rules"][0]["selection"] = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 14,
    }

    made = ecr.create_repository(
        repositoryName="service",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "AES256"},
        tags=TAGS,
    )["repository"]
    ecr.put_lifecycle_policy(repositoryName="service", lifecyclePolicyText=json.dumps(policy))

    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    text = ecr.get_lifecycle_policy(repositoryName="service")["lifecyclePolicyText"]
    assert json.loads(text) == policy
    ecr.delete_lifecycle_policy(repositoryName="service")
    ecr.delete_repository(repositoryName="service")


def test_a_role_with_a_policy_of_its_own(aws: Aws) -> None:
    before = inventory(aws.settings)
    iam = aws.client("iam")
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
            ],
        }
    )

    iam.create_role(
        RoleName="pr-42-secrets",
        AssumeRolePolicyDocument=document,
        Description="reads one secret",
        MaxSessionDuration=3600,
        Tags=TAGS,
    )
    iam.put_role_policy(RoleName="pr-42-secrets", PolicyName="read", PolicyDocument=document)

    added = set(inventory(aws.settings)) - set(before)
    assert {(item.type, item.id) for item in added} == {
        ("iam:role", "pr-42-secrets"),
        ("iam:role-policy", "pr-42-secrets/read"),
    }
    assert {item.tags["stack"] for item in added} == {"pr-42"}
    iam.delete_role_policy(RoleName="pr-42-secrets", PolicyName="read")
    iam.delete_role(RoleName="pr-42-secrets")
    assert inventory(aws.settings) == before
