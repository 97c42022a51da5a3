"""Route 53: records of single previews, beside the wildcard record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from contract.stack_name import PLATFORM_APP, AppName
from previews.inventory.item import AwsFinder, Item, OwnRepository, preview

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef


class Dns(AwsFinder):
    """Records below the previews' domain."""

    name = "Route 53"

    def __init__(
        self,
        session: Session,
        repository: OwnRepository | None,
        domain: str,
        app: AppName = PLATFORM_APP,
    ) -> None:
        """Search every zone that may hold the domain.

        Args:
            session: The account.
            repository: As in `AwsFinder`.
            domain: The domain of all previews.
            app: As in `AwsFinder`.
        """
        super().__init__(repository, app)
        self._route53 = session.client("route53")
        self._domain = domain.rstrip(".")

    def find(self) -> Iterator[Item]:
        """Yield records; a request returns 300."""
        for zone, record in self._records():
            name = record["Name"].rstrip(".").replace("\\052", "*")
            label = name.removesuffix(f".{self._domain}").rpartition(".")[2]
            yield from self.item(
                "record", f"{zone}/{record['Type']}/{record['Name']}", {}, preview(label, self._app)
            )

    def remove(self, item: Item) -> None:
        """Delete the record with its present value, as Route 53 requires."""
        for zone, record in self._records():
            if item.id == f"{zone}/{record['Type']}/{record['Name']}":
                self._route53.change_resource_record_sets(
                    HostedZoneId=zone,
                    ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]},
                )

    def _records(self) -> Iterator[tuple[str, ResourceRecordSetOutputTypeDef]]:
        """Yield every record below the domain, with its zone."""
        for page in self._route53.get_paginator("list_hosted_zones").paginate():
            for zone in page["HostedZones"]:
                above = zone["Name"].rstrip(".")
                if self._domain == above or self._domain.endswith(f".{above}"):
                    yield from self._below(zone["Id"])

    def _below(self, zone: str) -> Iterator[tuple[str, ResourceRecordSetOutputTypeDef]]:
        pages = self._route53.get_paginator("list_resource_record_sets")
        for page in pages.paginate(HostedZoneId=zone):
            for record in page["ResourceRecordSets"]:
                if record["Name"].rstrip(".").endswith(f".{self._domain}"):
                    yield zone, record
