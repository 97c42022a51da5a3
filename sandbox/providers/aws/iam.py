"""Identity and Access Management: roles and their inline policies."""

from __future__ import annotations

import json
from typing import ClassVar

from typing_extensions import override

from sandbox.providers.aws.resource import (
    TAGS,
    AwsResource,
    clients,
    tag_changes,
    tag_list,
    tag_map,
)
from sandbox.providers.base import Call
from sandbox.providers.schema import Equality, Input, Schema, Type
from sandbox.providers.values import Properties

_MISSING = frozenset({"NoSuchEntity", "NoSuchEntityException"})
_DEFAULT_SESSION_SECONDS = 3600


class Role(AwsResource):
    """``aws:iam/role:Role``; its identity is its name."""

    schema: ClassVar[Schema] = {
        "name": Input(required=True, replace=True),
        "assumeRolePolicy": Input(required=True, equality=Equality.JSON),
        "description": Input(),
        "maxSessionDuration": Input(Type.NUMBER),
        "permissionsBoundary": Input(),
        "tags": TAGS,
    }
    name_input = "name"
    taken = "EntityAlreadyExists"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        await clients(call).call(
            "iam",
            "create_role",
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Description=inputs.get("description"),
            MaxSessionDuration=inputs.get("maxSessionDuration"),
            PermissionsBoundary=inputs.get("permissionsBoundary"),
            Tags=tag_list(inputs.get("tags")),
        )
        return str(inputs["name"])

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        found = await clients(call).call_if_found(_MISSING, "iam", "get_role", RoleName=identity)
        if found is None:
            return None
        role = found["Role"]
        tags = tag_map(role.get("Tags"))
        return {
            "arn": role["Arn"],
            "name": role["RoleName"],
            "path": role["Path"],
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].isoformat(),
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"], sort_keys=True),
            "description": role.get("Description", ""),
            "maxSessionDuration": role.get("MaxSessionDuration", _DEFAULT_SESSION_SECONDS),
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get(
                "PermissionsBoundaryArn", ""
            ),
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        api = clients(call)
        await api.call(
            "iam",
            "update_assume_role_policy",
            RoleName=identity,
            PolicyDocument=new["assumeRolePolicy"],
        )
        await api.call(
            "iam",
            "update_role",
            RoleName=identity,
            Description=new.get("description", ""),
            MaxSessionDuration=new.get("maxSessionDuration", _DEFAULT_SESSION_SECONDS),
        )
        await _bound(call, identity, old.get("permissionsBoundary"), new.get("permissionsBoundary"))
        gone, written = tag_changes(old.get("tags"), new.get("tags"))
        if gone:
            await api.call("iam", "untag_role", RoleName=identity, TagKeys=gone)
        if written:
            await api.call("iam", "tag_role", RoleName=identity, Tags=tag_list(written))
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        await clients(call).call_if_found(_MISSING, "iam", "delete_role", RoleName=identity)


async def _bound(call: Call, role: str, before: str | None, after: str | None) -> None:
    if after and after != before:
        await clients(call).call(
            "iam", "put_role_permissions_boundary", RoleName=role, PermissionsBoundary=after
        )
    elif before and not after:
        await clients(call).call("iam", "delete_role_permissions_boundary", RoleName=role)


class RolePolicy(AwsResource):
    """``aws:iam/rolePolicy:RolePolicy``; its identity is ``role:name``."""

    schema: ClassVar[Schema] = {
        "name": Input(required=True, replace=True),
        "role": Input(required=True, replace=True),
        "policy": Input(required=True, equality=Equality.JSON),
    }
    name_input = "name"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        await clients(call).call(
            "iam",
            "put_role_policy",
            RoleName=inputs["role"],
            PolicyName=inputs["name"],
            PolicyDocument=inputs["policy"],
        )
        return f"{inputs['role']}:{inputs['name']}"

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        role, _, name = identity.partition(":")
        found = await clients(call).call_if_found(
            _MISSING, "iam", "get_role_policy", RoleName=role, PolicyName=name
        )
        if found is None:
            return None
        return {
            "role": found["RoleName"],
            "name": found["PolicyName"],
            "policy": json.dumps(found["PolicyDocument"], sort_keys=True),
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        await self.make(call, new)
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        role, _, name = identity.partition(":")
        await clients(call).call_if_found(
            _MISSING, "iam", "delete_role_policy", RoleName=role, PolicyName=name
        )
