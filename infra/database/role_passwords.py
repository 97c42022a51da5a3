"""The passwords of a database's two roles, made up in the cluster.

The External Secrets Operator makes them, once for each namespace, and whoever holds the
master user's password gives them to the roles. So they are in no state and no manifest, and
AWS has no part in them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions

from infra.database.database import APP, MIGRATOR
from infra.kubernetes.external_secret import external_secret

if TYPE_CHECKING:
    from infra.kubernetes.namespace_scope import Home

_GENERATORS_API = "generators.external-secrets.io/v1alpha1"
_GENERATOR = "database-password"


class RolePasswords(pulumi.ComponentResource):
    """Secrets ``database-migrator`` and ``database-app``, each with ``username`` and ``password``.

    Attributes:
        ready: What must be there before a pod can use the Secrets.
        checksum: Changes when the app's Secret is made differently, so that pods are replaced.
    """

    ready: list[pulumi.Resource]
    checksum: str

    def __init__(
        self,
        name: str,
        *,
        home: Home,
        migrator_role: str,
        app_role: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Secrets and the generator that they are made with.

        Args:
            name: Pulumi's name of the component.
            home: Where the Secrets are.
            migrator_role: The role that owns the schema.
            app_role: The role of the service.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:RolePasswords", name, None, opts)
        generator = apiextensions.CustomResource(
            "generator",
            api_version=_GENERATORS_API,
            kind="Password",
            metadata=home.metadata(_GENERATOR),
            # Without symbols no shell, URL or DSN has to escape it; 40 of 62 is 238 bits.
            spec={"length": 40, "digits": 10, "symbols": 0, "noUpper": False, "allowRepeat": True},
            opts=home.goes_with(self),
        )
        self.ready = [
            external_secret(
                secret, password_spec(secret, user), home=home, parent=self, after=[generator]
            )
            for secret, user in ((MIGRATOR, migrator_role), (APP, app_role))
        ]
        app = json.dumps(password_spec(APP, app_role), sort_keys=True)
        self.checksum = hashlib.sha256(app.encode()).hexdigest()[:16]
        self.register_outputs({})


def password_spec(secret: str, user: str) -> dict[str, object]:
    """An ExternalSecret of a random password.

    It is made once: another one would lock out pods that run until the roles are altered too.
    The policy alone does not keep it: the operator looks at the ExternalSecret's status, and
    when the Secret that it made wakes it before its cache has that status, it makes another
    password. An immutable Secret is never given one.
    """
    return {
        "refreshPolicy": "CreatedOnce",
        "target": {
            "name": secret,
            "creationPolicy": "Owner",
            "immutable": True,
            "template": {
                "engineVersion": "v2",
                "data": {"username": user, "password": "{{ .password }}"},
            },
        },
        "dataFrom": [
            {
                "sourceRef": {
                    "generatorRef": {
                        "apiVersion": _GENERATORS_API,
                        "kind": "Password",
                        "name": _GENERATOR,
                    }
                }
            }
        ],
    }
