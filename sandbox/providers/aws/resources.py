"""Resource types of AWS that the program declares, except for database instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from typing_extensions import override

from sandbox.providers.aws.clients import AwsError
from sandbox.providers.aws.resource import (
    TAGS,
    Api,
    AwsResource,
    Property,
    Request,
    clients,
    search,
    tag_map,
)
from sandbox.providers.base import Call
from sandbox.providers.inputs import Equality, Input, Type
from sandbox.providers.values import Properties

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
RDS_API: Final = Api(
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
_ECR: Final = Api(
    "ecr",
    frozenset({"RepositoryNotFoundException", "LifecyclePolicyNotFoundException"}),
    tag=Request("tag_resource", {"resourceArn": "live.arn", "tags": "tagList"}),
    untag=Request("untag_resource", {"resourceArn": "live.arn", "tagKeys": "removedTags"}),
)
_KMS_TAGS: Final = "tagList[].{TagKey: Key, TagValue: Value}"
_KMS: Final = Api(
    "kms",
    frozenset({"NotFoundException"}),
    tag=Request("tag_resource", {"KeyId": "id", "Tags": _KMS_TAGS}),
    untag=Request("untag_resource", {"KeyId": "id", "TagKeys": "removedTags"}),
)


def _iam(kind: str, identity: str) -> Api:
    """Return IAM, which has calls for tags for each type."""
    return Api(
        "iam",
        frozenset({"NoSuchEntity", "NoSuchEntityException"}),
        tag=Request(f"tag_{kind}", {identity: "id", "Tags": "tagList"}),
        untag=Request(f"untag_{kind}", {identity: "id", "TagKeys": "removedTags"}),
    )


_TEXT: Final = Input()
_NAME: Final = Input(required=True, replace=True)
_POLICY: Final = Input(required=True, equality=Equality.JSON)
_TAGS: Final = Property(TAGS, "Tags", value="tagList")

_REPOSITORY: Final = AwsResource(
    api=_ECR,
    properties={
        "name": Property(_NAME, "repositoryName"),
        "imageTagMutability": Property(
            Input(allowed=("IMMUTABLE", "MUTABLE")), "imageTagMutability"
        ),
        "imageScanningConfiguration": Property(
            Input(Type.MAP, fields={"scanOnPush": Input(Type.BOOLEAN, required=True)}),
            "imageScanningConfiguration",
        ),
        "encryptionConfigurations": Property(
            Input(
                Type.LIST,
                replace=True,
                fields={"encryptionType": Input(allowed=("AES256", "KMS")), "kmsKey": _TEXT},
            ),
            "encryptionConfiguration",
            value="encryptionConfigurations[0]",
            output="[encryptionConfiguration]",
        ),
        "forceDelete": Property(Input(Type.BOOLEAN)),
        "tags": Property(TAGS, "tags", value="tagList"),
    },
    name_input="name",
    taken="RepositoryAlreadyExistsException",
    create_call="create_repository",
    identity="name",
    read_calls=(
        Request("describe_repositories", {"repositoryNames": "[id]"}),
        Request("list_tags_for_resource", {"resourceArn": "repositories[0].repositoryArn"}),
    ),
    found="repositories[0]",
    outputs={"arn": "repositoryArn", "repositoryUrl": "repositoryUri", "registryId": "registryId"},
    updates=(
        Request(
            "put_image_tag_mutability",
            {"repositoryName": "id", "imageTagMutability": "imageTagMutability || 'MUTABLE'"},
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

_LIFECYCLE_POLICY: Final = AwsResource(
    api=_ECR,
    properties={
        "repository": Property(_NAME, "repositoryName"),
        "policy": Property(_POLICY, "lifecyclePolicyText"),
    },
    name_input="repository",
    create_call="put_lifecycle_policy",
    identity="repository",
    read_calls=(Request("get_lifecycle_policy", {"repositoryName": "id"}),),
    outputs={"registryId": "registryId"},
    creates_again=True,
    delete_call=Request("delete_lifecycle_policy", {"repositoryName": "id"}),
)

_ROLE: Final = AwsResource(
    api=_iam("role", "RoleName"),
    properties={
        "name": Property(_NAME, "RoleName"),
        "assumeRolePolicy": Property(_POLICY, "AssumeRolePolicyDocument"),
        "description": Property(_TEXT, "Description"),
        "maxSessionDuration": Property(Input(Type.NUMBER), "MaxSessionDuration"),
        "permissionsBoundary": Property(
            _TEXT, "PermissionsBoundary", output="PermissionsBoundary.PermissionsBoundaryArn"
        ),
        "tags": _TAGS,
    },
    name_input="name",
    taken="EntityAlreadyExists",
    create_call="create_role",
    identity="name",
    read_calls=(Request("get_role", {"RoleName": "id"}),),
    found="Role",
    outputs={"arn": "Arn", "path": "Path", "uniqueId": "RoleId", "createDate": "CreateDate"},
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

# Its ID is "role:name".
_OF_ROLE: Final = {"RoleName": "idParts[0]", "PolicyName": "idParts[1]"}
_ROLE_POLICY: Final = AwsResource(
    api=_iam("role", "RoleName"),
    properties={
        "name": Property(_NAME, "PolicyName"),
        "role": Property(_NAME, "RoleName"),
        "policy": Property(_POLICY, "PolicyDocument"),
    },
    name_input="name",
    create_call="put_role_policy",
    identity="join(':', [role, name])",
    read_calls=(Request("get_role_policy", _OF_ROLE),),
    creates_again=True,
    delete_call=Request("delete_role_policy", _OF_ROLE),
)

_OPEN_ID_CONNECT_PROVIDER: Final = AwsResource(
    api=_iam("open_id_connect_provider", "OpenIDConnectProviderArn"),
    properties={
        "url": Property(_NAME, "Url", output="join('', ['https://', Url])"),
        "clientIdLists": Property(Input(Type.LIST, required=True, replace=True), "ClientIDList"),
        "tags": _TAGS,
    },
    name_input="url",
    taken="EntityAlreadyExists",
    locate=(
        Request("list_open_id_connect_providers"),
        "OpenIDConnectProviderList[?ends_with(Arn, '/$id')].Arn | [0]",
    ),
    create_call="create_open_id_connect_provider",
    identity="OpenIDConnectProviderArn",
    read_calls=(Request("get_open_id_connect_provider", {"OpenIDConnectProviderArn": "id"}),),
    outputs={"arn": "id"},
    delete_call=Request("delete_open_id_connect_provider", {"OpenIDConnectProviderArn": "id"}),
)


class _ManagedPolicy(AwsResource):
    """``aws:iam/policy:Policy``, of which AWS keeps at most five versions."""

    @override
    async def converge(
        self, call: Call, identity: str, inputs: Properties, live: Properties
    ) -> bool:
        changed = await super().converge(call, identity, inputs, live)
        iam = clients(call)
        found = await iam.call("iam", "list_policy_versions", PolicyArn=identity)
        # Older versions are not used.
        for old in search("Versions[?!IsDefaultVersion].VersionId", found):
            await iam.call("iam", "delete_policy_version", PolicyArn=identity, VersionId=old)
        return changed


_POLICY_TYPE: Final = _ManagedPolicy(
    api=_iam("policy", "PolicyArn"),
    properties={
        "name": Property(_NAME, "PolicyName"),
        "description": Property(Input(replace=True), "Description"),
        "policy": Property(_POLICY, "PolicyDocument", output="PolicyVersion.Document"),
        "tags": _TAGS,
    },
    name_input="name",
    taken="EntityAlreadyExists",
    locate=(
        Request("list_policies", {"Scope": "'Local'", "MaxItems": "`1000`"}),
        "Policies[?PolicyName=='$id'].Arn | [0]",
    ),
    create_call="create_policy",
    identity="Policy.Arn",
    read_calls=(
        Request("get_policy", {"PolicyArn": "id"}),
        Request("get_policy_version", {"PolicyArn": "id", "VersionId": "Policy.DefaultVersionId"}),
    ),
    found="Policy",
    outputs={"arn": "Arn", "path": "Path", "policyId": "PolicyId"},
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
_KEY: Final = AwsResource(
    api=_KMS,
    properties={
        "description": Property(_TEXT, "Description"),
        "enableKeyRotation": Property(Input(Type.BOOLEAN), output="KeyRotationEnabled"),
        # Only for its deletion; AWS stores it from then on.
        "deletionWindowInDays": Property(Input(Type.NUMBER)),
        "tags": Property(
            TAGS, "Tags", value=_KMS_TAGS, output="Tags[].{Key: TagKey, Value: TagValue}"
        ),
    },
    create_call="create_key",
    identity="KeyMetadata.KeyId",
    read_calls=(
        Request("describe_key", {"KeyId": "id"}),
        Request("get_key_rotation_status", {"KeyId": "id"}),
        Request("list_resource_tags", {"KeyId": "id"}),
    ),
    # AWS keeps a deleted key for this time, in which it can't be used.
    found="[KeyMetadata] | [?KeyState != 'PendingDeletion'] | [0]",
    outputs={"arn": "Arn", "keyId": "KeyId", "isEnabled": "Enabled", "multiRegion": "MultiRegion"},
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

_ALIAS: Final = AwsResource(
    api=_KMS,
    properties={
        "name": Property(_NAME, "AliasName"),
        "targetKeyId": Property(Input(required=True), "TargetKeyId"),
    },
    name_input="name",
    create_call="create_alias",
    identity="name",
    read_calls=(Request("list_aliases"),),
    found="Aliases[?AliasName=='$id'] | [0]",
    outputs={"arn": "AliasArn"},
    updates=(Request("update_alias", {"AliasName": "id", "TargetKeyId": "targetKeyId"}),),
    delete_call=Request("delete_alias", {"AliasName": "id"}),
)

_SUBNET_GROUP: Final = AwsResource(
    api=RDS_API,
    properties={
        "name": Property(_NAME, "DBSubnetGroupName"),
        "description": Property(Input(required=True), "DBSubnetGroupDescription"),
        "subnetIds": Property(
            Input(Type.LIST, required=True, equality=Equality.UNORDERED),
            "SubnetIds",
            output="sort(Subnets[].SubnetIdentifier)",
        ),
        "tags": Property(TAGS, "Tags", value="tagList", output="TagList"),
    },
    name_input="name",
    looks_first=True,
    create_call="create_db_subnet_group",
    identity="name",
    read_calls=(
        Request("describe_db_subnet_groups", {"DBSubnetGroupName": "id"}),
        Request("list_tags_for_resource", {"ResourceName": "DBSubnetGroups[0].DBSubnetGroupArn"}),
    ),
    found="DBSubnetGroups[0]",
    outputs={"arn": "DBSubnetGroupArn", "vpcId": "VpcId"},
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

_RULE: Final = {
    "protocol": Input(required=True),
    "fromPort": Input(Type.NUMBER, required=True),
    "toPort": Input(Type.NUMBER, required=True),
    "description": _TEXT,
    "securityGroups": Input(Type.LIST, required=True),
}
# A source and a range of ports, in the order of _RULE.
_Rule = tuple[str, int, int, str, str]


class _SecurityGroup(AwsResource):
    """``aws:ec2/securityGroup:SecurityGroup`` with its ingress rules inline.

    As with the real provider, AWS's default rule for outgoing traffic is removed.
    """

    @override
    async def converge(
        self, call: Call, identity: str, inputs: Properties, live: Properties
    ) -> bool:
        changed = await super().converge(call, identity, inputs, live)
        wanted, found = _rules(inputs.get("ingress") or []), _rules(live["ingress"])
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
            pairs = [
                {
                    "protocol": permission["IpProtocol"],
                    "fromPort": permission.get("FromPort", 0),
                    "toPort": permission.get("ToPort", 0),
                    "description": pair.get("Description", ""),
                    "securityGroups": [pair["GroupId"]],
                }
                for permission in live["ingress"]
                for pair in permission.get("UserIdGroupPairs", ())
            ]
            live["ingress"] = sorted(pairs, key=lambda pair: list(map(str, pair.values())))
        return live


def _rules(ingress: Iterable[Mapping[str, Any]]) -> frozenset[_Rule]:
    return frozenset(
        (rule["protocol"], rule["fromPort"], rule["toPort"], rule.get("description") or "", group)
        for rule in ingress
        for group in rule["securityGroups"]
    )


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


_SECURITY_GROUP: Final = _SecurityGroup(
    api=EC2,
    properties={
        "name": Property(_NAME, "GroupName"),
        "description": Property(_NAME, "Description"),
        "vpcId": Property(_NAME, "VpcId"),
        "ingress": Property(
            Input(Type.LIST, fields=_RULE, equality=Equality.UNORDERED), output="IpPermissions"
        ),
        "tags": Property(
            TAGS,
            "TagSpecifications",
            value="tagList && [{ResourceType: 'security-group', Tags: tagList}]",
            output="Tags",
        ),
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
    create_call="create_security_group",
    identity="GroupId",
    read_calls=(Request("describe_security_groups", {"GroupIds": "[id]"}),),
    found="SecurityGroups[0]",
    outputs={
        "arn": "join('', ['arn:aws:ec2:', region, ':', OwnerId, ':security-group/', GroupId])",
        "ownerId": "OwnerId",
        "egress": "IpPermissionsEgress",
    },
    delete_call=Request("delete_security_group", {"GroupId": "id"}),
)

_S3: Final = Api(
    "s3",
    frozenset(
        {
            "404",
            "NoSuchBucket",
            "NoSuchBucketPolicy",
            "NoSuchPublicAccessBlockConfiguration",
            "OwnershipControlsNotFoundError",
        }
    ),
    # The one replaces all tags, the other removes all.
    tag=Request("put_bucket_tagging", {"Bucket": "id", "Tagging": "{TagSet: tagList}"}),
    untag=Request("delete_bucket_tagging", {"Bucket": "id"}),
)


class _Bucket(AwsResource):
    """``aws:s3/bucket:Bucket``, emptied before its deletion if ``forceDestroy`` is set."""

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        if inputs.get("forceDestroy") and await self.describe(call, identity) is not None:
            await self._empty(call, identity)
        await super().delete(call, identity, inputs, outputs)

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        live = await super().describe(call, identity)
        if live is not None:
            try:
                found = await clients(call).call("s3", "get_bucket_tagging", Bucket=identity)
            except AwsError as error:
                if error.code != "NoSuchTagSet":
                    raise
                found = {}
            live["tags"] = live["tagsAll"] = tag_map(found.get("TagSet"))
        return live

    async def _empty(self, call: Call, identity: str) -> None:
        s3 = clients(call)
        while True:
            page = await s3.call("s3", "list_object_versions", Bucket=identity)
            found = search("[Versions, DeleteMarkers][][].{Key: Key, VersionId: VersionId}", page)
            if not found:
                return
            await s3.call("s3", "delete_objects", Bucket=identity, Delete={"Objects": found})


_BUCKET: Final = _Bucket(
    api=_S3,
    properties={
        "bucket": Property(_NAME, "Bucket", output="id"),
        "forceDestroy": Property(Input(Type.BOOLEAN)),
        "tags": Property(
            TAGS,
            "CreateBucketConfiguration",
            value="tagList && {Tags: tagList}",
            output="TagSet",  # `describe` reads them.
        ),
    },
    name_input="bucket",
    # In us-east-1 to create one's own bucket again is no error.
    looks_first=True,
    create_call="create_bucket",
    identity="bucket",
    read_calls=(Request("head_bucket", {"Bucket": "id"}),),
    outputs={
        "arn": "join('', ['arn:aws:s3:::', id])",
        "bucketDomainName": "join('', [id, '.s3.amazonaws.com'])",
        "bucketRegionalDomainName": "join('', [id, '.s3.', region, '.amazonaws.com'])",
        "region": "region",
    },
    delete_call=Request("delete_bucket", {"Bucket": "id"}),
)

_BUCKET_NAME: Final = Property(_NAME, "Bucket", output="id")

_BUCKET_POLICY: Final = AwsResource(
    api=_S3,
    properties={"bucket": _BUCKET_NAME, "policy": Property(_POLICY, "Policy")},
    name_input="bucket",
    create_call="put_bucket_policy",
    identity="bucket",
    read_calls=(Request("get_bucket_policy", {"Bucket": "id"}),),
    creates_again=True,
    delete_call=Request("delete_bucket_policy", {"Bucket": "id"}),
)

_BLOCKED: Final = {
    "blockPublicAcls": "BlockPublicAcls",
    "blockPublicPolicy": "BlockPublicPolicy",
    "ignorePublicAcls": "IgnorePublicAcls",
    "restrictPublicBuckets": "RestrictPublicBuckets",
}
_PUBLIC_ACCESS_BLOCK: Final = AwsResource(
    api=_S3,
    properties={
        "bucket": _BUCKET_NAME,
        **{
            name: Property(
                Input(Type.BOOLEAN),
                # All four are one parameter of the call, which the first one has.
                "PublicAccessBlockConfiguration" if index == 0 else None,
                value="{"
                + ", ".join(f"{key}: {own} || `false`" for own, key in _BLOCKED.items())
                + "}",
                output=f"PublicAccessBlockConfiguration.{parameter}",
            )
            for index, (name, parameter) in enumerate(_BLOCKED.items())
        },
    },
    name_input="bucket",
    create_call="put_public_access_block",
    identity="bucket",
    read_calls=(Request("get_public_access_block", {"Bucket": "id"}),),
    creates_again=True,
    delete_call=Request("delete_public_access_block", {"Bucket": "id"}),
)

_OWNERSHIP: Final = AwsResource(
    api=_S3,
    properties={
        "bucket": _BUCKET_NAME,
        "rule": Property(
            Input(
                Type.MAP,
                required=True,
                fields={"objectOwnership": Input(required=True)},
            ),
            "OwnershipControls",
            value="{Rules: [{ObjectOwnership: rule.objectOwnership}]}",
            output="{objectOwnership: OwnershipControls.Rules[0].ObjectOwnership}",
        ),
    },
    name_input="bucket",
    create_call="put_bucket_ownership_controls",
    identity="bucket",
    read_calls=(Request("get_bucket_ownership_controls", {"Bucket": "id"}),),
    creates_again=True,
    delete_call=Request("delete_bucket_ownership_controls", {"Bucket": "id"}),
)

RESOURCES: Final = {
    "aws:ec2/securityGroup:SecurityGroup": _SECURITY_GROUP,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _LIFECYCLE_POLICY,
    "aws:ecr/repository:Repository": _REPOSITORY,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": _OPEN_ID_CONNECT_PROVIDER,
    "aws:iam/policy:Policy": _POLICY_TYPE,
    "aws:iam/role:Role": _ROLE,
    "aws:iam/rolePolicy:RolePolicy": _ROLE_POLICY,
    "aws:kms/alias:Alias": _ALIAS,
    "aws:kms/key:Key": _KEY,
    "aws:rds/subnetGroup:SubnetGroup": _SUBNET_GROUP,
    "aws:s3/bucket:Bucket": _BUCKET,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _OWNERSHIP,
    "aws:s3/bucketPolicy:BucketPolicy": _BUCKET_POLICY,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _PUBLIC_ACCESS_BLOCK,
}
