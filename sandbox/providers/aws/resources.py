"""The resource types of AWS that the program declares, but for database instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from typing_extensions import override

from sandbox.providers.aws.resource import (
    TAGS,
    Api,
    AwsResource,
    Request,
    clients,
    search,
)
from sandbox.providers.base import Call
from sandbox.providers.inputs import Equality, Input, Type
from sandbox.providers.values import Properties

ECR: Final = Api(
    "ecr",
    frozenset({"RepositoryNotFoundException", "LifecyclePolicyNotFoundException"}),
    tag=Request("tag_resource", {"resourceArn": "live.arn", "tags": "tagList"}),
    untag=Request("untag_resource", {"resourceArn": "live.arn", "tagKeys": "removedTags"}),
)
EC2: Final = Api(
    "ec2",
    frozenset(
        {
            "InvalidGroup.NotFound",
            "InvalidGroupId.Malformed",
            "InvalidSubnetID.NotFound",
            "InvalidVpcID.NotFound",
        }
    ),
    tag=Request("create_tags", {"Resources": "[id]", "Tags": "tagList"}),
    untag=Request("delete_tags", {"Resources": "[id]", "Tags": "removedTags[].{Key: @}"}),
)
RDS: Final = Api(
    "rds",
    frozenset(
        {
            "DBInstanceNotFound",
            "DBInstanceNotFoundFault",
            "DBSnapshotNotFound",
            "DBSnapshotNotFoundFault",
            "DBSubnetGroupNotFoundFault",
        }
    ),
    tag=Request("add_tags_to_resource", {"ResourceName": "live.arn", "Tags": "tagList"}),
    untag=Request(
        "remove_tags_from_resource", {"ResourceName": "live.arn", "TagKeys": "removedTags"}
    ),
)
_KMS: Final = Api(
    "kms",
    frozenset({"NotFoundException"}),
    tag=Request(
        "tag_resource", {"KeyId": "id", "Tags": "tagList[].{TagKey: Key, TagValue: Value}"}
    ),
    untag=Request("untag_resource", {"KeyId": "id", "TagKeys": "removedTags"}),
)


def _iam(kind: str, identity: str) -> Api:
    """IAM, which tags each type by calls of its own."""
    return Api(
        "iam",
        frozenset({"NoSuchEntity", "NoSuchEntityException"}),
        tag=Request(f"tag_{kind}", {identity: "id", "Tags": "tagList"}),
        untag=Request(f"untag_{kind}", {identity: "id", "TagKeys": "removedTags"}),
    )


_IAM_ROLE: Final = _iam("role", "RoleName")
_NAME: Final = Input(required=True, replace=True)
_POLICY: Final = Input(required=True, equality=Equality.JSON)

REPOSITORY: Final = AwsResource(
    api=ECR,
    schema={
        "name": _NAME,
        "imageTagMutability": Input(allowed=("IMMUTABLE", "MUTABLE")),
        "imageScanningConfiguration": Input(
            Type.MAP, fields={"scanOnPush": Input(Type.BOOLEAN, required=True)}
        ),
        "encryptionConfigurations": Input(
            Type.LIST,
            replace=True,
            fields={"encryptionType": Input(allowed=("AES256", "KMS")), "kmsKey": Input()},
        ),
        "forceDelete": Input(Type.BOOLEAN),
        "tags": TAGS,
    },
    name_input="name",
    taken="RepositoryAlreadyExistsException",
    create_call=Request(
        "create_repository",
        {
            "repositoryName": "name",
            "imageTagMutability": "imageTagMutability",
            "imageScanningConfiguration": "imageScanningConfiguration",
            "encryptionConfiguration": "encryptionConfigurations[0]",
            "tags": "tagList",
        },
    ),
    identity="name",
    read_calls=(
        Request("describe_repositories", {"repositoryNames": "[id]"}),
        Request("list_tags_for_resource", {"resourceArn": "repositories[0].repositoryArn"}),
    ),
    found="repositories[0]",
    outputs={
        "arn": "repositoryArn",
        "name": "repositoryName",
        "repositoryUrl": "repositoryUri",
        "registryId": "registryId",
        "imageTagMutability": "imageTagMutability || 'MUTABLE'",
        "imageScanningConfiguration": (
            "{scanOnPush: imageScanningConfiguration.scanOnPush || `false`}"
        ),
        "encryptionConfigurations": "[encryptionConfiguration || {encryptionType: 'AES256'}]",
        "region": "region",
        "tags": "tags",
    },
    updates=(
        Request(
            "put_image_tag_mutability",
            {
                "repositoryName": "id",
                "imageTagMutability": "imageTagMutability || 'MUTABLE'",
            },
        ),
        Request(
            "put_image_scanning_configuration",
            {
                "repositoryName": "id",
                "imageScanningConfiguration": (
                    "imageScanningConfiguration || {scanOnPush: `false`}"
                ),
            },
        ),
    ),
    delete_call=Request(
        "delete_repository", {"repositoryName": "id", "force": "forceDelete || `false`"}
    ),
)

_PUT_LIFECYCLE: Final = Request(
    "put_lifecycle_policy", {"repositoryName": "repository", "lifecyclePolicyText": "policy"}
)
LIFECYCLE_POLICY: Final = AwsResource(
    api=ECR,
    schema={"repository": _NAME, "policy": _POLICY},
    name_input="repository",
    create_call=_PUT_LIFECYCLE,
    identity="repository",
    read_calls=(Request("get_lifecycle_policy", {"repositoryName": "id"}),),
    found="@",
    outputs={
        "repository": "repositoryName",
        "registryId": "registryId",
        "policy": "lifecyclePolicyText",
        "region": "region",
    },
    updates=(_PUT_LIFECYCLE,),
    delete_call=Request("delete_lifecycle_policy", {"repositoryName": "id"}),
)

ROLE: Final = AwsResource(
    api=_IAM_ROLE,
    schema={
        "name": _NAME,
        "assumeRolePolicy": _POLICY,
        "description": Input(),
        "maxSessionDuration": Input(Type.NUMBER),
        "permissionsBoundary": Input(),
        "tags": TAGS,
    },
    name_input="name",
    taken="EntityAlreadyExists",
    create_call=Request(
        "create_role",
        {
            "RoleName": "name",
            "AssumeRolePolicyDocument": "assumeRolePolicy",
            "Description": "description",
            "MaxSessionDuration": "maxSessionDuration",
            "PermissionsBoundary": "permissionsBoundary",
            "Tags": "tagList",
        },
    ),
    identity="name",
    read_calls=(Request("get_role", {"RoleName": "id"}),),
    found="Role",
    outputs={
        "arn": "Arn",
        "name": "RoleName",
        "path": "Path",
        "uniqueId": "RoleId",
        "createDate": "CreateDate",
        "assumeRolePolicy": "AssumeRolePolicyDocument",
        "description": "Description || ''",
        "maxSessionDuration": "MaxSessionDuration || `3600`",
        "permissionsBoundary": "PermissionsBoundary.PermissionsBoundaryArn || ''",
        "tags": "Tags",
    },
    updates=(
        Request(
            "update_assume_role_policy", {"RoleName": "id", "PolicyDocument": "assumeRolePolicy"}
        ),
        Request(
            "update_role",
            {
                "RoleName": "id",
                "Description": "description || ''",
                "MaxSessionDuration": "maxSessionDuration || `3600`",
            },
        ),
        Request(
            "put_role_permissions_boundary",
            {"RoleName": "id", "PermissionsBoundary": "permissionsBoundary"},
            when="permissionsBoundary",
        ),
        Request(
            "delete_role_permissions_boundary", {"RoleName": "id"}, when="!permissionsBoundary"
        ),
    ),
    delete_call=Request("delete_role", {"RoleName": "id"}),
)

_PUT_ROLE_POLICY: Final = Request(
    "put_role_policy", {"RoleName": "role", "PolicyName": "name", "PolicyDocument": "policy"}
)
# Its identity is "role:name".
_OF_ROLE: Final = {"RoleName": "idParts[0]", "PolicyName": "idParts[1]"}
ROLE_POLICY: Final = AwsResource(
    api=_IAM_ROLE,
    schema={"name": _NAME, "role": _NAME, "policy": _POLICY},
    name_input="name",
    create_call=_PUT_ROLE_POLICY,
    identity="join(':', [role, name])",
    read_calls=(Request("get_role_policy", _OF_ROLE),),
    found="@",
    outputs={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
    updates=(_PUT_ROLE_POLICY,),
    delete_call=Request("delete_role_policy", _OF_ROLE),
)

OPEN_ID_CONNECT_PROVIDER: Final = AwsResource(
    api=_iam("open_id_connect_provider", "OpenIDConnectProviderArn"),
    schema={
        "url": _NAME,
        "clientIdLists": Input(Type.LIST, required=True, replace=True),
        "tags": TAGS,
    },
    name_input="url",
    taken="EntityAlreadyExists",
    locate=(
        Request("list_open_id_connect_providers", {}),
        "OpenIDConnectProviderList[?ends_with(Arn, '/$id')].Arn | [0]",
    ),
    create_call=Request(
        "create_open_id_connect_provider",
        {"Url": "url", "ClientIDList": "clientIdLists", "Tags": "tagList"},
    ),
    identity="OpenIDConnectProviderArn",
    read_calls=(Request("get_open_id_connect_provider", {"OpenIDConnectProviderArn": "id"}),),
    found="@",
    outputs={
        "arn": "id",
        "url": "join('', ['https://', Url])",
        "clientIdLists": "ClientIDList",
        "tags": "Tags",
    },
    delete_call=Request("delete_open_id_connect_provider", {"OpenIDConnectProviderArn": "id"}),
)


class _ManagedPolicy(AwsResource):
    """``aws:iam/policy:Policy``, which AWS keeps in at most five versions."""

    @override
    async def converge(
        self, call: Call, identity: str, inputs: Properties, live: Properties
    ) -> bool:
        changed = await super().converge(call, identity, inputs, live)
        api = clients(call)
        found = await api.call("iam", "list_policy_versions", PolicyArn=identity)
        for version in search("Versions[?!IsDefaultVersion].VersionId", found):
            # Nothing goes back to an older one.
            await api.call("iam", "delete_policy_version", PolicyArn=identity, VersionId=version)
        return changed


POLICY: Final = _ManagedPolicy(
    api=_iam("policy", "PolicyArn"),
    schema={
        "name": _NAME,
        "description": Input(replace=True),
        "policy": _POLICY,
        "tags": TAGS,
    },
    name_input="name",
    taken="EntityAlreadyExists",
    locate=(
        Request("list_policies", {"Scope": "'Local'", "MaxItems": "`1000`"}),
        "Policies[?PolicyName=='$id'].Arn | [0]",
    ),
    create_call=Request(
        "create_policy",
        {
            "PolicyName": "name",
            "PolicyDocument": "policy",
            "Description": "description",
            "Tags": "tagList",
        },
    ),
    identity="Policy.Arn",
    read_calls=(
        Request("get_policy", {"PolicyArn": "id"}),
        Request("get_policy_version", {"PolicyArn": "id", "VersionId": "Policy.DefaultVersionId"}),
    ),
    found="Policy",
    outputs={
        "arn": "Arn",
        "name": "PolicyName",
        "path": "Path",
        "policyId": "PolicyId",
        "description": "Description || ''",
        "policy": "PolicyVersion.Document",
        "tags": "Tags",
    },
    updates=(
        Request(
            "create_policy_version",
            {"PolicyArn": "id", "PolicyDocument": "policy", "SetAsDefault": "`true`"},
        ),
    ),
    delete_call=Request("delete_policy", {"PolicyArn": "id"}),
)

# A key has no name, so one that a killed run had made is not found again: as with the real
# provider, the next run makes another. Its rotation is a call of its own.
KEY: Final = AwsResource(
    api=_KMS,
    schema={
        "description": Input(),
        "enableKeyRotation": Input(Type.BOOLEAN),
        # Only for deleting it; AWS knows it from then on.
        "deletionWindowInDays": Input(Type.NUMBER),
        "tags": TAGS,
    },
    create_call=Request(
        "create_key",
        {"Description": "description", "Tags": "tagList[].{TagKey: Key, TagValue: Value}"},
    ),
    identity="KeyMetadata.KeyId",
    read_calls=(
        Request("describe_key", {"KeyId": "id"}),
        Request("get_key_rotation_status", {"KeyId": "id"}),
        Request("list_resource_tags", {"KeyId": "id"}),
    ),
    # AWS keeps a deleted key for its window; until then it can't be used.
    found="[KeyMetadata] | [?KeyState != 'PendingDeletion'] | [0]",
    outputs={
        "arn": "Arn",
        "keyId": "KeyId",
        "description": "Description || ''",
        "enableKeyRotation": "KeyRotationEnabled",
        "isEnabled": "Enabled",
        "multiRegion": "MultiRegion || `false`",
        "region": "region",
        "tags": "Tags[].{Key: TagKey, Value: TagValue}",
    },
    updates=(
        Request("update_key_description", {"KeyId": "id", "Description": "description || ''"}),
        Request("enable_key_rotation", {"KeyId": "id"}, when="enableKeyRotation"),
        Request("disable_key_rotation", {"KeyId": "id"}, when="!enableKeyRotation"),
    ),
    delete_call=Request(
        "schedule_key_deletion",
        {"KeyId": "id", "PendingWindowInDays": "deletionWindowInDays || `30`"},
    ),
)

ALIAS: Final = AwsResource(
    api=_KMS,
    schema={"name": _NAME, "targetKeyId": Input(required=True)},
    name_input="name",
    create_call=Request("create_alias", {"AliasName": "name", "TargetKeyId": "targetKeyId"}),
    identity="name",
    read_calls=(Request("list_aliases", {}),),
    found="Aliases[?AliasName=='$id'] | [0]",
    outputs={"arn": "AliasArn", "name": "AliasName", "targetKeyId": "TargetKeyId"},
    updates=(Request("update_alias", {"AliasName": "id", "TargetKeyId": "targetKeyId"}),),
    delete_call=Request("delete_alias", {"AliasName": "id"}),
)

SUBNET_GROUP: Final = AwsResource(
    api=RDS,
    schema={
        "name": _NAME,
        "description": Input(required=True),
        "subnetIds": Input(Type.LIST, required=True, equality=Equality.UNORDERED),
        "tags": TAGS,
    },
    name_input="name",
    looks_first=True,
    create_call=Request(
        "create_db_subnet_group",
        {
            "DBSubnetGroupName": "name",
            "DBSubnetGroupDescription": "description",
            "SubnetIds": "subnetIds",
            "Tags": "tagList",
        },
    ),
    identity="name",
    read_calls=(
        Request("describe_db_subnet_groups", {"DBSubnetGroupName": "id"}),
        Request("list_tags_for_resource", {"ResourceName": "DBSubnetGroups[0].DBSubnetGroupArn"}),
    ),
    found="DBSubnetGroups[0]",
    outputs={
        "arn": "DBSubnetGroupArn",
        "name": "DBSubnetGroupName",
        "description": "DBSubnetGroupDescription",
        "subnetIds": "sort(Subnets[].SubnetIdentifier)",
        "vpcId": "VpcId",
        "supportedNetworkTypes": "SupportedNetworkTypes || ['IPV4']",
        "region": "region",
        "tags": "TagList",
    },
    updates=(
        Request(
            "modify_db_subnet_group",
            {
                "DBSubnetGroupName": "id",
                "DBSubnetGroupDescription": "description",
                "SubnetIds": "subnetIds",
            },
        ),
    ),
    delete_call=Request("delete_db_subnet_group", {"DBSubnetGroupName": "id"}),
)


class _SecurityGroup(AwsResource):
    """``aws:ec2/securityGroup:SecurityGroup`` with its ingress rules inline.

    As with the real provider, a new group loses the rule by which AWS lets everything out.
    """

    @override
    async def converge(
        self, call: Call, identity: str, inputs: Properties, live: Properties
    ) -> bool:
        changed = await super().converge(call, identity, inputs, live)
        wanted, found = _single(inputs.get("ingress") or []), _single(live["ingress"])
        revisions = {
            "revoke_security_group_egress": live["egress"],
            "revoke_security_group_ingress": _permissions(found - wanted),
            "authorize_security_group_ingress": _permissions(wanted - found),
        }
        for operation, permissions in revisions.items():
            if permissions:
                await clients(call).call(
                    "ec2", operation, GroupId=identity, IpPermissions=permissions
                )
                changed = True
        return changed

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        live = await super().describe(call, identity)
        if live is not None:
            live["ingress"] = [
                {**dict(zip(_RULE, rule, strict=True)), "securityGroups": [rule[-1]]}
                for rule in sorted(_single(_flattened(live["ingress"])))
            ]
        return live


_RULE: Final = {
    "protocol": Input(required=True),
    "fromPort": Input(Type.NUMBER, required=True),
    "toPort": Input(Type.NUMBER, required=True),
    "description": Input(),
    "securityGroups": Input(Type.LIST, required=True),
}
# One source that may reach one range of ports, in the order of _RULE.
_Rule = tuple[str, int, int, str, str]


def _single(rules: Iterable[Mapping[str, Any]]) -> frozenset[_Rule]:
    return frozenset(
        (
            rule["protocol"],
            rule["fromPort"],
            rule["toPort"],
            rule.get("description") or "",
            group,
        )
        for rule in rules
        for group in rule["securityGroups"]
    )


def _flattened(permissions: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for permission in permissions:
        for pair in permission.get("UserIdGroupPairs", ()):
            yield {
                "protocol": permission["IpProtocol"],
                "fromPort": permission.get("FromPort", 0),
                "toPort": permission.get("ToPort", 0),
                "description": pair.get("Description"),
                "securityGroups": [pair["GroupId"]],
            }


def _permissions(rules: Iterable[_Rule]) -> list[Properties]:
    return [
        {
            "IpProtocol": protocol,
            "FromPort": from_port,
            "ToPort": to_port,
            "UserIdGroupPairs": [
                {"GroupId": group, **({"Description": description} if description else {})}
            ],
        }
        for protocol, from_port, to_port, description, group in sorted(rules)
    ]


SECURITY_GROUP: Final = _SecurityGroup(
    api=EC2,
    schema={
        "name": _NAME,
        "description": _NAME,
        "vpcId": _NAME,
        "ingress": Input(Type.LIST, fields=_RULE, equality=Equality.UNORDERED),
        "tags": TAGS,
    },
    name_input="name",
    taken="InvalidGroup.Duplicate",
    in_use="DependencyViolation",
    locate=(
        Request(
            "describe_security_groups",
            {
                "Filters": "[{Name: 'group-name', Values: [name]},"
                " {Name: 'vpc-id', Values: [vpcId]}]"
            },
        ),
        "SecurityGroups[0].GroupId",
    ),
    create_call=Request(
        "create_security_group",
        {
            "GroupName": "name",
            "Description": "description",
            "VpcId": "vpcId",
            "TagSpecifications": ("tagList && [{ResourceType: 'security-group', Tags: tagList}]"),
        },
    ),
    identity="GroupId",
    read_calls=(Request("describe_security_groups", {"GroupIds": "[id]"}),),
    found="SecurityGroups[0]",
    outputs={
        "arn": "join('', ['arn:aws:ec2:', region, ':', OwnerId, ':security-group/', GroupId])",
        "name": "GroupName",
        "description": "Description",
        "vpcId": "VpcId",
        "ownerId": "OwnerId",
        "ingress": "IpPermissions",
        "egress": "IpPermissionsEgress",
        "region": "region",
        "tags": "Tags",
    },
    delete_call=Request("delete_security_group", {"GroupId": "id"}),
)
