"""A row of the permission table, and how rows become a policy of AWS's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


@dataclass(frozen=True)
class Grant:
    """A row of the table.

    Attributes:
        why: Reason for the grant.
        actions: The actions.
        on: The resources; ``{…}`` are filled in by `Place.fill`.
        when: The conditions.
        effect: ``Allow`` or ``Deny``; a denial overrides every permission.
    """

    why: str
    actions: tuple[str, ...]
    on: tuple[str, ...] = ("*",)
    when: Conditions = field(default_factory=dict[str, Mapping[str, str]])
    effect: Literal["Allow", "Deny"] = "Allow"


@dataclass(frozen=True)
class Place:
    """Account, region and resources that the policies are for.

    Attributes:
        partition: ``aws``, or another partition of AWS.
        region: The region of everything.
        account: The account's number.
        cluster: The EKS cluster.
        vpc: Its VPC.
        repository: The ECR repository of the app's images.
        database_repository: The ECR repository of the image that prepares databases.
        boundary: ARN of the permissions boundary of previews' roles.
        data_boundary: ARN of the permissions boundary of shared servers' roles.
        state_bucket: Bucket of Pulumi's state, empty where it is kept elsewhere.
        state_key: Alias of the key that encrypts its secrets, empty where there is none.
    """

    partition: str
    region: str
    account: str
    cluster: str
    vpc: str
    repository: str
    database_repository: str
    boundary: str
    data_boundary: str = ""
    state_bucket: str = ""
    state_key: str = ""

    def fill(self, template: str) -> str:
        """Return a template with this place's values filled in."""
        return template.format(
            arn=f"arn:{self.partition}",
            here=f"{self.region}:{self.account}",
            account=self.account,
            region=self.region,
            cluster=self.cluster,
            vpc=self.vpc,
            repository=self.repository,
            database_repository=self.database_repository,
            boundary=self.boundary,
            data_boundary=self.data_boundary,
            bucket=self.state_bucket,
            state_key=self.state_key,
        )


def policy(grants: Sequence[Grant], place: Place) -> str:
    """Return the policy of a table as JSON."""
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [_statement(grant, place) for grant in grants]},
        sort_keys=True,
    )


def _statement(grant: Grant, place: Place) -> dict[str, object]:
    statement: dict[str, object] = {
        "Effect": grant.effect,
        "Action": list(grant.actions),
        "Resource": [place.fill(template) for template in grant.on],
    }
    if grant.when:
        statement["Condition"] = {
            operator: {key: _filled(value, place) for key, value in keys.items()}
            for operator, keys in grant.when.items()
        }
    return statement


def _filled(value: str | Sequence[str], place: Place) -> str | list[str]:
    return place.fill(value) if isinstance(value, str) else [place.fill(one) for one in value]
