"""How a stack's pods get at their database's passwords, without this program seeing one.

The master user's comes from Secrets Manager through a SecretStore of the namespace's own,
whose IAM role may read that one secret. The other two are made up in the cluster by the
External Secrets Operator, and the prepare Job gives them to the roles. So no password is in
Pulumi's state, in a manifest or in AWS's hands but the master user's.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import iam
from pulumi_kubernetes import apiextensions, core

from infra.components.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.components.database import Database
    from infra.components.home import Home
    from infra.platform_facts import PlatformFacts
    from infra.stack_name import StackName

READER = "external-secrets"
"""The service account as which the operator reads Secrets Manager for this namespace."""

MASTER = "database-master"
MIGRATOR = "database-migrator"
APP = "database-app"

_API = "external-secrets.io/v1"
_GENERATORS_API = "generators.external-secrets.io/v1alpha1"
_GENERATOR = "database-password"
_STORE = "aws"
_READY = {
    "pulumi.com/waitFor": "condition=Ready",
    TIMEOUT: "180",
}


class DatabaseSecrets(pulumi.ComponentResource):
    """Secrets ``database-master``, ``database-migrator`` and ``database-app``.

    Each holds ``username`` and ``password``.

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
        stack: StackName,
        home: Home,
        database: Database,
        platform: PlatformFacts,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Secrets and what they are made from.

        Args:
            name: Pulumi's name of the component.
            stack: Whose names the resources get.
            home: Where the Secrets are.
            database: Whose master secret is read, and whose roles get passwords.
            platform: The region, and who vouches for the cluster's service accounts.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:DatabaseSecrets", name, None, opts)
        self._stack = stack
        self._home = home
        role, permission = self._role(database, platform)
        reader = self._reader(role)
        store = self._store(platform, after=[reader, permission])
        generator = self._generator()
        roles = {MIGRATOR: database.migrator_role, APP: database.app_role}
        self.ready = [
            self._external_secret(MASTER, master_spec(database.master_secret_arn), after=[store]),
            *(
                self._external_secret(secret, password_spec(secret, user), after=[generator])
                for secret, user in roles.items()
            ),
        ]
        app = json.dumps(password_spec(APP, database.app_role), sort_keys=True)
        self.checksum = hashlib.sha256(app.encode()).hexdigest()[:16]
        self.register_outputs({})

    def _role(self, database: Database, platform: PlatformFacts) -> tuple[iam.Role, iam.RolePolicy]:
        """An IAM role that only this namespace's reader can take, for one secret."""
        trust = pulumi.Output.all(platform.oidc_provider_arn, platform.oidc_issuer).apply(
            lambda oidc: trust_policy(oidc[0], oidc[1], self._stack.namespace)
        )
        role = iam.Role(
            "reader-role",
            name=self._stack.secrets_role,
            description=f"Reads the database secret of {self._stack} for External Secrets",
            assume_role_policy=trust,
            opts=pulumi.ResourceOptions(parent=self),
        )
        permission = iam.RolePolicy(
            "reader-permission",
            name="read-database-secret",
            role=role.name,
            policy=database.master_secret_arn.apply(read_policy),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return role, permission

    def _reader(self, role: iam.Role) -> core.v1.ServiceAccount:
        return core.v1.ServiceAccount(
            "reader",
            metadata=self._home.metadata(
                READER, annotations={"eks.amazonaws.com/role-arn": role.arn}
            ),
            automount_service_account_token=False,
            opts=self._home.goes_with(self),
        )

    def _store(
        self, platform: PlatformFacts, *, after: list[pulumi.Resource]
    ) -> apiextensions.CustomResource:
        return apiextensions.CustomResource(
            "store",
            api_version=_API,
            kind="SecretStore",
            metadata=self._home.metadata(_STORE, annotations=_READY),
            spec={
                "provider": {
                    "aws": {
                        "service": "SecretsManager",
                        "region": platform.region,
                        "auth": {"jwt": {"serviceAccountRef": {"name": READER}}},
                    }
                }
            },
            opts=self._home.goes_with(self, after=after),
        )

    def _generator(self) -> apiextensions.CustomResource:
        return apiextensions.CustomResource(
            "generator",
            api_version=_GENERATORS_API,
            kind="Password",
            metadata=self._home.metadata(_GENERATOR),
            # Without symbols no shell, URL or DSN has to escape it; 40 of 62 is 238 bits.
            spec={"length": 40, "digits": 10, "symbols": 0, "noUpper": False, "allowRepeat": True},
            opts=self._home.goes_with(self),
        )

    def _external_secret(
        self, name: str, spec: dict[str, object], *, after: list[apiextensions.CustomResource]
    ) -> apiextensions.CustomResource:
        return apiextensions.CustomResource(
            name,
            api_version=_API,
            kind="ExternalSecret",
            metadata=self._home.metadata(name, annotations=_READY),
            spec=spec,
            opts=self._home.goes_with(self, after=after),
        )


def master_spec(secret_arn: pulumi.Input[str]) -> dict[str, object]:
    """An ExternalSecret of a master secret that RDS manages; RDS rotates it every week."""
    return {
        "refreshPolicy": "Periodic",
        "refreshInterval": "1h0m0s",
        "secretStoreRef": {"kind": "SecretStore", "name": _STORE},
        "target": {"name": MASTER, "creationPolicy": "Owner"},
        "data": [
            {"secretKey": key, "remoteRef": {"key": secret_arn, "property": key}}
            for key in ("username", "password")
        ],
    }


def password_spec(secret: str, user: str) -> dict[str, object]:
    """An ExternalSecret of a random password.

    It is made once: another one would lock out pods that run until the roles are altered too.
    """
    return {
        "refreshPolicy": "CreatedOnce",
        "target": {
            "name": secret,
            "creationPolicy": "Owner",
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


def trust_policy(provider_arn: str, issuer: str, namespace: str) -> str:
    """Who may take the role: one service account of one namespace, by its own token."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider_arn},
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": f"system:serviceaccount:{namespace}:{READER}",
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
