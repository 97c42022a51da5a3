"""ELB: target groups of previews' Ingresses, made by the load balancer's controller."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from contract.stack_name import PLATFORM_APP, AppName
from previews.inventory.item import AwsFinder, Item, OwnRepository, as_mapping, preview

if TYPE_CHECKING:
    from boto3.session import Session

# The controller shortens the namespace to eight letters and digits in the name...
_SHORT = 8
# ... and writes it whole into a tag: `pr-42/service-service:http`.
_TAGS = ("ingress.k8s.aws/resource", "ingress.eks.amazonaws.com/resource")
_BATCH = 20

_GROUP_TAGS = ("ingress.k8s.aws/stack", "ingress.eks.amazonaws.com/stack")


class LoadBalancer(AwsFinder):
    """Target groups; the controller deletes a listener's rule before its group."""

    name = "ELB"

    def __init__(
        self, session: Session, repository: OwnRepository | None, app: AppName = PLATFORM_APP
    ) -> None:
        super().__init__(repository, app)
        self._name = target_group_pattern(app)
        self._elb = session.client("elbv2")

    def find(self) -> Iterator[Item]:
        """Yield target groups; a request returns 400, or the tags of 20."""
        groups: dict[str, str] = {}
        for page in self._elb.get_paginator("describe_target_groups").paginate(
            PaginationConfig={"PageSize": 400}
        ):
            for group in page["TargetGroups"]:
                if self._name.match(group["TargetGroupName"]):
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
                    preview(resource.partition("/")[0], self._app),
                    keep="the load balancer's controller deletes it with the Ingress",
                )

    def remove(self, item: Item) -> None:
        """Delete nothing: the controller would recreate the group, or deletes it itself."""


def load_balancers(aws: Session, group: str) -> Iterator[Mapping[str, Any]]:
    """Yield the load balancers of a group of Ingresses, as AWS describes them."""
    elb = aws.client("elbv2")
    pages = elb.get_paginator("describe_load_balancers")
    for page in pages.paginate(PaginationConfig={"PageSize": _BATCH}):
        found = {one["LoadBalancerArn"]: one for one in page["LoadBalancers"]}
        if not found:
            continue
        for described in elb.describe_tags(ResourceArns=[*found])["TagDescriptions"]:
            tags = as_mapping(described["Tags"])
            if group in {tags.get(name) for name in _GROUP_TAGS}:
                yield found[described["ResourceArn"]]


def target_group_pattern(app: AppName) -> re.Pattern[str]:
    """Return the beginning of the names of target groups of an app's previews."""
    letters = f"{app.prefix}pr".replace("-", "")
    digits = _SHORT - len(letters)
    number = f"[0-9]{{1,{digits}}}" if digits > 0 else ""
    return re.compile(f"k8s-{letters[:_SHORT]}{number}-", re.ASCII)
