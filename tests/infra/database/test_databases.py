"""Staging's database, a preview's, and the choice of a snapshot."""

from __future__ import annotations

import inspect
from typing import Any

import pulumi
import pytest
from pulumi_aws import ec2, rds

from infra.database.database import master_secret_arn
from infra.database.security_group import SecurityGroup
from infra.database.snapshot_database import Snapshot, newest_available
from infra.errors import ProgramError
from infra.stacks import main
from tests.infra.world import PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

INSTANCE = "aws:rds/instance:Instance"
GROUP = "aws:ec2/securityGroup:SecurityGroup"


def without_tags(inputs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != "tags"}


def test_stagings_instance(staging: Deployment) -> None:
    assert without_tags(staging.one(INSTANCE).inputs) == {
        "identifier": "staging",
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": "db.t4g.medium",
        "allocatedStorage": 20,
        "maxAllocatedStorage": 100,
        "storageType": "gp3",
        "storageEncrypted": True,
        "kmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/data-key",
        "dbName": "service",
        "username": "postgres",
        "manageMasterUserPassword": True,
        "dbSubnetGroupName": "staging-database",
        "vpcSecurityGroupIds": ["firewall-id"],
        "publiclyAccessible": False,
        "multiAz": False,
        "backupRetentionPeriod": 7,
        "copyTagsToSnapshot": True,
        "deletionProtection": True,
        "skipFinalSnapshot": False,
        "finalSnapshotIdentifier": "staging-final",
        "deleteAutomatedBackups": False,
        "autoMinorVersionUpgrade": True,
        "allowMajorVersionUpgrade": False,
        "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "applyImmediately": False,
    }


def test_a_previews_instance_is_what_one_restore_call_makes(preview: Deployment) -> None:
    """Anything more would be a second modification, with another wait of minutes."""
    instance = preview.one(INSTANCE)
    assert without_tags(instance.inputs) == {
        "identifier": "pr-42",
        "snapshotIdentifier": "rds:staging-2029-12-30-03-05",
        "instanceClass": "db.t4g.micro",
        "storageEncrypted": True,
        "manageMasterUserPassword": True,
        "dbSubnetGroupName": "staging-database",
        "vpcSecurityGroupIds": ["firewall-id"],
        "publiclyAccessible": False,
        "multiAz": False,
        "backupRetentionPeriod": 0,
        "copyTagsToSnapshot": False,
        "deletionProtection": False,
        "skipFinalSnapshot": True,
        "deleteAutomatedBackups": True,
        "autoMinorVersionUpgrade": False,
        "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "applyImmediately": True,
    }
    assert instance.inputs["tags"]["snapshot-created"] == "2029-12-30T03:05:11Z"
    # CI's role changes an instance once, after its restore.
    assert instance.ignore_changes == (
        "snapshotIdentifier",
        "instanceClass",
        'tags["snapshot-created"]',
    )


@pytest.mark.parametrize(
    "argument",
    [
        "allocatedStorage",
        "backupWindow",
        "dbName",
        "engine",
        "engineVersion",
        "iops",
        "maintenanceWindow",
        "maxAllocatedStorage",
        "monitoringInterval",
        "password",
        "performanceInsightsEnabled",
        "storageType",
        "username",
    ],
)
def test_a_preview_sets_nothing_that_rds_changes_after_the_restore(
    preview: Deployment, argument: str
) -> None:
    assert argument not in preview.one(INSTANCE).inputs


def test_staging_may_have_subnets_of_its_own_for_databases() -> None:
    database = {"instanceClass": "db.t4g.micro", "subnetIds": ["subnet-8", "subnet-9"]}
    stack = deploy("staging", main, config=STAGING_CONFIG | {"database": database})
    assert stack.one("aws:rds/subnetGroup:SubnetGroup").inputs["subnetIds"] == [
        "subnet-8",
        "subnet-9",
    ]
    assert stack.outputs["platform"]["database"]["cidrs"] == ["10.0.8.0/24", "10.0.9.0/24"]


