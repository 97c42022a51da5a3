"""How the External Secrets Operator reads Secrets Manager for one namespace.

A SecretStore of the namespace reads as a service account of it, whose IAM role may read named
secrets and nothing else. The values are in no state and no manifest of this program.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pulumi
from pulumi_aws import iam
from pulumi_kubernetes import apiextensions, core

from contract.stack_name import StackKind, StackName
from infra.kubernetes.external_secret import API, WAIT_UNTIL_READY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
"""Annotation of a service account with the IAM role that its pods assume."""


@dataclass(frozen=True)
class SecretReader:
    """A reader of secrets.

    Attributes:
        store: Name of the SecretStore.
        account: Name of the service account as which the operator reads.
        role: Name of the IAM role that the account assumes.
        reads: The secrets, for the descriptions in IAM, such as ``database-secret``.
        own_key: True where they may be encrypted with a key of the team's own.
    """

    store: str
    account: str
    role: str
    reads: str
    own_key: bool = False

    def declare(
        self,
        parent: pulumi.Resource,
        *,
        stack: StackName,
        scope: NamespaceScope,
        secret_arns: pulumi.Output[Sequence[str]],
        platform: PlatformInputs,
    ) -> list[pulumi.Resource]:
        """Declare role, account and store.

        Args:
            parent: Component that they belong to.
            stack: Stack that the reader is for.
            scope: Its namespace.
            secret_arns: ARNs of the secrets, in the syntax of IAM's policies.
            platform: Region, and identity provider of the cluster's service accounts.

        Returns:
            Resources that an ExternalSecret depends on.
        """
        child = pulumi.ResourceOptions(parent=parent)
        trust = pulumi.Output.all(
            platform.cluster.oidc_provider_arn, platform.cluster.oidc_issuer, scope.name
        ).apply(lambda known: trust_policy(known[0], known[1], known[2], self.account))
        role = iam.Role(
            "reader-role",
            name=self.role,
            description=f"Reads the {self.reads.replace('-', ' ')} of {stack} for External Secrets",
            assume_role_policy=trust,
            permissions_boundary=boundary(stack, platform),
            opts=child,
        )
        permission = iam.RolePolicy(
            "reader-permission",
            name=f"read-{self.reads}",
            role=role.name,
            policy=secret_arns.apply(lambda arns: read_policy(arns, own_key=self.own_key)),
            opts=child,
        )
        account = core.v1.ServiceAccount(
            "reader",
            metadata=scope.metadata(self.account, annotations={ROLE_ANNOTATION: role.arn}),
            automount_service_account_token=False,
            opts=scope.deleted_with_namespace(parent),
        )
        # The store assumes the role as soon as it exists: the permission may be known only later,
        # such as that to read the secret of an instance that RDS has yet to create.
        store = apiextensions.CustomResource(
            "store",
            api_version=API,
            kind="SecretStore",
            metadata=scope.metadata(self.store, annotations=WAIT_UNTIL_READY),
            spec={
                "provider": {
                    "aws": {
                        "service": "SecretsManager",
                        "region": platform.region,
                        "auth": {"jwt": {"serviceAccountRef": {"name": self.account}}},
                    }
                }
            },
            opts=scope.deleted_with_namespace(parent, depends_on=[account]),
        )
        return [store, permission]


def boundary(stack: StackName, platform: PlatformInputs) -> pulumi.Output[str] | None:
    """Return the boundary of a stack's role, which CI must set; staging's has none."""
    boundaries = {
        StackKind.PREVIEW: platform.boundaries.preview,
        StackKind.DATA: platform.boundaries.data,
    }
    if stack.kind not in boundaries:
        return None
    published = pulumi.Output.from_input(boundaries[stack.kind])
    return cast("pulumi.Output[str]", published.apply(lambda arn: arn or None))


def trust_policy(provider_arn: str, issuer: str, namespace: str, account: str) -> str:
    """Return the trust policy for one service account of one namespace."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider_arn},
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": "sts.amazonaws.com",
                f"{issuer}:sub": f"system:serviceaccount:{namespace}:{account}",
            }
        },
    }
    return _policy(statement)


def read_policy(secret_arns: Sequence[str], *, own_key: bool = False) -> str:
    """Return the policy that allows reading some secrets.

    Args:
        secret_arns: ARNs of the secrets, in the syntax of IAM's policies.
        own_key: As in `SecretReader`: Secrets Manager decrypts with the reader's rights then.
    """
    secrets = secret_arns[0] if len(secret_arns) == 1 else [*secret_arns]
    read: dict[str, object] = {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": secrets,
    }
    if not own_key:
        return _policy(read)
    # arn:<partition>:secretsmanager:<region>:<account>:secret:<name>
    _, partition, service, region, account, *_ = secret_arns[0].split(":")
    decrypt: dict[str, object] = {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": f"arn:{partition}:kms:{region}:{account}:key/*",
        "Condition": {
            "StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:SecretARN": secrets},
        },
    }
    return _policy(read, decrypt)


def _policy(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]}, sort_keys=True)
