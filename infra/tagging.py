"""One transform: every AWS resource says which stack and source it belongs to.

The tags are what sweeping and cost reports look for, and what the permissions of CI are
bound to. A transform, unlike the older transformations, also reaches resources that another
package makes on its own side, such as those of ``eks.Cluster``.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, cast

import pulumi
from pulumi.runtime import register_resource_transform

from contract.stack_name import StackName
from infra.database.security_group import SecurityGroup
from infra.source import Source

KIND_TAG = "kind"
"""The tag that says ``preview`` on everything of every preview: what cost is summed up by."""


def stack_tags(stack: StackName, source: Source) -> dict[str, str]:
    """The tags of all AWS resources of a stack."""
    tags = {
        "managed-by": "pulumi",
        KIND_TAG: stack.kind.value,
        "stack": stack.value,
        "repository": source.repository,
        "commit": source.commit,
        "expires": source.expires,
    }
    if stack.pull_request is not None:
        tags["pull-request"] = str(stack.pull_request)
    return tags


def tag_every_resource(stack: StackName, source: Source) -> None:
    """Tag whatever the program declares from here on; call it before anything else."""
    tags = stack_tags(stack, source)

    def add_tags(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if not is_taggable(args.type_):
            return None
        # A transform sees properties as they go over the wire: a map, or nothing.
        properties = cast("dict[str, Any]", args.props)
        own = cast("dict[str, pulumi.Input[str]]", properties.get("tags") or {})
        return pulumi.ResourceTransformResult(
            props={**properties, "tags": {**own, **tags}}, opts=args.opts
        )

    register_resource_transform(add_tags)


@cache
def is_taggable(token: str) -> bool:
    """Whether a type takes the provider's usual map of tags.

    The SDK says so by itself: exactly these types have a ``tags_all``, the union of a
    resource's tags and the provider's. Auto Scaling groups, whose tags are a list of
    objects, do not. Only our own class, which stands for one that is slow to import, has to
    be named.

    Args:
        token: A Pulumi type token, such as ``aws:rds/instance:Instance``.
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
