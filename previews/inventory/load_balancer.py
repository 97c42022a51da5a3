"""ELB: target groups of previews' Ingresses, made by the load balancer's controller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from previews.inventory.item import AwsFinder, Item, as_mapping, preview

if TYPE_CHECKING:
    from boto3.session import Session

# The controller shortens the namespace to eight letters and digits in the name...
_NAME = re.compile(r"k8s-pr[0-9]{1,6}-", re.ASCII)
# ... and writes it whole into a tag: `pr-42/service-service:http`.
_TAGS = ("ingress.k8s.aws/resource", "ingress.eks.amazonaws.com/resource")
_BATCH = 20


class LoadBalancer(AwsFinder):
    """Target groups; the controller deletes a listener's rule before its group."""

    name = "ELB"

    def __init__(self, session: Session, repository: str) -> None:
        super().__init__(repository)
        self._elb = session.client("elbv2")

    def find(self) -> Iterator[Item]:
        """Yield target groups; a request returns 400, or the tags of 20."""
        groups: dict[str, str] = {}
        for page in self._elb.get_paginator("describe_target_groups").paginate(
            PaginationConfig={"PageSize": 400}
        ):
            for group in page["TargetGroups"]:
                if _NAME.match(group["TargetGroupName"]):
                    groups[group["TargetGroupArn"]] = group["TargetGroupName"]
        arns = sorted(groups)
        for start in range(0, len(arns), _BATCH):
            batch = arns[start : start + _BATCH]
            for described in self._elb.describe_tags(ResourceArns=batch)["TagDescriptions"]:
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
        """Delete nothing: the controller would recreate the group, or deletes it itself."""
