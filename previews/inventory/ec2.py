"""EC2: security groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract.stack_name import PLATFORM_APP, AppName
from previews.inventory.item import AwsFinder, Item, OwnRepository, as_mapping, owner_by_name

if TYPE_CHECKING:
    from boto3.session import Session


class Ec2(AwsFinder):
    """Security groups, which are deleted with their rules."""

    name = "EC2"

    def __init__(
        self, session: Session, repository: OwnRepository | None, app: AppName = PLATFORM_APP
    ) -> None:
        super().__init__(repository, app)
        self._ec2 = session.client("ec2")

    def find(self) -> Iterator[Item]:
        """Yield security groups; a request returns 1000."""
        pages = self._ec2.get_paginator("describe_security_groups")
        for page in pages.paginate(PaginationConfig={"PageSize": 1000}):
            for group in page["SecurityGroups"]:
                by_name = owner_by_name(group["GroupName"], "-database", app=self._app)
                tags = as_mapping(group.get("Tags"))
                yield from self.item("security group", group["GroupId"], tags, by_name)

    def remove(self, item: Item) -> None:
        """Delete the group; AWS refuses while it is in use."""
        try:
            self._ec2.delete_security_group(GroupId=item.id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidGroup.NotFound":
                raise
