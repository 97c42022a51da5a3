"""The master user's password, from Secrets Manager into one namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from infra.kubernetes.external_secret import external_secret
from infra.kubernetes.secret_reader import SecretReader

if TYPE_CHECKING:
    from contract.stack_name import StackName
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
        readable = SecretReader(store, reader, stack.secrets_role, "database-secret").declare(
            self,
            stack=stack,
            scope=scope,
            secret_arns=secret_arn.apply(lambda arn: [arn]),
            platform=platform,
        )
        self.ready = external_secret(
            secret,
            master_spec(secret, store, secret_arn),
            scope=scope,
            parent=self,
            depends_on=readable,
        )
        self.register_outputs({})


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