def test_only_the_cluster_gets_to_a_database(staging: Deployment, preview: Deployment) -> None:
    for stack, name in ((staging, "staging"), (preview, "pr-42")):
        assert without_tags(stack.one(GROUP).inputs) == {
            "name": f"{name}-database",
            "description": f"Database of {name}",
            "vpcId": "vpc-1",
            "ingress": [
                {
                    "description": "PostgreSQL from the cluster",
                    "protocol": "tcp",
                    "fromPort": 5432,
                    "toPort": 5432,
                    "securityGroups": ["sg-cluster"],
                }
            ],
        }


def test_our_security_group_is_the_sdks() -> None:
    """Declared by the SDK, the same group has the same token, inputs and provider version."""

    def program() -> None:
        SecurityGroup(
            "ours",
            name="a",
            description="b",
            vpc_id="vpc-1",
            source_security_group_id="sg-1",
        )
        ec2.SecurityGroup(
            "sdks",
            name="a",
            description="b",
            vpc_id="vpc-1",
            ingress=[
                ec2.SecurityGroupIngressArgs(
                    description="PostgreSQL from the cluster",
                    protocol="tcp",
                    from_port=5432,
                    to_port=5432,
                    security_groups=["sg-1"],
                )
            ],
        )

    stack = deploy("pr-42", program)
    ours, sdks = stack.one(GROUP, "ours"), stack.one(GROUP, "sdks")
    assert ours.inputs == sdks.inputs
    assert ours.version == sdks.version != ""
    assert "tags_all" in dict(inspect.getmembers(ec2.SecurityGroup))


def snapshots(*given: tuple[str, str, str]) -> list[rds.outputs.GetSnapshotsSnapshotResult]:
    names = inspect.signature(rds.outputs.GetSnapshotsSnapshotResult.__init__).parameters

    def snapshot(**known: Any) -> rds.outputs.GetSnapshotsSnapshotResult:
        every: dict[str, Any] = dict.fromkeys(list(names)[1:]) | known
        return rds.outputs.GetSnapshotsSnapshotResult(**every)

    return [
        snapshot(db_snapshot_identifier=name, snapshot_create_time=time, status=status)
        for name, time, status in given
    ]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ([("a", "2029-12-30T03:05:11Z", "available")], "a"),
        (
            [
                ("old", "2029-12-29T03:05:11Z", "available"),
                ("new", "2029-12-30T03:05:11Z", "available"),
                ("middle", "2029-12-29T23:05:11Z", "available"),
            ],
            "new",
        ),
        (
            [
                ("whole", "2029-12-29T03:05:11Z", "available"),
                ("being-made", "2029-12-30T03:05:11Z", "creating"),
            ],
            "whole",
        ),
        # RDS gives one that was just begun no time at all.
        ([("begun", "", "creating"), ("whole", "2029-12-29T03:05:11Z", "available")], "whole"),
    ],
)
def test_the_newest_snapshot_that_can_be_restored_is_chosen(
    given: list[tuple[str, str, str]], chosen: str
) -> None:
    picked = newest_available("staging", snapshots(*given))
    assert picked.identifier == chosen
    assert picked == Snapshot(*next((n, t) for n, t, _ in given if n == chosen))


def test_no_snapshot_says_of_which_instance_and_what_to_do() -> None:
    with pytest.raises(ProgramError, match="RDS instance staging: it has none") as caught:
        newest_available("staging", [])
    assert "backupRetentionDays" in caught.value.remedy
    assert "describe-db-snapshots --db-instance-identifier staging" in caught.value.remedy


def test_only_unfinished_snapshots_say_what_state_they_are_in() -> None:
    given = snapshots(("a", "", "creating"), ("b", "2029-12-29T03:05:11Z", "deleting"))
    with pytest.raises(ProgramError, match=r"it has 2, but none is available \(they are creat"):
        newest_available("staging", given)


def test_a_preview_without_a_snapshot_stops_the_whole_program(staging: Deployment) -> None:
    cloud = Cloud(staging=staging.outputs, snapshots=[])
    with pytest.raises(ProgramError, match="automated snapshot of RDS instance staging"):
        deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=cloud)
    assert INSTANCE not in cloud.made


@pytest.mark.parametrize("secrets", [None, []])
def test_an_instance_without_a_master_secret_is_named(secrets: list[Any] | None) -> None:
    with pytest.raises(pulumi.RunError, match="RDS instance pr-42: AWS lists no secret"):
        master_secret_arn("pr-42", secrets)
