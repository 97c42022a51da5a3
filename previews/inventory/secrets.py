"""Secrets Manager: secrets that RDS manages, and others with a preview's tag or name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract.stack_name import PLATFORM_APP, AppName
from previews.inventory.item import (
    AwsFinder,
    Item,
    OwnRepository,
    as_mapping,
    owner_by_database,
    owner_by_name,
)

if TYPE_CHECKING:
    from boto3.session import Session

_DATABASE_TAG = "aws:rds:primaryDBInstanceArn"
_OWNER_TAG = "aws:secretsmanager:owningService"


class Secrets(AwsFinder):
    """Secrets of a preview or of its database."""

    name = "Secrets Manager"

    def __init__(
        self, session: Session, repository: OwnRepository | None, app: AppName = PLATFORM_APP
    ) -> None:
        super().__init__(repository, app)
        self._secrets = session.client("secretsmanager")

    def find(self) -> Iterator[Item]:
        """Yield secrets, none that is scheduled for deletion; a request returns 100."""
        for page in self._secrets.get_paginator("list_secrets").paginate(
            PaginationConfig={"PageSize": 100}
        ):
            for secret in page["SecretList"]:
                tags = as_mapping(secret.get("Tags"))
                name = secret["Name"]
                database = owner_by_database(tags.get(_DATABASE_TAG, ""), self._app)
                owner = database or owner_by_name(name.partition("/")[0], app=self._app)
                managed = tags.get(_OWNER_TAG) == "rds"
                keep = "RDS deletes it with its instance" if managed else ""
                yield from self.item("secret", name, tags, owner, keep=keep)

    def remove(self, item: Item) -> None:
        """Delete it at once, without a recovery window."""
        try:
            self._secrets.delete_secret(SecretId=item.id, ForceDeleteWithoutRecovery=True)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
