"""ELB: target groups that the load balancer's controller made for a preview's Ingress."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from previews.inventory.item import Finder, Item, as_mapping, preview

if TYPE_CHECKING:
    from boto3.session import Session

# The controller cuts a namespace to its first eight letters and digits in a name...
_NAME = re.compile(r"k8s-pr[0-9]{1,6}-", re.ASCII)
# ... and has it whole in a tag: `pr-42/service-service:http`.
_TAGS = ("ingress.k8s.aws/resource", "ingress.eks.amazonaws.com/resource")
_ASKED_AT_ONCE = 20


class LoadBalancer(Finder):
    """Target groups; a listener's rule goes before the group that it leads to."""

    name = "ELB"

    def __init__(self, session: Session, repository: str) -> None:
        super().__init__(repository)
        self._elb = session.client("elbv2")

    def find(self) -> Iterator[Item]:
        """Four hundred a page, and the tags of twenty at once."""
        groups: dict[str, str] = {}
        for page in self._elb.get_paginator("describe_target_groups").paginate(
            PaginationConfig={"PageSize": 400}
        ):
            for group in page["TargetGroups"]:
                if _NAME.match(group["TargetGroupName"]):
                    groups[group["TargetGroupArn"]] = group["TargetGroupName"]
        arns = sorted(groups)
        for start in range(0, len(arns), _ASKED_AT_ONCE):
            asked = arns[start : start + _ASKED_AT_ONCE]
            for described in self._elb.describe_tags(ResourceArns=asked)["TagDescriptions"]:
                tags = as_mapping(described["Tags"])
                resource = next((tags[name] for name in _TAGS if name in tags), "")
                yield from self.item(
                    "target group",
                    groups[described["ResourceArn"]],
                    tags,
                    preview(resource.partition("/")[0]),
                    keep="the load balancer's controller deletes it with the Ingress",
                )

    def remove(self, item: Item) -> None:
        """Leave it alone: the controller would make it anew, or delete it itself."""
