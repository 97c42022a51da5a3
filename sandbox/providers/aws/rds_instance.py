"""Database instances of RDS, created or restored from a snapshot."""

from __future__ import annotations

from typing import Final

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.aws.resource import (
    TAGS,
    AwsResource,
    Request,
    live_inputs,
    require_ours,
)
from sandbox.providers.aws.resources import RDS
from sandbox.providers.base import Call, Existing
from sandbox.providers.inputs import Equality, Input, Problem, Type
from sandbox.providers.values import Properties

# The real provider's own limits.
_CREATE_SECONDS: Final = 2400.0
_DELETE_SECONDS: Final = 3600.0
_FAILED: Final = frozenset({"failed", "incompatible-restore", "incompatible-parameters"})

# Parameters of the call that restores a snapshot, which are changed in place later, ...
_AT_ONCE: Final = {
    "DBInstanceClass": "instanceClass",
    "DBSubnetGroupName": "dbSubnetGroupName",
    "VpcSecurityGroupIds": "vpcSecurityGroupIds",
    "PubliclyAccessible": "publiclyAccessible",
    "MultiAZ": "multiAz",
    "CopyTagsToSnapshot": "copyTagsToSnapshot",
    "DeletionProtection": "deletionProtection",
    "AutoMinorVersionUpgrade": "autoMinorVersionUpgrade",
    "BackupRetentionPeriod": "backupRetentionPeriod",
}
# ... those that a restored instance is changed to once it is available, ...
_AFTER_RESTORING: Final = {
    "EngineVersion": "engineVersion",
    "AllocatedStorage": "allocatedStorage",
    "MaxAllocatedStorage": "maxAllocatedStorage",
    "StorageType": "storageType",
    "ManageMasterUserPassword": "manageMasterUserPassword",
}
# ... and those that can only be given when an instance is created empty.
_ONLY_AT_CREATION: Final = {
    "Engine": "engine",
    "DBName": "dbName",
    "MasterUsername": "username",
    "StorageEncrypted": "storageEncrypted",
    "KmsKeyId": "kmsKeyId",
}
_NAMED: Final = {"DBInstanceIdentifier": "identifier", "Tags": "tagList"}
_CREATE: Final = Request(
    "create_db_instance", {**_NAMED, **_AT_ONCE, **_AFTER_RESTORING, **_ONLY_AT_CREATION}
)
_RESTORE: Final = Request(
    "restore_db_instance_from_db_snapshot",
    {**_NAMED, **_AT_ONCE, "DBSnapshotIdentifier": "snapshotIdentifier"},
)


class _Instance(AwsResource):
    """``aws:rds/instance:Instance``; its identity here is its identifier.

    (The real provider takes AWS's resource id, which moto makes the same for all.)
    """

    @override
    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        """Besides the schema, what the API would refuse only after minutes."""
        inputs, problems = await super().check(call, old, new)
        if not new.get("snapshotIdentifier"):
            problems += [
                Problem(key, "is required for an instance that is not restored from a snapshot")
                for key in ("engine", "username", "allocatedStorage", "manageMasterUserPassword")
                if new.get(key) is None
            ]
        return inputs, problems

    @override
    def creating(self, inputs: Properties) -> Request:
        return _RESTORE if inputs.get("snapshotIdentifier") else _CREATE

    @override
    async def adopt(self, call: Call, inputs: Properties) -> Existing:
        """Take it over as it is: ``settle`` changes what differs once it is available."""
        identity = str(inputs["identifier"])
        live = await self.live(call, identity)
        require_ours(call, identity, inputs.get("tags"), live["tags"])
        return Existing(identity, {**inputs, **live})

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        live = await self._available(call, identity)
        if await self.converge(call, identity, inputs, live):
            live = await self._available(call, identity)
        return {**inputs, **live}

    async def _available(self, call: Call, identity: str) -> Properties:
        async def available() -> Properties | None:
            live = await self.live(call, identity)
            if live["status"] in _FAILED:
                raise SandboxError(
                    f"database instance {identity}",
                    why=f"its status is {live['status']}",
                    remedy="see `sandbox logs aws`, then destroy it and run the same command again",
                )
            return live if live["status"] == "available" else None

        return await call.poll(
            available,
            default_seconds=_CREATE_SECONDS,
            waiting_for=f"database instance {identity} to be available",
        )

    @override
    def as_recorded(self, inputs: Properties, live: Properties) -> Properties:
        current = live_inputs(self.schema, inputs, live)
        wanted = inputs.get("engineVersion")
        if wanted and str(live["engineVersion"]).startswith(f"{wanted}."):
            # "16" asks for any 16.x, and AWS upgrades minor versions by itself.
            current["engineVersion"] = wanted
        return current

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        if not inputs.get("skipFinalSnapshot") and not inputs.get("finalSnapshotIdentifier"):
            raise SandboxError(
                f"database instance {identity}",
                why="finalSnapshotIdentifier is required when skipFinalSnapshot is false",
                remedy="set one of the two, run `pulumi up`, then destroy again",
            )
        live = await self.describe(call, identity)
        if live is not None and live["status"] != "deleting":
            await super().delete(call, identity, inputs, outputs)

        async def gone() -> bool | None:
            return True if await self.describe(call, identity) is None else None

        await call.poll(
            gone,
            default_seconds=_DELETE_SECONDS,
            waiting_for=f"database instance {identity} to be gone",
        )


