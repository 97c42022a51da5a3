"""Identity and Access Management: managed policies and identity providers."""

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


class Policy(AwsResource):
    """``aws:iam/policy:Policy``; its identity is its ARN."""

    schema: ClassVar[Schema] = {
        "name": Input(required=True, replace=True),
        "description": Input(replace=True),
        "policy": Input(required=True, equality=Equality.JSON),
        "tags": TAGS,
    }
    name_input = "name"
    taken = "EntityAlreadyExists"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        made = await clients(call).call(
            "iam",
            "create_policy",
            PolicyName=inputs["name"],
            PolicyDocument=inputs["policy"],
            Description=inputs.get("description"),
            Tags=tag_list(inputs.get("tags")),
        )
        return str(made["Policy"]["Arn"])

    @override
    async def locate(self, call: Call, inputs: Properties) -> str:
        pages = await clients(call).call("iam", "list_policies", Scope="Local", MaxItems=1000)
        return next(
            str(policy["Arn"])
            for policy in pages["Policies"]
            if policy["PolicyName"] == inputs["name"]
        )

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        api = clients(call)
        found = await api.call_if_found(_MISSING, "iam", "get_policy", PolicyArn=identity)
        if found is None:
            return None
        policy = found["Policy"]
        version = await api.call(
            "iam", "get_policy_version", PolicyArn=identity, VersionId=policy["DefaultVersionId"]
        )
        tags = tag_map(policy.get("Tags"))
        return {
            "arn": policy["Arn"],
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "policyId": policy["PolicyId"],
            "description": policy.get("Description", ""),
            "policy": json.dumps(version["PolicyVersion"]["Document"], sort_keys=True),
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        api = clients(call)
        if old.get("policy") != new["policy"]:
            before = await api.call("iam", "get_policy", PolicyArn=identity)
            await api.call(
                "iam",
                "create_policy_version",
                PolicyArn=identity,
                PolicyDocument=new["policy"],
                SetAsDefault=True,
            )
            # AWS keeps five at most; nothing goes back to an older one.
            await api.call(
                "iam",
                "delete_policy_version",
                PolicyArn=identity,
                VersionId=before["Policy"]["DefaultVersionId"],
            )
        gone, written = tag_changes(old.get("tags"), new.get("tags"))
        if gone:
            await api.call("iam", "untag_policy", PolicyArn=identity, TagKeys=gone)
        if written:
            await api.call("iam", "tag_policy", PolicyArn=identity, Tags=tag_list(written))
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        await clients(call).call_if_found(_MISSING, "iam", "delete_policy", PolicyArn=identity)


class OpenIdConnectProvider(AwsResource):
    """``aws:iam/openIdConnectProvider:OpenIdConnectProvider``; its identity is its ARN."""

    schema: ClassVar[Schema] = {
        "url": Input(required=True, replace=True),
        "clientIdLists": Input(Type.LIST, required=True, replace=True),
        "tags": TAGS,
    }
    name_input = "url"
    taken = "EntityAlreadyExists"

    @override
    async def make(self, call: Call, inputs: Properties) -> str:
        made = await clients(call).call(
            "iam",
            "create_open_id_connect_provider",
            Url=inputs["url"],
            ClientIDList=inputs["clientIdLists"],
            Tags=tag_list(inputs.get("tags")),
        )
        return str(made["OpenIDConnectProviderArn"])

    @override
    async def locate(self, call: Call, inputs: Properties) -> str:
        host = str(inputs["url"]).removeprefix("https://")
        listed = await clients(call).call("iam", "list_open_id_connect_providers")
        return next(
            str(provider["Arn"])
            for provider in listed["OpenIDConnectProviderList"]
            if provider["Arn"].endswith(f"/{host}")
        )

    @override
    async def describe(self, call: Call, identity: str) -> Properties | None:
        found = await clients(call).call_if_found(
            _MISSING,
            "iam",
            "get_open_id_connect_provider",
            OpenIDConnectProviderArn=identity,
        )
        if found is None:
            return None
        tags = tag_map(found.get("Tags"))
        return {
            "arn": identity,
            "url": f"https://{str(found['Url']).removeprefix('https://')}",
            "clientIdLists": list(found["ClientIDList"]),
            "tags": tags,
            "tagsAll": tags,
        }

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        api = clients(call)
        gone, written = tag_changes(old.get("tags"), new.get("tags"))
        if gone:
            await api.call(
                "iam",
                "untag_open_id_connect_provider",
                OpenIDConnectProviderArn=identity,
                TagKeys=gone,
            )
        if written:
            await api.call(
                "iam",
                "tag_open_id_connect_provider",
                OpenIDConnectProviderArn=identity,
                Tags=tag_list(written),
            )
        return {**outputs, **new}

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        await clients(call).call_if_found(
            _MISSING,
            "iam",
            "delete_open_id_connect_provider",
            OpenIDConnectProviderArn=identity,
        )
