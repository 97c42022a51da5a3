"""One transform that tags every AWS resource with its stack and source.

The sweep and cost reports find resources by these tags, and the permissions of CI depend on them.
A transform, unlike the older transformations, also reaches resources that another package creates
on its own side, such as those of ``eks.Cluster``.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, cast

import pulumi
from pulumi.runtime import register_resource_transform

from contract import tags
from contract.stack_name import StackName
from infra.database.security_group import SecurityGroup
from infra.source import Source

WITHOUT_COMMIT = frozenset({"aws:budgets/budget:Budget", "aws:cognito/userPool:UserPool"})
"""Types that don't carry the commit: AWS changes their tags by an update of the whole.

Each push would need the right to change a budget and a user pool, not only their tags. In the
provider all other types have a call for tags alone.
"""


def stack_tags(stack: StackName, source: Source) -> dict[str, str]:
    """Return the tags of all AWS resources of a stack."""
    values = {
        tags.MANAGED_BY: "pulumi",
        tags.KIND: stack.kind.value,
        tags.STACK: stack.name,
        tags.REPOSITORY: source.repository,
        tags.COMMIT: source.commit,
        tags.EXPIRES: source.expires,
    }
    if not stack.app.is_platform:
        values[tags.APP] = str(stack.app)
    if stack.pull_request is not None:
        values[tags.PULL_REQUEST] = str(stack.pull_request)
    return values


def tag_every_resource(stack: StackName, source: Source) -> None:
    """Tag everything that the program declares from here on; call it first."""
    values = stack_tags(stack, source)

    def add_tags(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if not is_taggable(args.type_):
            return None
        # A transform sees properties as they go over the wire: a map, or nothing.
        properties = cast("dict[str, Any]", args.props)
        stacks = {tag: value for tag, value in values.items() if carries(args.type_, tag)}
        own = cast("dict[str, pulumi.Input[str]]", properties.get("tags") or {})
        return pulumi.ResourceTransformResult(
            props={**properties, "tags": {**own, **stacks}}, opts=args.opts
        )

    register_resource_transform(add_tags)


def carries(token: str, tag: str) -> bool:
    """Return True if the resources of a taggable type have a tag of the stack's."""
    return tag != tags.COMMIT or token not in WITHOUT_COMMIT


@cache
def is_taggable(token: str) -> bool:
    """Return True for a type with the provider's usual map of tags.

    In the SDK exactly these types have a ``tags_all``, the union of a resource's tags and the
    provider's. Auto Scaling groups, whose tags are a list of objects, do not. Only our own class,
    which replaces one that is slow to import, has to be named.

    Args:
        token: Pulumi type token, such as ``aws:rds/instance:Instance``.
    """
    if token == SecurityGroup.TOKEN:
        return True
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    if package != "aws" or not name:
        return False
    folder = module.partition("/")[0]
    python_module = "pulumi_aws" if folder == "index" else f"pulumi_aws.{folder}"
    resource = getattr(importlib.import_module(python_module), name, None)
    return hasattr(resource, "tags_all")
