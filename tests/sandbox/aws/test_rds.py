from __future__ import annotations

import os
import re
import signal

import psycopg2
import pytest

from sandbox.aws.client import take_automated_snapshot
from sandbox.aws.inventory import inventory
from tests.sandbox.aws.conftest import Aws
from tests.waiting import eventually

pytestmark = pytest.mark.sandbox


def test_an_instance_is_a_server_of_its_own_with_the_password_in_its_secret(
    aws: Aws, staging: str
) -> None:
    instance = aws.describe(staging)
    assert instance
    third = instance["Endpoint"]["Address"].split(".")[2]

    assert 1 <= int(third) <= 9
    assert instance["Endpoint"]["Port"] == 5432
    assert instance["MasterUserSecret"]["SecretStatus"] == "active"
    assert "secret:rds!db-" in instance["MasterUserSecret"]["SecretArn"]
    assert aws.master(staging)["username"] == "dbadmin"
    assert aws.query(staging, "SELECT current_user, current_database()") == [("dbadmin", "app")]


def test_until_it_is_available_an_instance_has_no_endpoint(aws: Aws) -> None:
    answer = aws.rds.create_db_instance(
        DBInstanceIdentifier="young",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="dbadmin",
        MasterUserPassword="chosen-by-hand",
        BackupRetentionPeriod=0,
    )["DBInstance"]

    assert answer["DBInstanceStatus"] == "creating"
    assert "Endpoint" not in answer
    aws.available("young")
    aws.connect("young", user="dbadmin", password="chosen-by-hand", dbname="postgres").close()
    aws.delete("young")


def test_backups_begin_with_the_instance(aws: Aws, staging: str) -> None:
    [first, *_] = aws.rds.describe_db_snapshots(
        DBInstanceIdentifier=staging, SnapshotType="automated"
    )["DBSnapshots"]

    assert re.fullmatch(r"rds:staging-\d{4}-\d\d-\d\d-\d\d-\d\d", first["DBSnapshotIdentifier"])
    assert first["Status"] == "available"
    assert first["PercentProgress"] == 100


def test_two_restored_instances_have_the_rows_and_are_apart(
    aws: Aws, staging: str, snapshot: str
) -> None:
    for name in ("pr-42", "pr-43"):
        instance = aws.restore(name, snapshot, ManageMasterUserPassword=True)
        assert instance["MasterUsername"] == "dbadmin"
        assert instance["DBName"] == "app"

    aws.query("pr-42", "DELETE FROM item WHERE n > 10")

    assert aws.query("pr-42", "SELECT count(*) FROM item") == [(10,)]
    assert aws.query("pr-43", "SELECT count(*) FROM item") == [(1000,)]
    assert aws.query(staging, "SELECT count(*) FROM item") == [(1000,)]
    passwords = {aws.master(name)["password"] for name in (staging, "pr-42", "pr-43")}
    assert len(passwords) == 3
    for name in ("pr-42", "pr-43"):
        aws.delete(name)


def test_a_restored_instance_keeps_the_sources_password_until_a_managed_one_is_asked_for(
    aws: Aws, staging: str, snapshot: str
) -> None:
    instance = aws.restore("pr-7", snapshot, BackupRetentionPeriod=0)
    old = {"user": "dbadmin", "password": aws.master(staging)["password"]}
    assert "MasterUserSecret" not in instance
    aws.connect("pr-7", **old).close()

    aws.rds.modify_db_instance(
        DBInstanceIdentifier="pr-7", ManageMasterUserPassword=True, ApplyImmediately=True
    )
    aws.available("pr-7")

    aws.connect("pr-7").close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        aws.connect("pr-7", **old)
    aws.delete("pr-7")


def test_rotation_gives_a_password_that_works(aws: Aws, snapshot: str) -> None:
    aws.restore("pr-8", snapshot, ManageMasterUserPassword=True, BackupRetentionPeriod=0)
    before = aws.master("pr-8")

    aws.rds.modify_db_instance(
        DBInstanceIdentifier="pr-8", RotateMasterUserPassword=True, ApplyImmediately=True
    )
    aws.available("pr-8")

    assert aws.master("pr-8")["password"] != before["password"]
    aws.connect("pr-8").close()
    aws.delete("pr-8")


def test_a_deletion_leaves_nothing(aws: Aws, snapshot: str) -> None:
    before, folders, servers = inventory(aws.settings), aws.folders(), len(aws.servers())
    aws.restore(
        "pr-9",
        snapshot,
        ManageMasterUserPassword=True,
        BackupRetentionPeriod=1,
        Tags=[{"Key": "stack", "Value": "pr-9"}],
    )
    added = set(inventory(aws.settings)) - set(before)
    assert {item.type for item in added} == {
        "rds:db",
        "rds:snapshot",
        "rds:auto-backup",
        "secretsmanager:secret",
    }

    aws.delete("pr-9", SkipFinalSnapshot=True, DeleteAutomatedBackups=True)

    assert inventory(aws.settings) == before
    assert aws.folders() == folders
    assert len(aws.servers()) == servers


