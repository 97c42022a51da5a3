"""The passwords of a database's two roles, generated in the cluster.

The External Secrets Operator generates them once for each namespace, and the Job or controller
with the master user's password sets them on the roles. So they are in no state and no manifest,
and AWS is not involved.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pulumi

from contract.kubernetes import APP_SECRET, MIGRATOR_SECRET
from infra.kubernetes.external_secret import (
    external_secret,
    generated_spec,
    password_generator,
)

if TYPE_CHECKING:
    from infra.kubernetes.namespace_scope import NamespaceScope

_GENERATOR = "database-password"


class RolePasswords(pulumi.ComponentResource):
    """Secrets ``database-migrator`` and ``database-app``, each with ``username`` and ``password``.

    Attributes:
        ready: Resources that users of the Secrets depend on.
        checksum: Hash of the definition of the app's Secret; pods are replaced when it changes.
    """

    ready: list[pulumi.Resource]
    checksum: str

    def __init__(
        self,
        name: str,
        *,
        scope: NamespaceScope,
        migrator_role: str,
        app_role: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Secrets and the generator that they are made with.

        Args:
            scope: Namespace of the Secrets.
            migrator_role: Role that owns the schema.
            app_role: Role of the service.
        """
        super().__init__("previews:service:RolePasswords", name, None, opts)
        generator = password_generator(_GENERATOR, scope=scope, parent=self)
        self.ready = [
            external_secret(
                secret,
                password_spec(secret, user),
                scope=scope,
                parent=self,
                depends_on=[generator],
            )
            for secret, user in ((MIGRATOR_SECRET, migrator_role), (APP_SECRET, app_role))
        ]
        app = json.dumps(password_spec(APP_SECRET, app_role), sort_keys=True)
        self.checksum = hashlib.sha256(app.encode()).hexdigest()[:16]
        self.register_outputs({})


def password_spec(secret: str, user: str) -> dict[str, object]:
    """Return the spec of an ExternalSecret with a role's login."""
    return generated_spec(secret, _GENERATOR, {"username": user, "password": "{{ .password }}"})
