"""Relational Database Service: the subnets that an instance may live in."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from sandbox.providers.aws.rds_tags import retag, tags_of
from sandbox.providers.aws.resource import TAGS, AwsResource, clients, live_inputs, tag_list
from sandbox.providers.base import Call, Existing
from sandbox.providers.schema import Equality, Input, Schema, Type
from sandbox.providers.values import Properties

_MISSING = frozenset({"DBSubnetGroupNotFoundFault", "DBSubnetGroupNotFound"})


class SubnetGroup(AwsResource):
    """``aws:rds/subnetGroup:SubnetGroup``; its identity is its name."""

    schema: ClassVar[Schema] = {
        "name": Input(required=True, replace=True),
        "description": Input(required=True),
        "subnetIds": Input(Type.LIST, required=True, equality=Equality.UNORDERED),
        "tags": TAGS,
    }
    name_input = "name"
    taken = "DBSubnetGroupAlreadyExists"

    @override
    async def create(self, call: Call, inputs: Properties) -> Existing:
        """Look first: where AWS refuses a name that is taken, moto overwrites the group."""
        if await self.describe(call, inputs["name"]) is not None:
            return await self.adopt(call, inputs["name"], inputs)
        return await super().create(call, inputs)

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        await clients(call).call(
            "rds",
            "create_db_subnet_group",
            DBSubnetGroupName=inputs["name"],
            DBSubnetGroupDescription=inputs["description"],
            SubnetIds=inputs["subnetIds"],
            Tags=tag_list(inputs.get("tags")),
        )
        return str(inputs["name"])

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        found = await clients(call).call_if_found(
            _MISSING, "rds", "describe_db_subnet_groups", DBSubnetGroupName=identity
        )
        if found is None:
            return None
        group = found["DBSubnetGroups"][0]
        tags = await tags_of(call, group["DBSubnetGroupArn"])
        return {
            "arn": group["DBSubnetGroupArn"],
            "name": group["DBSubnetGroupName"],
            "description": group["DBSubnetGroupDescription"],
            "subnetIds": sorted(subnet["SubnetIdentifier"] for subnet in group["Subnets"]),
            "vpcId": group["VpcId"],
            "supportedNetworkTypes": group.get("SupportedNetworkTypes", ["IPV4"]),
            "region": clients(call).region,
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        live = await self.outputs(call, identity, {})
        wanted = {key: new[key] for key in ("description", "subnetIds")}
        current = live_inputs(self.schema, wanted, live)
        if current != wanted:
            await clients(call).call(
                "rds",
                "modify_db_subnet_group",
                DBSubnetGroupName=identity,
                DBSubnetGroupDescription=new["description"],
                SubnetIds=new["subnetIds"],
            )
        await retag(call, live["arn"], live["tags"], new.get("tags") or {})
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        await clients(call).call_if_found(
            _MISSING, "rds", "delete_db_subnet_group", DBSubnetGroupName=identity
        )
