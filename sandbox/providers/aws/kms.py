"""Key Management Service: keys, and the names that people know them by."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from sandbox.providers.aws.resource import TAGS, AwsResource, clients, tag_changes
from sandbox.providers.base import Call
from sandbox.providers.schema import Input, Schema, Type
from sandbox.providers.values import Properties

_MISSING = frozenset({"NotFoundException"})
_DELETED = "PendingDeletion"
_DEFAULT_WINDOW_DAYS = 30


class Key(AwsResource):
    """``aws:kms/key:Key``; its identity is AWS's own.

    A key has no name, so one that a killed run had made is not found again: as with the real
    provider, the next run makes another.
    """

    schema: ClassVar[Schema] = {
        "description": Input(),
        "enableKeyRotation": Input(Type.BOOLEAN),
        # Only what deleting it means; AWS knows it from then on.
        "deletionWindowInDays": Input(Type.NUMBER),
        "tags": TAGS,
    }

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        made = await clients(call).call(
            "kms",
            "create_key",
            Description=inputs.get("description"),
            Tags=_tag_list(inputs.get("tags")),
        )
        return str(made["KeyMetadata"]["KeyId"])

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Rotation is a call of its own, which a run that is killed before it makes up for."""
        await self._rotate(call, identity, inputs)
        return await super().settle(call, identity, inputs, outputs)

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        api = clients(call)
        found = await api.call_if_found(_MISSING, "kms", "describe_key", KeyId=identity)
        if found is None or found["KeyMetadata"]["KeyState"] == _DELETED:
            return None
        key = found["KeyMetadata"]
        rotation = await api.call("kms", "get_key_rotation_status", KeyId=identity)
        answer = await api.call("kms", "list_resource_tags", KeyId=identity)
        tags = {tag["TagKey"]: tag["TagValue"] for tag in answer["Tags"]}
        return {
            "arn": key["Arn"],
            "keyId": key["KeyId"],
            "description": key.get("Description", ""),
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            "isEnabled": key["Enabled"],
            "multiRegion": key.get("MultiRegion", False),
            "region": api.region,
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        api = clients(call)
        await api.call(
            "kms",
            "update_key_description",
            KeyId=identity,
            Description=new.get("description", ""),
        )
        gone, written = tag_changes(old.get("tags"), new.get("tags"))
        if gone:
            await api.call("kms", "untag_resource", KeyId=identity, TagKeys=gone)
        if written:
            await api.call("kms", "tag_resource", KeyId=identity, Tags=_tag_list(written))
        await self._rotate(call, identity, new)
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        """AWS deletes it after the window; until then it can't be used."""
        if await self.describe(call, identity) is None:
            return
        await clients(call).call(
            "kms",
            "schedule_key_deletion",
            KeyId=identity,
            PendingWindowInDays=inputs.get("deletionWindowInDays", _DEFAULT_WINDOW_DAYS),
        )

    async def _rotate(self, call: Call, identity: str, inputs: Properties) -> None:
        verb = "enable" if inputs.get("enableKeyRotation") else "disable"
        await clients(call).call("kms", f"{verb}_key_rotation", KeyId=identity)


class Alias(AwsResource):
    """``aws:kms/alias:Alias``; its identity is its name."""

    schema: ClassVar[Schema] = {
        "name": Input(required=True, replace=True),
        "targetKeyId": Input(required=True),
    }
    name_input = "name"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        await clients(call).call(
            "kms",
            "create_alias",
            AliasName=inputs["name"],
            TargetKeyId=inputs["targetKeyId"],
        )
        return str(inputs["name"])

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        answer = await clients(call).call("kms", "list_aliases")
        for alias in answer["Aliases"]:
            if alias["AliasName"] == identity:
                return _alias(alias)
        return None

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        await clients(call).call(
            "kms", "update_alias", AliasName=identity, TargetKeyId=new["targetKeyId"]
        )
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        await clients(call).call_if_found(_MISSING, "kms", "delete_alias", AliasName=identity)


def _alias(alias: dict[str, Any]) -> Properties:
    return {
        "arn": alias["AliasArn"],
        "name": alias["AliasName"],
        "targetKeyId": alias["TargetKeyId"],
    }


def _tag_list(tags: dict[str, str] | None) -> list[dict[str, str]]:
    """Tags as KMS alone spells them."""
    return [{"TagKey": key, "TagValue": value} for key, value in sorted((tags or {}).items())]