INSTANCE: Final = _Instance(
    api=RDS,
    schema={
        "identifier": Input(required=True, replace=True),
        "snapshotIdentifier": Input(replace=True),
        "engine": Input(replace=True, allowed=("postgres",)),
        "engineVersion": Input(),
        "instanceClass": Input(required=True),
        "allocatedStorage": Input(Type.NUMBER),
        "maxAllocatedStorage": Input(Type.NUMBER),
        "storageType": Input(),
        "storageEncrypted": Input(Type.BOOLEAN, replace=True),
        "kmsKeyId": Input(replace=True),
        "dbName": Input(replace=True),
        "username": Input(replace=True),
        "manageMasterUserPassword": Input(Type.BOOLEAN, allowed=(True,)),
        "dbSubnetGroupName": Input(),
        "vpcSecurityGroupIds": Input(Type.LIST, equality=Equality.UNORDERED),
        "publiclyAccessible": Input(Type.BOOLEAN),
        "multiAz": Input(Type.BOOLEAN),
        "backupRetentionPeriod": Input(Type.NUMBER),
        "copyTagsToSnapshot": Input(Type.BOOLEAN),
        "deletionProtection": Input(Type.BOOLEAN),
        "skipFinalSnapshot": Input(Type.BOOLEAN),
        "finalSnapshotIdentifier": Input(),
        "deleteAutomatedBackups": Input(Type.BOOLEAN),
        "autoMinorVersionUpgrade": Input(Type.BOOLEAN),
        "applyImmediately": Input(Type.BOOLEAN),
        "allowMajorVersionUpgrade": Input(Type.BOOLEAN, allowed=(False,)),
        "tags": TAGS,
    },
    name_input="identifier",
    taken="DBInstanceAlreadyExists",
    create_call=_CREATE,
    identity="identifier",
    read_calls=(
        Request("describe_db_instances", {"DBInstanceIdentifier": "id"}),
        Request("list_tags_for_resource", {"ResourceName": "DBInstances[0].DBInstanceArn"}),
    ),
    found="DBInstances[0]",
    outputs={
        "arn": "DBInstanceArn",
        "identifier": "DBInstanceIdentifier",
        "resourceId": "DbiResourceId || ''",
        "status": "DBInstanceStatus",
        "address": "Endpoint.Address || ''",
        "port": "Endpoint.Port || `0`",
        "endpoint": "join(':', [Endpoint.Address || '', to_string(Endpoint.Port || `0`)])",
        "hostedZoneId": "Endpoint.HostedZoneId || ''",
        "availabilityZone": "AvailabilityZone || ''",
        "engine": "Engine",
        "engineVersion": "EngineVersion",
        "engineVersionActual": "EngineVersion",
        "instanceClass": "DBInstanceClass",
        "allocatedStorage": "AllocatedStorage || `0`",
        "maxAllocatedStorage": "MaxAllocatedStorage",
        "storageType": "StorageType || ''",
        "storageEncrypted": "StorageEncrypted || `false`",
        "kmsKeyId": "KmsKeyId || ''",
        "dbName": "DBName || ''",
        "username": "MasterUsername || ''",
        "manageMasterUserPassword": "MasterUserSecret && `true`",
        "masterUserSecrets": (
            "MasterUserSecret && [MasterUserSecret.{secretArn: SecretArn,"
            " secretStatus: SecretStatus || '', kmsKeyId: KmsKeyId || ''}] || `[]`"
        ),
        "dbSubnetGroupName": "DBSubnetGroup.DBSubnetGroupName",
        "vpcSecurityGroupIds": "sort(VpcSecurityGroups[].VpcSecurityGroupId || `[]`)",
        "publiclyAccessible": "PubliclyAccessible || `false`",
        "multiAz": "MultiAZ || `false`",
        "backupRetentionPeriod": "BackupRetentionPeriod || `0`",
        "backupWindow": "PreferredBackupWindow || ''",
        "maintenanceWindow": "PreferredMaintenanceWindow || ''",
        "copyTagsToSnapshot": "CopyTagsToSnapshot || `false`",
        "deletionProtection": "DeletionProtection || `false`",
        "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade || `false`",
        "caCertIdentifier": "CACertificateIdentifier || ''",
        "licenseModel": "LicenseModel || ''",
        "parameterGroupName": "DBParameterGroups[0].DBParameterGroupName || ''",
        "optionGroupName": "OptionGroupMemberships[0].OptionGroupName || ''",
        "tags": "TagList",
    },
    updates=(
        Request(
            "modify_db_instance",
            {
                "DBInstanceIdentifier": "id",
                "ApplyImmediately": "applyImmediately || `false`",
                **_AT_ONCE,
                **_AFTER_RESTORING,
            },
            always=frozenset({"DBInstanceIdentifier", "ApplyImmediately"}),
        ),
    ),
    delete_call=Request(
        "delete_db_instance",
        {
            "DBInstanceIdentifier": "id",
            "SkipFinalSnapshot": "skipFinalSnapshot || `false`",
            "FinalDBSnapshotIdentifier": "!skipFinalSnapshot && finalSnapshotIdentifier || `null`",
            "DeleteAutomatedBackups": "deleteAutomatedBackups",
        },
    ),
)
