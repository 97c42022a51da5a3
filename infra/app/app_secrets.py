"""The secrets of an app: random ones, and those that its team keeps in Secrets Manager."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pulumi

from contract.kubernetes import generated_secret
from infra.kubernetes.external_secret import external_secret, generated_spec, password_generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.app.model import Secret
    from contract.stack_name import StackName
    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs

_GENERATOR = "app-secret"
_MANAGED = "app-secrets"
"""Name of the Secret, the SecretStore and the service account for those in Secrets Manager."""


class AppSecrets(pulumi.ComponentResource):
    """Secrets with the values of the variables that ``preview.yaml`` names.

    Attributes:
        variables: Each variable, with the Secret and the key of its value.
        ready: Resources that users of the Secrets depend on.
        checksum: Hash of the definition; pods are replaced when it changes.
    """

    variables: dict[str, tuple[str, str]]
    ready: list[pulumi.Resource]
    checksum: str

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        secrets: Mapping[str, Secret],
        scope: NamespaceScope,
        platform: PlatformInputs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Secrets.

        Args:
            stack: Stack that the IAM role is named after.
            secrets: The secrets, by the names of their variables.
            scope: Namespace of the Secrets.
            platform: Region, and identity provider of the cluster's service accounts.
        """
        super().__init__("previews:app:AppSecrets", name, None, opts)
        generated = sorted(name for name, secret in secrets.items() if secret.name is None)
        managed = {name: secret for name, secret in secrets.items() if secret.name is not None}
        self.variables = {name: (generated_secret(name), "value") for name in generated} | {
            name: (_MANAGED, name) for name in managed
        }
        self.ready = []
        if generated:
            self.ready += self._generated(generated, scope)
        if managed:
            self.ready.append(self._managed(managed, stack, scope, platform))
        text = json.dumps({n: s.model_dump() for n, s in secrets.items()}, sort_keys=True)
        self.checksum = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.register_outputs({})

    def _generated(self, names: list[str], scope: NamespaceScope) -> list[pulumi.Resource]:
        generator = password_generator(_GENERATOR, scope=scope, parent=self)
        return [
            external_secret(
                generated_secret(name),
                generated_spec(generated_secret(name), _GENERATOR, {"value": "{{ .password }}"}),
                scope=scope,
                parent=self,
                depends_on=[generator],
            )
            for name in names
        ]

    def _managed(
        self,
        secrets: Mapping[str, Secret],
        stack: StackName,
        scope: NamespaceScope,
        platform: PlatformInputs,
    ) -> pulumi.Resource:
        # Its SDK takes a while to import, and most apps have none.
        from infra.kubernetes.secret_reader import SecretReader  # noqa: PLC0415

        names = sorted({stack.managed_secret(str(secret.name)) for secret in secrets.values()})
        readable = SecretReader(
            _MANAGED, _MANAGED, stack.app_secrets_role, "secrets-of-the-app", own_key=True
        ).declare(
            self,
            stack=stack,
            scope=scope,
            secret_arns=pulumi.Output.all(
                platform.region, platform.cluster.oidc_provider_arn
            ).apply(lambda known: [secret_arn(known[0], known[1], name) for name in names]),
            platform=platform,
        )
        return external_secret(
            _MANAGED,
            managed_spec(stack, secrets),
            scope=scope,
            parent=self,
            depends_on=readable,
        )


def secret_arn(region: str, of_account: str, name: str) -> str:
    """Return the ARN of a secret in IAM's syntax: Secrets Manager appends six characters.

    Args:
        region: Region of the secret.
        of_account: Any ARN of the account.
        name: Name of the secret.
    """
    _, partition, _, _, account, _ = of_account.split(":", 5)
    return f"arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????"


def managed_spec(stack: StackName, secrets: Mapping[str, Secret]) -> dict[str, object]:
    """Return the spec of the ExternalSecret with values of Secrets Manager."""
    return {
        "refreshPolicy": "Periodic",
        "refreshInterval": "1h0m0s",
        "secretStoreRef": {"kind": "SecretStore", "name": _MANAGED},
        "target": {"name": _MANAGED, "creationPolicy": "Owner"},
        "data": [
            {
                "secretKey": variable,
                "remoteRef": {"key": stack.managed_secret(str(secret.name))}
                | ({} if secret.property is None else {"property": secret.property}),
            }
            for variable, secret in sorted(secrets.items())
        ],
    }
