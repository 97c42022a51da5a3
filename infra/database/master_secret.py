"""How the master user's password gets from Secrets Manager into one namespace.

A SecretStore of the namespace's own reads as a service account whose IAM role may read that
one secret. The value is in no state and no manifest of this program.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pulumi
from pulumi_aws import iam
from pulumi_kubernetes import apiextensions, core

from contract.stack_name import StackKind, StackName
from infra.kubernetes.external_secret import API, WAIT_UNTIL_READY, external_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.kubernetes.namespace_scope import Home
    from infra.platform_outputs import PlatformFacts


class MasterSecret(pulumi.ComponentResource):
    """A Secret with ``username`` and ``password`` of a master user.

    Attributes:
        ready: What must be there before a pod can use the Secret.
    """

    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        home: Home,
        secret: str,
        store: str,
        reader: str,
        secret_arn: pulumi.Output[str],
        platform: PlatformFacts,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Secret and who may read what it is made from.

        Args:
            name: Pulumi's name of the component.
            stack: Whose name the IAM role gets.
            home: Where the Secret is.
            secret: The Secret's name.
            store: The SecretStore's name.
            reader: Name of the service account as which the operator reads.
            secret_arn: The secret that RDS keeps for the master user.
            platform: The region, and who vouches for the cluster's service accounts.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:MasterSecret", name, None, opts)
        self._stack = stack
        self._home = home
        self._reader_name = reader
        role, permission = self._role(secret_arn, platform)
        account = self._reader(role)
        # The store takes the role as soon as there is one: the permission to read the secret
        # is only known once RDS has made the instance.
        declared = self._store(store, platform, after=[account])
        self.ready = external_secret(
            secret,
            master_spec(secret, store, secret_arn),
            home=home,
            parent=self,
            after=[declared, permission],
        )
        self.register_outputs({})

    def _role(
        self, secret_arn: pulumi.Output[str], platform: PlatformFacts
    ) -> tuple[iam.Role, iam.RolePolicy]:
        """An IAM role that only this namespace's reader can take, for one secret."""
        trust = pulumi.Output.all(
            platform.oidc_provider_arn, platform.oidc_issuer, self._home.name
        ).apply(lambda told: trust_policy(told[0], told[1], told[2], self._reader_name))
        role = iam.Role(
            "reader-role",
            name=self._stack.secrets_role,
            description=f"Reads the database secret of {self._stack} for External Secrets",
            assume_role_policy=trust,
            permissions_boundary=self._boundary(platform),
            opts=pulumi.ResourceOptions(parent=self),
        )
        permission = iam.RolePolicy(
            "reader-permission",
            name="read-database-secret",
            role=role.name,
            policy=secret_arn.apply(read_policy),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return role, permission

    def _boundary(self, platform: PlatformFacts) -> pulumi.Output[str] | None:
        """CI makes a role with its kind's boundary alone; staging's is made by a person."""
        boundaries = {
            StackKind.PREVIEW: platform.permissions_boundary,
            StackKind.DATA: platform.data_boundary,
        }
        if self._stack.kind not in boundaries:
            return None
        given = pulumi.Output.from_input(boundaries[self._stack.kind])
        return cast("pulumi.Output[str]", given.apply(lambda arn: arn or None))

    def _reader(self, role: iam.Role) -> core.v1.ServiceAccount:
        return core.v1.ServiceAccount(
            "reader",
            metadata=self._home.metadata(
                self._reader_name, annotations={"eks.amazonaws.com/role-arn": role.arn}
            ),
            automount_service_account_token=False,
            opts=self._home.goes_with(self),
        )

    def _store(
        self, name: str, platform: PlatformFacts, *, after: list[pulumi.Resource]
    ) -> apiextensions.CustomResource:
        return apiextensions.CustomResource(
            "store",
            api_version=API,
            kind="SecretStore",
            metadata=self._home.metadata(name, annotations=WAIT_UNTIL_READY),
            spec={
                "provider": {
                    "aws": {
                        "service": "SecretsManager",
                        "region": platform.region,
                        "auth": {"jwt": {"serviceAccountRef": {"name": self._reader_name}}},
                    }
                }
            },
            opts=self._home.goes_with(self, after=after),
        )


def master_spec(secret: str, store: str, secret_arn: pulumi.Input[str]) -> dict[str, object]:
    """An ExternalSecret of a master secret that RDS manages; RDS rotates it every week."""
    return {
        "refreshPolicy": "Periodic",
        "refreshInterval": "1h0m0s",
        "secretStoreRef": {"kind": "SecretStore", "name": store},
        "target": {"name": secret, "creationPolicy": "Owner"},
        "data": [
            {"secretKey": key, "remoteRef": {"key": secret_arn, "property": key}}
            for key in ("username", "password")
        ],
    }


def trust_policy(provider_arn: str, issuer: str, namespace: str, reader: str) -> str:
    """Who may take the role: one service account of one namespace, by its own token."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider_arn},
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": f"system:serviceaccount:{namespace}:{reader}",
            }
        },
    }
    return _policy(statement)


def read_policy(secret_arn: str) -> str:
    """What the role may do: read one secret."""
    statement = {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": secret_arn,
    }
    return _policy(statement)


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
