from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.client import take_automated_snapshot
from sandbox.errors import SandboxError
from tests.sandbox.aws.conftest import Aws

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"Engine": "mysql"}, "the sandbox runs postgres"),
        ({"EngineVersion": "9.6.3"}, "16, 18"),
        ({"MasterUsername": "rdsadmin"}, "reserved word"),
        ({"ManageMasterUserPassword": False}, "MasterUserPassword must be provided"),
        (
            {"ManageMasterUserPassword": False, "MasterUserPassword": "short"},
            "shorter than 8 characters",
        ),
        ({"DBSubnetGroupName": "nowhere"}, "nowhere not found"),
        ({"DBInstanceIdentifier": "no--good"}, "not a valid identifier|hyphens"),
        ({"DBInstanceIdentifier": "staging"}, "already exists"),
    ],
)
def test_what_rds_refuses_is_refused(
    aws: Aws, staging: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        aws.create("wrong", **options)

    assert aws.describe("wrong") is None


def test_a_protected_instance_and_one_without_final_snapshot_stay(aws: Aws, snapshot: str) -> None:
    aws.restore("pr-13", snapshot, DeletionProtection=True, BackupRetentionPeriod=0)
    with pytest.raises(ClientError, match="deletion protection"):
        aws.delete("pr-13")
    aws.rds.modify_db_instance(DBInstanceIdentifier="pr-13", DeletionProtection=False)
    with pytest.raises(ClientError, match="FinalDBSnapshotIdentifier is required"):
        aws.rds.delete_db_instance(DBInstanceIdentifier="pr-13")

    assert aws.status("pr-13") == "available"
    aws.delete("pr-13")


@pytest.mark.parametrize(
    ("instance", "why"), [("pr-1000", "not found"), ("unbacked", "BackupRetentionPeriod is 0")]
)
def test_a_snapshot_that_cannot_be_taken_says_why(aws: Aws, instance: str, why: str) -> None:
    if instance == "unbacked":
        aws.create(instance)

    with pytest.raises(SandboxError, match=why):
        take_automated_snapshot(aws.settings, instance)

    if instance == "unbacked":
        aws.delete(instance)


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        (
            "create_db_instance_read_replica",
            {"DBInstanceIdentifier": "copy", "SourceDBInstanceIdentifier": "staging"},
        ),
        (
            "copy_db_snapshot",
            {"SourceDBSnapshotIdentifier": "one", "TargetDBSnapshotIdentifier": "two"},
        ),
        (
            "modify_db_instance",
            {"DBInstanceIdentifier": "staging", "MasterUserPassword": "chosen-by-hand"},
        ),
        ("create_db_cluster", {"DBClusterIdentifier": "aurora", "Engine": "aurora-postgresql"}),
        (
            "restore_db_instance_to_point_in_time",
            {
                "SourceDBInstanceIdentifier": "staging",
                "TargetDBInstanceIdentifier": "back",
                "UseLatestRestorableTime": True,
            },
        ),
    ],
)
def test_what_has_no_server_behind_it_is_not_pretended(
    aws: Aws, staging: str, operation: str, options: dict[str, object]
) -> None:
    with pytest.raises(ClientError, match="The sandbox's RDS has no"):
        getattr(aws.rds, operation)(**options)
