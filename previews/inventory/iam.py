"""IAM: the roles that read a preview's secrets, and that of its pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contract.stack_name import PLATFORM_APP, AppName
from previews.inventory.item import AwsFinder, Item, OwnRepository, as_mapping, owner_by_name

if TYPE_CHECKING:
    from boto3.session import Session

_ENDS = ("-app", "-app-secrets", "-secrets")


class Iam(AwsFinder):
    """Roles, with their policies."""

    name = "IAM"

    def __init__(
        self, session: Session, repository: OwnRepository | None, app: AppName = PLATFORM_APP
    ) -> None:
        super().__init__(repository, app)
        self._iam = session.client("iam")

    def find(self) -> Iterator[Item]:
        """Yield roles whose name is a preview's; a request returns 1000.

        The list has no tags, and reading them takes a request for each role: `remove` reads
        them, as another repository may use the name.
        """
        pages = self._iam.get_paginator("list_roles")
        for page in pages.paginate(PaginationConfig={"PageSize": 1000}):
            for role in page["Roles"]:
                by_name = owner_by_name(role["RoleName"], *_ENDS, app=self._app)
                if by_name is not None:
                    yield from self.item("role", role["RoleName"], {}, by_name)

    def remove(self, item: Item) -> None:
        """Delete the role and its policies, unless it has another repository's tag."""
        missing = self._iam.exceptions.NoSuchEntityException
        try:
            tags = as_mapping(self._iam.list_role_tags(RoleName=item.id)["Tags"])
            if self.is_of_another_repository(tags):
                return
            for policy in self._iam.list_role_policies(RoleName=item.id)["PolicyNames"]:
                self._iam.delete_role_policy(RoleName=item.id, PolicyName=policy)
            attached = self._iam.list_attached_role_policies(RoleName=item.id)
            for each in attached["AttachedPolicies"]:
                self._iam.detach_role_policy(RoleName=item.id, PolicyArn=each["PolicyArn"])
            self._iam.delete_role(RoleName=item.id)
        except missing:
            return
