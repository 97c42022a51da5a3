"""Elastic Compute Cloud: security groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.aws.clients import AwsError
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

_MISSING = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.Malformed"})
# The real provider waits as long for what still uses a group, an instance say, to be gone.
_IN_USE_SECONDS = 900.0
_RULE = {
    "protocol": Input(required=True),
    "fromPort": Input(Type.NUMBER, required=True),
    "toPort": Input(Type.NUMBER, required=True),
    "securityGroups": Input(Type.LIST, required=True),
    "description": Input(),
}


@dataclass(frozen=True, order=True)
class _Rule:
    """One source that may reach one range of ports."""

    protocol: str
    from_port: int
    to_port: int
    group: str
    description: str

    def permission(self) -> dict[str, Any]:
        pair = {"GroupId": self.group}
        if self.description:
            pair["Description"] = self.description
        return {
            "IpProtocol": self.protocol,
            "FromPort": self.from_port,
            "ToPort": self.to_port,
            "UserIdGroupPairs": [pair],
        }


class SecurityGroup(AwsResource):
    """``aws:ec2/securityGroup:SecurityGroup`` with its ingress rules inline.

    As with the real provider, a new group loses the rule by which AWS lets everything out.
    """

    schema: ClassVar[Schema] = {
        "name": Input(required=True, replace=True),
        "description": Input(required=True, replace=True),
        "vpcId": Input(required=True, replace=True),
        "ingress": Input(Type.LIST, fields=_RULE, equality=Equality.UNORDERED),
        "tags": TAGS,
    }
    name_input = "name"
    taken = "InvalidGroup.Duplicate"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        tags = tag_list(inputs.get("tags"))
        made = await clients(call).call(
            "ec2",
            "create_security_group",
            GroupName=inputs["name"],
            Description=inputs["description"],
            VpcId=inputs["vpcId"],
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}] if tags else None,
        )
        return str(made["GroupId"])

    @override
    async def locate(self, call: Call, inputs: Properties) -> str:
        filters = {"group-name": inputs["name"], "vpc-id": inputs["vpcId"]}
        found = await clients(call).call(
            "ec2",
            "describe_security_groups",
            Filters=[{"Name": key, "Values": [value]} for key, value in filters.items()],
        )
        for group in found["SecurityGroups"]:
            return str(group["GroupId"])
        raise SandboxError(
            f"security group {inputs['name']}",
            why="AWS says that the name is taken, but lists no group of that name",
            remedy="run the same command again",
        )

    @override
    async def settle(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Properties:
        """Make the rules what the inputs say; here, so that a failure loses no group."""
        group = await self._group(call, identity)
        if group is not None:
            await self._sync_rules(call, group, inputs)
        return await self.outputs(call, identity, inputs)

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        group = await self._group(call, identity)
        if group is None:
            return None
        tags = tag_map(group.get("Tags"))
        account, region = group["OwnerId"], clients(call).region
        return {
            "arn": f"arn:aws:ec2:{region}:{account}:security-group/{identity}",
            "name": group["GroupName"],
            "description": group["Description"],
            "vpcId": group["VpcId"],
            "ownerId": account,
            "ingress": _as_inputs(_rules(group["IpPermissions"])),
            "egress": [],
            "region": region,
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        gone, written = tag_changes(old.get("tags"), new.get("tags"))
        api = clients(call)
        if gone:
            keys = [{"Key": key} for key in gone]
            await api.call("ec2", "delete_tags", Resources=[identity], Tags=keys)
        if written:
            await api.call("ec2", "create_tags", Resources=[identity], Tags=tag_list(written))
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:

        async def gone() -> bool | None:
            try:
                await clients(call).call_if_found(
                    _MISSING, "ec2", "delete_security_group", GroupId=identity
                )
            except AwsError as error:
                if error.code == "DependencyViolation":
                    return None
                raise
            return True

        await call.poll(
            gone,
            default_seconds=_IN_USE_SECONDS,
            waiting_for=f"security group {identity} to be used by nothing",
        )

    async def _group(self, call: Call, identity: str) -> dict[str, Any] | None:
        found = await clients(call).call_if_found(
            _MISSING, "ec2", "describe_security_groups", GroupIds=[identity]
        )
        groups = found["SecurityGroups"] if found else []
        return groups[0] if groups else None

    async def _sync_rules(self, call: Call, group: dict[str, Any], inputs: Properties) -> None:
        api, identity = clients(call), group["GroupId"]
        if group["IpPermissionsEgress"]:
            await api.call(
                "ec2",
                "revoke_security_group_egress",
                GroupId=identity,
                IpPermissions=group["IpPermissionsEgress"],
            )
        wanted, found = _wanted(inputs.get("ingress") or []), _rules(group["IpPermissions"])
        if extra := _permissions(found - wanted):
            await api.call(
                "ec2", "revoke_security_group_ingress", GroupId=identity, IpPermissions=extra
            )
        if lacking := _permissions(wanted - found):
            await api.call(
                "ec2", "authorize_security_group_ingress", GroupId=identity, IpPermissions=lacking
            )


def _wanted(ingress: Iterable[Mapping[str, Any]]) -> frozenset[_Rule]:
    return frozenset(
        _Rule(
            rule["protocol"],
            rule["fromPort"],
            rule["toPort"],
            group,
            rule.get("description") or "",
        )
        for rule in ingress
        for group in rule["securityGroups"]
    )


def _rules(permissions: Iterable[Mapping[str, Any]]) -> frozenset[_Rule]:
    return frozenset(
        _Rule(
            permission["IpProtocol"],
            permission.get("FromPort", 0),
            permission.get("ToPort", 0),
            pair["GroupId"],
            pair.get("Description", ""),
        )
        for permission in permissions
        for pair in permission.get("UserIdGroupPairs", ())
    )


def _permissions(rules: Iterable[_Rule]) -> list[dict[str, Any]]:
    return [rule.permission() for rule in sorted(rules)]


def _as_inputs(rules: Iterable[_Rule]) -> list[Properties]:
    return [
        {
            "protocol": rule.protocol,
            "fromPort": rule.from_port,
            "toPort": rule.to_port,
            "securityGroups": [rule.group],
            "description": rule.description,
        }
        for rule in sorted(rules)
    ]
