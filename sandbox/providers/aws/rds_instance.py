"""Database instances of RDS, created or restored from a snapshot."""

from __future__ import annotations

from typing import Final

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.aws.resource import TAGS, AwsResource, Property, Request, require_ours
from sandbox.providers.aws.resources import RDS_API
from sandbox.providers.base import Call, Existing
from sandbox.providers.inputs import Equality, Input, Problem, Type
from sandbox.providers.values import Properties

# The real provider's limits.
_CREATE_SECONDS: Final = 2400.0
_DELETE_SECONDS: Final = 3600.0
_FAILED: Final = frozenset({"failed", "incompatible-restore", "incompatible-parameters"})

_FIXED: Final = Input(replace=True)
_TEXT: Final = Input()
_NUMBER: Final = Input(Type.NUMBER)
_FLAG: Final = Input(Type.BOOLEAN)
# Parameters of the call that restores a snapshot, which are changed in place later, ...
_AT_ONCE: Final = {
    "instanceClass": Property(Input(required=True), "DBInstanceClass"),
    "dbSubnetGroupName": Property(
        _TEXT, "DBSubnetGroupName", output="DBSubnetGroup.DBSubnetGroupName"
    ),
    "vpcSecurityGroupIds": Property(
        Input(Type.LIST, equality=Equality.UNORDERED),
        "VpcSecurityGroupIds",
        output="sort(VpcSecurityGroups[].VpcSecurityGroupId || `[]`)",
    ),
    "publiclyAccessible": Property(_FLAG, "PubliclyAccessible"),
    "multiAz": Property(_FLAG, "MultiAZ"),
    "copyTagsToSnapshot": Property(_FLAG, "CopyTagsToSnapshot"),
    "deletionProtection": Property(_FLAG, "DeletionProtection"),
    "autoMinorVersionUpgrade": Property(_FLAG, "AutoMinorVersionUpgrade"),
    "backupRetentionPeriod": Property(_NUMBER, "BackupRetentionPeriod"),
}
# ... those that a restored instance gets once it is available, ...
_AFTER_RESTORING: Final = {
    "engineVersion": Property(_TEXT, "EngineVersion"),
    "allocatedStorage": Property(_NUMBER, "AllocatedStorage"),
    "maxAllocatedStorage": Property(_NUMBER, "MaxAllocatedStorage"),
    "storageType": Property(_TEXT, "StorageType"),
    "manageMasterUserPassword": Property(
        Input(Type.BOOLEAN, allowed=(True,)),
        "ManageMasterUserPassword",
        output="MasterUserSecret && `true`",
    ),
}
# ... those that can be set only when an empty instance is created, ...
_AT_CREATION: Final = {
    "engine": Property(Input(replace=True, allowed=("postgres",)), "Engine"),
    "dbName": Property(_FIXED, "DBName"),
    "username": Property(_FIXED, "MasterUsername"),
    "storageEncrypted": Property(Input(Type.BOOLEAN, replace=True), "StorageEncrypted"),
    "kmsKeyId": Property(_FIXED, "KmsKeyId"),
}
# ... and those of other calls.
_OTHERS: Final = {
    "identifier": Property(Input(required=True, replace=True), "DBInstanceIdentifier"),
    "tags": Property(TAGS, "Tags", value="tagList", output="TagList"),
    "snapshotIdentifier": Property(_FIXED),
    "skipFinalSnapshot": Property(_FLAG),
    "finalSnapshotIdentifier": Property(_TEXT),
    "deleteAutomatedBackups": Property(_FLAG),
    "applyImmediately": Property(_FLAG),
    "allowMajorVersionUpgrade": Property(Input(Type.BOOLEAN, allowed=(False,))),
    # moto knows no support that ends.
    "engineLifecycleSupport": Property(
        Input(allowed=("open-source-rds-extended-support-disabled",))
    ),
}


def _parameters(properties: dict[str, Property]) -> dict[str, str]:
    return {it.parameter: name for name, it in properties.items() if it.parameter}


class _Instance(AwsResource):
    """``aws:rds/instance:Instance``; its ID is its identifier.

    (The real provider uses AWS's resource ID, which is the same for all in moto.)
    """

    @override
    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        """Check the schema, and also what the API would reject only after minutes."""
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
        if not inputs.get("snapshotIdentifier"):
            return super().creating(inputs)
        return Request(
            "restore_db_instance_from_db_snapshot",
            {
                "DBInstanceIdentifier": "identifier",
                "DBSnapshotIdentifier": "snapshotIdentifier",
                "Tags": "tagList",
                **_parameters(_AT_ONCE),
            },
        )

    @override
    async def adopt(self, call: Call, inputs: Properties) -> Existing:
        """Adopt it unchanged; ``settle`` changes what differs once it is available."""
        identity = str(inputs["identifier"])
        live = await self.live(call, identity)
        require_ours(call, identity, inputs.get("tags"), live["tags"])
        return Existing(identity, {**inputs, **live})

    @override
    async def ready(self, call: Call, identity: str) -> Properties:
        async def available() -> Properties | None:
            live = await self.live(call, identity)
            if live["status"] in _FAILED:
                raise SandboxError(
                    f"database instance {identity}",
                    why=f"its status is {live['status']}",
                    remedy="read `sandbox logs aws`, destroy it, and run the same command again",
                )
            return live if live["status"] == "available" else None

        return await call.poll(
            available,
            default_seconds=_CREATE_SECONDS,
            waiting_for=f"database instance {identity} to be available",
        )

    @override
    def as_recorded(self, inputs: Properties, live: Properties) -> Properties:
        current = super().as_recorded(inputs, live)
        wanted = inputs.get("engineVersion")
        if wanted and str(live["engineVersion"]).startswith(f"{wanted}."):
            # "16" matches any 16.x, and AWS upgrades minor versions by itself.
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
    api=RDS_API,
    properties={**_AT_ONCE, **_AFTER_RESTORING, **_AT_CREATION, **_OTHERS},
    name_input="identifier",
    taken="DBInstanceAlreadyExists",
    create_call="create_db_instance",
    identity="identifier",
    read_calls=(
        Request("describe_db_instances", {"DBInstanceIdentifier": "id"}),
        Request("list_tags_for_resource", {"ResourceName": "DBInstances[0].DBInstanceArn"}),
    ),
    found="DBInstances[0]",
    outputs={
        "arn": "DBInstanceArn",
        "resourceId": "DbiResourceId",
        "status": "DBInstanceStatus",
        "address": "Endpoint.Address",
        "port": "Endpoint.Port",
        "endpoint": "Endpoint && join(':', [Endpoint.Address, to_string(Endpoint.Port)])",
        "availabilityZone": "AvailabilityZone",
        "engineVersionActual": "EngineVersion",
        "masterUserSecrets": (
            "MasterUserSecret && [MasterUserSecret.{secretArn: SecretArn,"
            " secretStatus: SecretStatus, kmsKeyId: KmsKeyId}] || `[]`"
        ),
    },
    updates=(
        Request(
            "modify_db_instance",
            {
                "DBInstanceIdentifier": "id",
                "ApplyImmediately": "applyImmediately || `false`",
                **_parameters({**_AT_ONCE, **_AFTER_RESTORING}),
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
