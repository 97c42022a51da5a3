"""Tags of RDS resources, which are kept by ARN."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.providers.aws.resource import clients, tag_changes, tag_list, tag_map
from sandbox.providers.base import Call


async def tags_of(call: Call, arn: str) -> dict[str, str]:
    """The tags of one resource."""
    answer = await clients(call).call("rds", "list_tags_for_resource", ResourceName=arn)
    return tag_map(answer["TagList"])


async def retag(call: Call, arn: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Make the tags what they should be."""
    api = clients(call)
    gone, written = tag_changes(before, after)
    if gone:
        await api.call("rds", "remove_tags_from_resource", ResourceName=arn, TagKeys=gone)
    if written:
        await api.call("rds", "add_tags_to_resource", ResourceName=arn, Tags=tag_list(written))
