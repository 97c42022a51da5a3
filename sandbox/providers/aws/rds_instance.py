"""Relational Database Service: instances, created or restored from a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.aws.rds_outputs import instance_outputs
from sandbox.providers.aws.rds_tags import retag, tags_of
from sandbox.providers.aws.resource import (
    TAGS,
    AwsResource,
    clients,
    live_inputs,
    require_ours,
    tag_list,
)
from sandbox.providers.base import Call, Existing
from sandbox.providers.schema import Equality, Input, Problem, Schema, Type
from sandbox.providers.values import Properties

_MISSING: Final = frozenset({"DBInstanceNotFound", "DBInstanceNotFoundFault"})
# The real provider's own limits.
_CREATE_SECONDS: Final = 2400.0
_DELETE_SECONDS: Final = 3600.0
_FAILED: Final = frozenset({"failed", "incompatible-restore", "incompatible-parameters"})

# Inputs by the API's names of them: those of the call that restores a snapshot, which are
# changed in place later, ...
_AT_ONCE: Final = {
    "instanceClass": "DBInstanceClass",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "vpcSecurityGroupIds": "VpcSecurityGroupIds",
    "publiclyAccessible": "PubliclyAccessible",
    "multiAz": "MultiAZ",
    "copyTagsToSnapshot": "CopyTagsToSnapshot",
    "deletionProtection": "DeletionProtection",
    "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
    "backupRetentionPeriod": "BackupRetentionPeriod",
}
# ... those that a restored instance is changed to once it is available, ...
_AFTER_RESTORING: Final = {
    "engineVersion": "EngineVersion",
    "allocatedStorage": "AllocatedStorage",
    "maxAllocatedStorage": "MaxAllocatedStorage",
    "storageType": "StorageType",
    "manageMasterUserPassword": "ManageMasterUserPassword",
}
# ... and those that can only be given when an instance is created empty.
_ONLY_AT_CREATION: Final = {
    "engine": "Engine",
    "dbName": "DBName",
    "username": "MasterUsername",
    "storageEncrypted": "StorageEncrypted",
    "kmsKeyId": "KmsKeyId",
}
_CHANGEABLE: Final = _AT_ONCE | _AFTER_RESTORING


class Instance(AwsResource):
    """``aws:rds/instance:Instance``; its identity here is its identifier.

    (The real provider takes AWS's resource id, which moto makes the same for all.)
    """

    schema: ClassVar[Schema] = {
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
    }
    name_input = "identifier"
    taken = "DBInstanceAlreadyExists"

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
    async def make(self, call: Call, inputs: Properties) -> str:
        common = {
            "DBInstanceIdentifier": inputs["identifier"],
            "Tags": tag_list(inputs.get("tags")),
            **_named(_AT_ONCE, inputs),
        }
        snapshot = inputs.get("snapshotIdentifier")
        if snapshot:
            operation = "restore_db_instance_from_db_snapshot"
            common["DBSnapshotIdentifier"] = snapshot
        else:
            operation = "create_db_instance"
            common |= _named(_ONLY_AT_CREATION | _AFTER_RESTORING, inputs)
        await clients(call).call("rds", operation, **common)
        return str(inputs["identifier"])

    @override
    async def adopt(self, call: Call, identity: str, inputs: Properties) -> Existing:
        """Take it over as it is: ``settle`` changes what differs once it is available."""
        live = await self.outputs(call, identity, {})
        require_ours(call, identity, inputs.get("tags"), live["tags"])
        return Existing(identity, {**inputs, **live})

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Wait until it is available, then make it what the inputs say."""
        live = await self._available(call, identity, inputs)
        await retag(call, live["arn"], live["tags"], inputs.get("tags") or {})
        if changes := self._changes(inputs, live):
            await clients(call).call(
                "rds",
                "modify_db_instance",
                DBInstanceIdentifier=identity,
                ApplyImmediately=bool(inputs.get("applyImmediately")),
                **changes,
            )
            await call.log(f"changing {', '.join(changes)}", ephemeral=True)
        return await self._available(call, identity, inputs)

    def _changes(self, inputs: Properties, live: Properties) -> Properties:
        current = self._as_recorded(inputs, live)
        wanted = {
            key: value
            for key, value in inputs.items()
            if key in _CHANGEABLE and value is not None and value != current.get(key)
        }
        return _named(_CHANGEABLE, wanted)

    async def _available(self, call: Call, identity: str, inputs: Properties) -> Properties:
        async def available() -> Properties | None:
            live = await self.outputs(call, identity, inputs)
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
    async def describe(self, call: Call, identity: str) -> Properties | None:
        found = await clients(call).call_if_found(
            _MISSING, "rds", "describe_db_instances", DBInstanceIdentifier=identity
        )
        if found is None:
            return None
        instance = found["DBInstances"][0]
        tags = await tags_of(call, instance["DBInstanceArn"])
        return {
            **instance_outputs(instance),
            "region": clients(call).region,
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        """Look it up; the snapshot it came from is known to the state alone."""
        live = await self.describe(call, identity)
        if live is None:
            return None
        return Existing(identity, {**outputs, **live}, self._as_recorded(inputs, live))

    def _as_recorded(self, inputs: Properties, live: Properties) -> Properties:
        current = live_inputs(self.schema, inputs, live)
        wanted = inputs.get("engineVersion")
        if wanted and str(live["engineVersion"]).startswith(f"{wanted}."):
            # "16" asks for any 16.x, and AWS upgrades minor versions by itself.
            current["engineVersion"] = wanted
        return current

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        """Nothing here: ``settle`` compares with what AWS says, and changes that."""
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        skip, final = bool(inputs.get("skipFinalSnapshot")), inputs.get("finalSnapshotIdentifier")
        if not skip and not final:
            raise SandboxError(
                f"database instance {identity}",
                why="finalSnapshotIdentifier is required when skipFinalSnapshot is false",
                remedy="set one of the two, run `pulumi up`, then destroy again",
            )
        await self._start_deleting(call, identity, inputs, None if skip else final)

        async def gone() -> bool | None:
            return True if await self.describe(call, identity) is None else None

        await call.poll(
            gone,
            default_seconds=_DELETE_SECONDS,
            waiting_for=f"database instance {identity} to be gone",
        )

    async def _start_deleting(
        self, call: Call, identity: str, inputs: Properties, final: str | None
    ) -> None:
        live = await self.describe(call, identity)
        if live is None or live["status"] == "deleting":
            return
        await clients(call).call_if_found(
            _MISSING,
            "rds",
            "delete_db_instance",
            DBInstanceIdentifier=identity,
            SkipFinalSnapshot=final is None,
            FinalDBSnapshotIdentifier=final,
            DeleteAutomatedBackups=inputs.get("deleteAutomatedBackups", True),
        )


def _named(names: Mapping[str, str], inputs: Properties) -> Properties:
    return {name: inputs[key] for key, name in names.items() if inputs.get(key) is not None}
