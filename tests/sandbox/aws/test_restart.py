from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from sandbox.aws.client import take_automated_snapshot
from sandbox.aws.identity import PORT
from sandbox.aws.inventory import inventory
from sandbox.postgres.folder import InstanceFolder
from sandbox.postgres.server import processes_of
from tests.sandbox.aws.conftest import Aws, free_settings
from tests.waiting import HANGS, eventually

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def module_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An account that the tests of this module kill again and again."""
    aws = Aws(free_settings(tmp_path_factory.mktemp("killed")))
    aws.start()
    aws.create("staging", BackupRetentionPeriod=2)
    aws.query("staging", "CREATE TABLE item AS SELECT generate_series(1, 1000) AS n")
    yield aws
    aws.stop()


@pytest.fixture
def own(module_account: Aws) -> Iterator[Aws]:
    """The module's account; whatever a test does to it, it runs again for the next."""
    yield module_account
    module_account.start_if_down()


def test_everything_survives_a_kill(own: Aws) -> None:
    own.client("iam").create_role(RoleName="kept", AssumeRolePolicyDocument="{}")
    own.client("ecr").create_repository(repositoryName="kept")
    own.client("secretsmanager").create_secret(Name="kept", SecretString="a secret")
    own.client("logs").create_log_group(logGroupName="kept")
    group = own.client("ec2").create_security_group(GroupName="kept", Description="kept")
    take_automated_snapshot(own.settings, "staging")
    before = inventory(own.settings)
    master, address = own.master("staging"), own.available("staging")["Endpoint"]
    key = own.client("kms").describe_key(KeyId="alias/aws/rds")["KeyMetadata"]["KeyId"]

    own.kill()
    own.start()

    assert inventory(own.settings) == before
    assert own.available("staging")["Endpoint"] == address
    assert own.master("staging") == master
    assert own.query("staging", "SELECT count(*) FROM item") == [(1000,)]
    own.client("ec2").delete_security_group(GroupId=group["GroupId"])
    value = own.client("secretsmanager").get_secret_value(SecretId="kept")
    assert value["SecretString"] == "a secret"
    found = own.client("kms").describe_key(KeyId="alias/aws/rds")["KeyMetadata"]["KeyId"]
    assert found == key


def test_an_instance_that_was_being_restored_comes_up(own: Aws) -> None:
    snapshot = take_automated_snapshot(own.settings, "staging")
    own.rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="pr-1", DBSnapshotIdentifier=snapshot, ManageMasterUserPassword=True
    )

    own.kill()
    own.start()

    own.available("pr-1")
    assert own.query("pr-1", "SELECT count(*) FROM item") == [(1000,)]
    own.delete("pr-1")


def test_an_instance_that_was_being_created_comes_up(own: Aws) -> None:
    own.rds.create_db_instance(
        DBInstanceIdentifier="fresh",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        DBName="app",
        MasterUsername="dbadmin",
        ManageMasterUserPassword=True,
        BackupRetentionPeriod=1,
    )

    own.kill()
    own.start()

    own.available("fresh")
    assert own.query("fresh", "SELECT 1") == [(1,)]
    [backup] = own.rds.describe_db_snapshots(DBInstanceIdentifier="fresh")["DBSnapshots"]
    assert backup["Status"] == "available"
    own.delete("fresh")


def test_a_deletion_is_finished(own: Aws) -> None:
    before, folders = inventory(own.settings), own.folders()
    own.create("pr-2")
    own.rds.delete_db_instance(DBInstanceIdentifier="pr-2", SkipFinalSnapshot=True)

    own.kill()
    own.start()

    eventually(lambda: own.status("pr-2") is None, "pr-2 to be gone")
    assert inventory(own.settings) == before
    assert own.folders() == folders


def test_a_stopped_instance_stays_stopped(own: Aws) -> None:
    own.create("pr-3")
    own.rds.stop_db_instance(DBInstanceIdentifier="pr-3")
    eventually(lambda: own.status("pr-3") == "stopped", "pr-3 to stop")
    servers = len(own.servers())

    own.kill()
    own.start()

    assert own.status("pr-3") == "stopped"
    assert len(own.servers()) == servers
    own.delete("pr-3")


def test_folders_that_belong_to_nothing_are_removed(own: Aws) -> None:
    own.stop()
    for kind in ("rds", "snapshots"):
        for name in ("nobody", "staging-copy.partial"):
            (own.settings.home / kind / name / "data").mkdir(parents=True)

    own.start()

    assert not [name for name in own.folders() if "nobody" in name or "partial" in name]
    assert "rds/staging" in own.folders()


def run_to_its_end(aws: Aws) -> str:
    """Start the process where it must refuse, and return what it says."""
    with pytest.raises(AssertionError):
        aws.start()
    assert aws.process
    assert aws.process.wait(HANGS) != 0
    return aws.log().rpartition("Traceback")[2]


@pytest.mark.parametrize(
    ("stamp", "why"),
    [
        ({"format": 2, "moto": "4.0.0", "python": "3.11"}, "its versions are .*4.0.0"),
        (None, "its first line is not its version"),
    ],
)
def test_a_state_of_other_versions_is_refused_and_kept(
    own: Aws, stamp: dict[str, object] | None, why: str
) -> None:
    own.stop()
    path = own.settings.home / "aws" / "state"
    content = path.read_bytes()
    other = json.dumps(stamp).encode() + b"\n" if stamp else b"garbage"
    path.write_bytes(other + content.partition(b"\n")[2])
    left = path.read_bytes()

    try:
        output = run_to_its_end(own)
        assert path.read_bytes() == left
    finally:
        own.stop()
        path.write_bytes(content)

    assert "sandbox reset" in output


def test_a_port_in_use_is_named_with_its_holder(own: Aws) -> None:
    own.stop()

    with socket.create_server((own.settings.aws_address, PORT)):
        output = run_to_its_end(own)
        assert f"port {own.settings.aws_address}:{PORT}: it is in use by" in output
        assert "SANDBOX_SUBNET" in output


def test_a_stop_shuts_the_servers_down_in_peace(own: Aws) -> None:
    staging = InstanceFolder(own.settings.home / "rds" / "staging")
    assert processes_of(staging)

    own.stop()

    log = (own.settings.home / "rds" / "staging" / "postgresql.log").read_text()
    assert "database system is shut down" in log.splitlines()[-1]
    assert processes_of(staging) == []
