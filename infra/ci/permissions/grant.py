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
        unrecorded: Why a test finds no call of some of the actions; empty where it finds each.
    """

    why: str
    actions: tuple[str, ...]
    on: tuple[str, ...] = ("*",)
    when: Conditions = field(default_factory=dict[str, Mapping[str, str]])
    effect: Literal["Allow", "Deny"] = "Allow"
    unrecorded: str = ""


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
        identity_provider: ARN of the identity provider of the cluster's service accounts.
        domain: Domain under which each stack has a name.
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
    identity_provider: str = ""
    domain: str = ""

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
            identity_provider=self.identity_provider,
            domain=self.domain,
        )


def policy(grants: Sequence[Grant], place: Place) -> str:
    """Return the policy of a table as JSON.

    AWS limits its length, and each statement repeats its condition and the app's name: grants
    that can share a statement do.
    """
    statements: list[_Statement] = []
    for grant in grants:
        new = _Statement.of(grant, place)
        shared = next((one for one in statements if one.takes(new)), None)
        if shared is None:
            statements.append(new)
        else:
            shared.add(new)
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [each.document() for each in statements]},
        sort_keys=True,
    )


@dataclass
class _Statement:
    effect: str
    actions: list[str]
    resources: list[str]
    condition: dict[str, dict[str, str | list[str]]]

    @classmethod
    def of(cls, grant: Grant, place: Place) -> _Statement:
        return cls(
            effect=grant.effect,
            actions=[*grant.actions],
            resources=[place.fill(template) for template in grant.on],
            condition={
                operator: {key: _filled(value, place) for key, value in keys.items()}
                for operator, keys in grant.when.items()
            },
        )

    def takes(self, other: _Statement) -> bool:
        """Return True if one statement for both allows, or denies, no more than the two."""
        if (self.effect, self.condition) != (other.effect, other.condition):
            return False
        if self.resources == other.resources:
            return True
        # No action of one service is about a resource of another.
        apart = self._services.isdisjoint(other._services)
        return apart and self._names_its_own and other._names_its_own

    def add(self, other: _Statement) -> None:
        self.actions += [one for one in other.actions if one not in self.actions]
        self.resources += [one for one in other.resources if one not in self.resources]

    def document(self) -> dict[str, object]:
        document: dict[str, object] = {
            "Effect": self.effect,
            "Action": _short(self.actions),
            "Resource": _short(self.resources),
        }
        return {**document, "Condition": self.condition} if self.condition else document

    @property
    def _services(self) -> set[str]:
        return {action.partition(":")[0] for action in self.actions}

    @property
    def _names_its_own(self) -> bool:
        """True if each resource is one of its actions' services, and none is a wildcard for all."""
        # arn:<partition>:<service>:...
        return "*" not in self.resources and self._services == {
            resource.split(":")[2] for resource in self.resources
        }


def _filled(value: str | Sequence[str], place: Place) -> str | list[str]:
    values = [value] if isinstance(value, str) else value
    return _short([place.fill(one) for one in values])


def _short(values: Sequence[str]) -> str | list[str]:
    """Return a list as AWS wants it: one value needs none."""
    return values[0] if len(values) == 1 else [*values]
