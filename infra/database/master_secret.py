"""The master user's password, from Secrets Manager into one namespace.

A SecretStore of the namespace reads as a service account whose IAM role may read that one secret.
The value is in no state and no manifest of this program.
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

    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs


class MasterSecret(pulumi.ComponentResource):
    """A Secret with ``username`` and ``password`` of a master user.

    Attributes:
        ready: Resource that users of the Secret depend on.
    """

    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        scope: NamespaceScope,
        secret: str,
        store: str,
        reader: str,
        secret_arn: pulumi.Output[str],
        platform: PlatformInputs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Secret and who may read what it is made from.

        Args:
            stack: Stack that the IAM role is named after.
            scope: Namespace of the Secret.
            secret: Name of the Secret.
            store: Name of the SecretStore.
            reader: Name of the service account as which the operator reads.
            secret_arn: ARN of the secret that RDS keeps for the master user.
            platform: Region, and identity provider of the cluster's service accounts.
        """
        super().__init__("previews:service:MasterSecret", name, None, opts)
        self._stack = stack
        self._scope = scope
        self._reader_name = reader
        role, permission = self._role(secret_arn, platform)
        account = self._reader(role)
        # The store assumes the role as soon as it exists: the permission to read the secret
        # is only known once RDS has created the instance.
        declared = self._store(store, platform, depends_on=[account])
        self.ready = external_secret(
            secret,
            master_spec(secret, store, secret_arn),
            scope=scope,
            parent=self,
            depends_on=[declared, permission],
        )
        self.register_outputs({})

    def _role(
        self, secret_arn: pulumi.Output[str], platform: PlatformInputs
    ) -> tuple[iam.Role, iam.RolePolicy]:
        """Declare an IAM role that only this namespace's reader can assume, for one secret."""
        trust = pulumi.Output.all(
            platform.cluster.oidc_provider_arn, platform.cluster.oidc_issuer, self._scope.name
        ).apply(lambda known: trust_policy(known[0], known[1], known[2], self._reader_name))
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

    def _boundary(self, platform: PlatformInputs) -> pulumi.Output[str] | None:
        """Return the role's boundary, which CI must set; a person creates staging's without one."""
        boundaries = {
            StackKind.PREVIEW: platform.boundaries.preview,
            StackKind.DATA: platform.boundaries.data,
        }
        if self._stack.kind not in boundaries:
            return None
        boundary = pulumi.Output.from_input(boundaries[self._stack.kind])
        return cast("pulumi.Output[str]", boundary.apply(lambda arn: arn or None))

    def _reader(self, role: iam.Role) -> core.v1.ServiceAccount:
        return core.v1.ServiceAccount(
            "reader",
            metadata=self._scope.metadata(
                self._reader_name, annotations={"eks.amazonaws.com/role-arn": role.arn}
            ),
            automount_service_account_token=False,
            opts=self._scope.deleted_with_namespace(self),
        )

    def _store(
        self, name: str, platform: PlatformInputs, *, depends_on: list[pulumi.Resource]
    ) -> apiextensions.CustomResource:
        return apiextensions.CustomResource(
            "store",
            api_version=API,
            kind="SecretStore",
            metadata=self._scope.metadata(name, annotations=WAIT_UNTIL_READY),
            spec={
                "provider": {
                    "aws": {
                        "service": "SecretsManager",
                        "region": platform.region,
                        "auth": {"jwt": {"serviceAccountRef": {"name": self._reader_name}}},
                    }
                }
            },
            opts=self._scope.deleted_with_namespace(self, depends_on=depends_on),
        )


def master_spec(secret: str, store: str, secret_arn: pulumi.Input[str]) -> dict[str, object]:
    """Return the spec of the ExternalSecret. RDS rotates the master secret every week."""
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
    """Return the trust policy for one service account of one namespace."""
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
    """Return the policy that allows reading one secret."""
    statement = {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": secret_arn,
    }
    return _policy(statement)


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
