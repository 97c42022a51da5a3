from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.errors import SandboxError
from tests.sandbox.providers.aws.conftest import Engine


async def test_a_vpc_and_its_subnets_are_looked_up(engine: Engine, boto: Any) -> None:
    subnet = boto("ec2").describe_subnets()["Subnets"][0]
    found = await engine.invoke("aws:ec2/getSubnet:getSubnet", id=subnet["SubnetId"])
    assert found["cidrBlock"] == subnet["CidrBlock"]
    vpc = await engine.invoke("aws:ec2/getVpc:getVpc", id=found["vpcId"])
    assert vpc["cidrBlockAssociations"][0]["cidrBlock"] == vpc["cidrBlock"]


async def test_a_cluster_is_looked_up(engine: Engine, boto: Any) -> None:
    subnets = [it["SubnetId"] for it in boto("ec2").describe_subnets()["Subnets"][:2]]
    made = boto("eks").create_cluster(
        name="looked-up",
        roleArn="arn:aws:iam::123456789012:role/eks",
        resourcesVpcConfig={"subnetIds": subnets},
    )["cluster"]
    found = await engine.invoke("aws:eks/getCluster:getCluster", name="looked-up")
    assert found["arn"] == made["arn"]
    assert found["vpcConfig"]["subnetIds"] == subnets
    assert found["identities"][0]["oidcs"][0]["issuer"].startswith("https://")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["createdAt"])


@pytest.mark.parametrize(
    ("token", "arguments", "text"),
    [
        ("aws:eks/getCluster:getCluster", {"name": "nowhere"}, "EKS cluster nowhere"),
        ("aws:ec2/getSubnet:getSubnet", {"id": "subnet-00000000"}, "subnet subnet-00000000"),
        ("aws:ec2/getVpc:getVpc", {"id": "vpc-00000000"}, "VPC vpc-00000000"),
    ],
)
async def test_what_is_not_there_is_named(
    engine: Engine, token: str, arguments: dict[str, str], text: str
) -> None:
    with pytest.raises(SandboxError, match=text):
        await engine.invoke(token, **arguments)


async def test_an_instance_without_snapshots_has_none_and_that_is_no_error(engine: Engine) -> None:
    found = await engine.invoke(
        "aws:rds/getSnapshots:getSnapshots", dbInstanceIdentifier="nobody", snapshotType="automated"
    )
    assert found["snapshots"] == []


async def test_snapshots_are_told_with_status_and_time(engine: Engine, boto: Any) -> None:
    rds = boto("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="snapped",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="dbadmin",
        ManageMasterUserPassword=True,
    )
    rds.create_db_snapshot(DBSnapshotIdentifier="by-hand", DBInstanceIdentifier="snapped")
    token = "aws:rds/getSnapshots:getSnapshots"
    automated = await engine.invoke(token, dbInstanceIdentifier="snapped", snapshotType="automated")
    both = await engine.invoke(token, dbInstanceIdentifier="snapped")
    assert [it["snapshotType"] for it in automated["snapshots"]] == ["automated"]
    assert {it["snapshotType"] for it in both["snapshots"]} == {"automated", "manual"}
    for snapshot in both["snapshots"]:
        assert snapshot["status"] == "available"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", snapshot["snapshotCreateTime"])


async def test_naming_the_region_that_is_used_already_moves_nothing(engine: Engine) -> None:
    assert not await engine.provider.moves({}, {"region": "us-east-1"})
    assert await engine.provider.moves({}, {"region": "eu-west-1"})
