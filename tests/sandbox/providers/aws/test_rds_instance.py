from __future__ import annotations

import uuid
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.providers.values import Properties
from tests.sandbox.providers.aws.conftest import Engine

INSTANCE = "aws:rds/instance:Instance"
SNAPSHOTS = "aws:rds/getSnapshots:getSnapshots"


@pytest.fixture
def staging() -> Properties:
    name = f"s{uuid.uuid4().hex[:10]}"
    return {
        "identifier": name,
        "engine": "postgres",
        "engineVersion": "16",
        "instanceClass": "db.t4g.micro",
        "allocatedStorage": 20,
        "storageEncrypted": True,
        "dbName": "app",
        "username": "dbadmin",
        "manageMasterUserPassword": True,
        "multiAz": False,
        "backupRetentionPeriod": 7,
        "copyTagsToSnapshot": True,
        "deletionProtection": False,
        "skipFinalSnapshot": False,
        "finalSnapshotIdentifier": f"{name}-final",
        "deleteAutomatedBackups": False,
        "applyImmediately": True,
        "tags": {"stack": "pr-42", "commit": "a"},
    }


async def _restored(engine: Engine, staging: Properties) -> Properties:
    await engine.create(INSTANCE, **staging)
    found = await engine.invoke(
        SNAPSHOTS, dbInstanceIdentifier=staging["identifier"], snapshotType="automated"
    )
    return {
        "identifier": f"{staging['identifier']}-pr",
        "snapshotIdentifier": found["snapshots"][0]["dbSnapshotIdentifier"],
        "instanceClass": "db.t4g.small",
        "storageEncrypted": True,
        "manageMasterUserPassword": True,
        "publiclyAccessible": False,
        "multiAz": False,
        "backupRetentionPeriod": 0,
        "deletionProtection": False,
        "skipFinalSnapshot": True,
        "deleteAutomatedBackups": True,
        "copyTagsToSnapshot": False,
        "applyImmediately": True,
        "tags": {"stack": "pr-42"},
    }


async def test_an_instance_has_what_the_program_reads_of_it(
    engine: Engine, staging: Properties
) -> None:
    outputs = (await engine.create(INSTANCE, **staging)).outputs
    assert outputs["address"]
    assert outputs["port"] == 5432
    assert outputs["endpoint"] == f"{outputs['address']}:5432"
    [secret] = outputs["masterUserSecrets"]
    assert secret["secretArn"].startswith("arn:aws:secretsmanager:")
    assert outputs["finalSnapshotIdentifier"] == staging["finalSnapshotIdentifier"]


async def test_refreshing_an_instance_changes_no_input(engine: Engine, staging: Properties) -> None:
    made = await engine.create(INSTANCE, **staging)
    found = await engine.read(INSTANCE, made.identity, staging, made.outputs)
    assert found is not None
    assert found.inputs == staging


async def test_an_instance_is_restored_with_settings_and_a_secret_of_its_own(
    engine: Engine, staging: Properties
) -> None:
    inputs = await _restored(engine, staging)
    outputs = (await engine.create(INSTANCE, **inputs)).outputs
    for key in ("instanceClass", "backupRetentionPeriod", "deletionProtection", "multiAz", "tags"):
        assert outputs[key] == inputs[key], key
    assert outputs["username"] == "dbadmin"
    original = await engine.read(INSTANCE, staging["identifier"], staging, {})
    assert original is not None
    assert outputs["masterUserSecrets"] != original.outputs["masterUserSecrets"]


async def test_an_interrupted_restore_is_gone_on_with(engine: Engine, staging: Properties) -> None:
    inputs = await _restored(engine, staging)
    resource, call = engine.provider.resource(INSTANCE), engine.call(INSTANCE)
    await resource.create(call, inputs)  # And pulumi is killed before it settles.
    made = await engine.create(INSTANCE, **{**inputs, "tags": {"stack": "pr-42", "commit": "b"}})
    assert made.outputs["tags"] == {"stack": "pr-42", "commit": "b"}
    assert made.outputs["backupRetentionPeriod"] == 0
    engine.stack = "pr-43"
    with pytest.raises(SandboxError, match="not this stack's"):
        await engine.create(INSTANCE, **{**inputs, "tags": {"stack": "pr-43"}})


