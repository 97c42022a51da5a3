"""Elastic Container Registry: repositories and their lifecycle policies."""

from __future__ import annotations

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

_MISSING = frozenset({"RepositoryNotFoundException"})
_POLICY_MISSING = _MISSING | {"LifecyclePolicyNotFoundException"}


class Repository(AwsResource):
    """``aws:ecr/repository:Repository``; its identity is its name."""

    schema: ClassVar[Schema] = {
        "name": Input(required=True, replace=True),
        "imageTagMutability": Input(allowed=("IMMUTABLE", "MUTABLE")),
        "imageScanningConfiguration": Input(
            Type.MAP, fields={"scanOnPush": Input(Type.BOOLEAN, required=True)}
        ),
        "encryptionConfigurations": Input(
            Type.LIST,
            replace=True,
            fields={
                "encryptionType": Input(allowed=("AES256", "KMS")),
                "kmsKey": Input(),
            },
        ),
        "forceDelete": Input(Type.BOOLEAN),
        "tags": TAGS,
    }
    name_input = "name"
    taken = "RepositoryAlreadyExistsException"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        encryption = inputs.get("encryptionConfigurations") or [{}]
        await clients(call).call(
            "ecr",
            "create_repository",
            repositoryName=inputs["name"],
            imageTagMutability=inputs.get("imageTagMutability"),
            imageScanningConfiguration=inputs.get("imageScanningConfiguration"),
            encryptionConfiguration=encryption[0] or None,
            tags=tag_list(inputs.get("tags")),
        )
        return str(inputs["name"])

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        found = await clients(call).call_if_found(
            _MISSING, "ecr", "describe_repositories", repositoryNames=[identity]
        )
        if found is None:
            return None
        repository = found["repositories"][0]
        arn = repository["repositoryArn"]
        answer = await clients(call).call("ecr", "list_tags_for_resource", resourceArn=arn)
        tags = tag_map(answer["tags"])
        scanning = repository.get("imageScanningConfiguration", {})
        encryption = repository.get("encryptionConfiguration", {})
        return {
            "arn": arn,
            "name": repository["repositoryName"],
            "repositoryUrl": repository["repositoryUri"],
            "registryId": repository["registryId"],
            "imageTagMutability": repository.get("imageTagMutability", "MUTABLE"),
            "imageScanningConfiguration": {"scanOnPush": scanning.get("scanOnPush", False)},
            "encryptionConfigurations": [
                {"encryptionType": encryption.get("encryptionType", "AES256")}
                | ({"kmsKey": encryption["kmsKey"]} if "kmsKey" in encryption else {})
            ],
            "region": clients(call).region,
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        api = clients(call)
        if old.get("imageTagMutability") != new.get("imageTagMutability"):
            await api.call(
                "ecr",
                "put_image_tag_mutability",
                repositoryName=identity,
                imageTagMutability=new.get("imageTagMutability", "MUTABLE"),
            )
        if old.get("imageScanningConfiguration") != new.get("imageScanningConfiguration"):
            await api.call(
                "ecr",
                "put_image_scanning_configuration",
                repositoryName=identity,
                imageScanningConfiguration=new.get(
                    "imageScanningConfiguration", {"scanOnPush": False}
                ),
            )
        await self._tag(call, identity, new)
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        await clients(call).call_if_found(
            _MISSING,
            "ecr",
            "delete_repository",
            repositoryName=identity,
            force=bool(inputs.get("forceDelete")),
        )

    async def _tag(self, call: Call, identity: str, new: Properties) -> None:
        live, api = await self.outputs(call, identity, {}), clients(call)
        gone, written = tag_changes(live["tags"], new.get("tags"))
        if gone:
            await api.call("ecr", "untag_resource", resourceArn=live["arn"], tagKeys=gone)
        if written:
            await api.call("ecr", "tag_resource", resourceArn=live["arn"], tags=tag_list(written))


class LifecyclePolicy(AwsResource):
    """``aws:ecr/lifecyclePolicy:LifecyclePolicy``; its identity is its repository's name."""

    schema: ClassVar[Schema] = {
        "repository": Input(required=True, replace=True),
        "policy": Input(required=True, equality=Equality.JSON),
    }
    name_input = "repository"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        await clients(call).call(
            "ecr",
            "put_lifecycle_policy",
            repositoryName=inputs["repository"],
            lifecyclePolicyText=inputs["policy"],
        )
        return str(inputs["repository"])

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        found = await clients(call).call_if_found(
            _POLICY_MISSING, "ecr", "get_lifecycle_policy", repositoryName=identity
        )
        if found is None:
            return None
        return {
            "repository": found["repositoryName"],
            "registryId": found["registryId"],
            "policy": found["lifecyclePolicyText"],
            "region": clients(call).region,
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
        await clients(call).call_if_found(
            _POLICY_MISSING,
            "ecr",
            "delete_lifecycle_policy",
            repositoryName=identity,
        )