def test_a_final_snapshot_outlives_its_instance(aws: Aws, snapshot: str) -> None:
    aws.restore("pr-10", snapshot, ManageMasterUserPassword=True, BackupRetentionPeriod=0)
    aws.query("pr-10", "UPDATE item SET n = -n")

    aws.delete("pr-10", FinalDBSnapshotIdentifier="pr-10-final")
    aws.restore("pr-11", "pr-10-final", ManageMasterUserPassword=True)

    assert aws.query("pr-11", "SELECT max(n) FROM item") == [(-1,)]
    aws.delete("pr-11")
    aws.rds.delete_db_snapshot(DBSnapshotIdentifier="pr-10-final")
    assert "snapshots/pr-10-final" not in aws.folders()


def test_retained_backups_stay(aws: Aws) -> None:
    aws.create("keeper", BackupRetentionPeriod=1)

    aws.delete("keeper", SkipFinalSnapshot=True, DeleteAutomatedBackups=False)

    [kept] = aws.rds.describe_db_snapshots(DBInstanceIdentifier="keeper")["DBSnapshots"]
    aws.rds.delete_db_snapshot(DBSnapshotIdentifier=kept["DBSnapshotIdentifier"])


def test_stop_start_reboot(aws: Aws, snapshot: str) -> None:
    aws.restore("pr-12", snapshot, ManageMasterUserPassword=True, BackupRetentionPeriod=0)
    aws.rds.stop_db_instance(DBInstanceIdentifier="pr-12")
    eventually(lambda: aws.status("pr-12") == "stopped", "pr-12 to stop")
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        aws.connect("pr-12")

    aws.rds.start_db_instance(DBInstanceIdentifier="pr-12")
    aws.available("pr-12")
    aws.rds.reboot_db_instance(DBInstanceIdentifier="pr-12")
    aws.available("pr-12")

    assert aws.query("pr-12", "SELECT count(*) FROM item") == [(1000,)]
    aws.delete("pr-12")


def test_parameters_of_the_group_reach_the_server(aws: Aws) -> None:
    aws.rds.create_db_parameter_group(
        DBParameterGroupName="slow", DBParameterGroupFamily="postgres16", Description="slow queries"
    )
    aws.rds.modify_db_parameter_group(
        DBParameterGroupName="slow",
        Parameters=[
            {
                "ParameterName": "log_min_duration_statement",
                "ParameterValue": "250",
                "ApplyMethod": "immediate",
            }
        ],
    )
    aws.create("tuned", DBParameterGroupName="slow")

    assert aws.query("tuned", "SHOW log_min_duration_statement") == [("250ms",)]
    # What the group does not say is as the class has it.
    assert aws.query("tuned", "SHOW max_connections") == [("112",)]
    aws.delete("tuned")
    aws.rds.delete_db_parameter_group(DBParameterGroupName="slow")


def test_a_server_that_is_killed_is_started_again(aws: Aws, staging: str) -> None:
    killed = aws.servers()
    for server in killed:
        os.kill(server.pid, signal.SIGKILL)

    eventually(lambda: _answers(aws, staging), "a new server")
    aws.available(staging)

    assert aws.query(staging, "SELECT count(*) FROM item") == [(1000,)]
    assert not {server.pid for server in killed} & {server.pid for server in aws.servers()}


def _answers(aws: Aws, name: str) -> bool:
    try:
        return bool(aws.query(name, "SELECT 1"))
    except psycopg2.OperationalError:
        return False


def test_automated_snapshots_expire_with_the_retention_period(aws: Aws) -> None:
    aws.create("nightly", BackupRetentionPeriod=2)

    taken = [take_automated_snapshot(aws.settings, "nightly") for _ in range(3)]

    def kept() -> list[str]:
        found = aws.rds.describe_db_snapshots(DBInstanceIdentifier="nightly")["DBSnapshots"]
        return [snapshot["DBSnapshotIdentifier"] for snapshot in found]

    assert len(set(taken)) == 3
    assert sorted(kept()) == sorted(taken[1:])
    aws.delete("nightly")


def test_tags_can_be_added_listed_and_filtered(aws: Aws, staging: str) -> None:
    instance = aws.describe(staging)
    assert instance
    arn = instance["DBInstanceArn"]

    aws.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "expires", "Value": "2030-01-01"}])
    listed = aws.rds.list_tags_for_resource(ResourceName=arn)["TagList"]
    aws.rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["expires"])

    assert {"Key": "expires", "Value": "2030-01-01"} in listed
    assert {"Key": "stack", "Value": "staging"} in listed