async def test_an_instance_changes_in_place(engine: Engine, staging: Properties) -> None:
    made = await engine.create(INSTANCE, **staging)
    new = {**staging, "instanceClass": "db.t4g.large", "backupRetentionPeriod": 3}
    outputs = await engine.update(INSTANCE, made.identity, staging, made.outputs, new)
    assert outputs["instanceClass"] == "db.t4g.large"
    assert outputs["backupRetentionPeriod"] == 3
    assert outputs["masterUserSecrets"] == made.outputs["masterUserSecrets"]


@pytest.mark.parametrize(
    ("changed", "replaces"),
    [
        ({"identifier": "other"}, True),
        ({"snapshotIdentifier": "rds:newer"}, True),
        ({"storageEncrypted": False}, True),
        ({"username": "other"}, True),
        ({"instanceClass": "db.t4g.large"}, False),
        ({"tags": {}}, False),
    ],
)
async def test_what_cannot_change_replaces(
    engine: Engine, staging: Properties, changed: Properties, replaces: bool
) -> None:
    resource, call = engine.provider.resource(INSTANCE), engine.call(INSTANCE)
    diff = await resource.diff(call, "x", staging, {**staging, **changed})
    assert diff.changes
    assert diff.replaces is replaces
    assert diff.delete_before_replace is ("identifier" not in changed)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (
            {"identifier": "a", "instanceClass": "b"},
            ["engine", "username", "allocatedStorage", "manageMasterUserPassword"],
        ),
        ({"identifier": "a", "instanceClass": "b", "snapshotIdentifier": "c"}, []),
        (
            {"identifier": "a", "instanceClass": "b", "snapshotIdentifier": "c", "password": "d"},
            ["password"],
        ),
    ],
)
async def test_inputs_are_checked_before_minutes_are_spent(
    engine: Engine, inputs: Properties, expected: list[str]
) -> None:
    resource = engine.provider.resource(INSTANCE)
    _, problems = await resource.check(engine.call(INSTANCE), {}, inputs)
    assert [it.property for it in problems] == expected


async def test_deleting_leaves_the_final_snapshot_that_was_asked_for(
    engine: Engine, staging: Properties, boto: Any
) -> None:
    await engine.create(INSTANCE, **staging)
    await engine.delete(INSTANCE, staging["identifier"], staging)
    assert await engine.read(INSTANCE, staging["identifier"], staging, {}) is None
    [snapshot] = boto("rds").describe_db_snapshots(
        DBSnapshotIdentifier=staging["finalSnapshotIdentifier"]
    )["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == staging["identifier"]
    await engine.delete(INSTANCE, staging["identifier"], staging)  # Gone already: no error.


async def test_deleting_without_a_final_snapshot_must_be_asked_for(
    engine: Engine, staging: Properties
) -> None:
    inputs = {**staging, "finalSnapshotIdentifier": None}
    await engine.create(INSTANCE, **inputs)
    with pytest.raises(SandboxError, match="finalSnapshotIdentifier is required"):
        await engine.delete(INSTANCE, staging["identifier"], inputs)
    assert await engine.read(INSTANCE, staging["identifier"], inputs, {}) is not None


async def test_a_protected_instance_is_not_deleted(engine: Engine, staging: Properties) -> None:
    inputs = {**staging, "deletionProtection": True}
    await engine.create(INSTANCE, **inputs)
    with pytest.raises(SandboxError, match="protect"):
        await engine.delete(INSTANCE, staging["identifier"], inputs)
    assert await engine.read(INSTANCE, staging["identifier"], inputs, {}) is not None
