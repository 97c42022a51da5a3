"""The roles that CI assumes, one for each of the GitHub environments ``preview`` and ``staging``.

A job proves by GitHub's token its repository, by name and by number, the workflow file and branch
that it runs, and its environment. Each is compared exactly. The roles' permissions are in
infra/ci/permissions/table.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import iam

from contract.stack_name import StackKind, stack_glob
from infra.ci.permissions.grant import Grant, Place, policy
from infra.ci.permissions.shared import STATE_KEY, state_grants
from infra.ci.permissions.table import (
    BOUNDARY,
    DATA_BOUNDARY,
    PREVIEW,
    STAGING_DEPLOYMENT,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.platform import GithubConfig
    from infra.foundation.cluster import Cluster

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"

WORKFLOWS = {
    "preview": ("preview.yml", "preview-destroy.yml", "preview-sweep.yml"),
    "staging": ("staging.yml", "preview-refresh.yml"),
}
"""Workflow files that may assume a role, by their GitHub environment."""

_TABLES: dict[str, tuple[Grant, ...]] = {"preview": PREVIEW, "staging": STAGING_DEPLOYMENT}
_STATE = {
    "preview": (stack_glob(StackKind.PREVIEW),),
    "staging": (stack_glob(StackKind.STAGING), stack_glob(StackKind.DATA)),
}


class DeployRoles(pulumi.ComponentResource):
    """GitHub as an identity provider, two boundaries, and two roles.

    Attributes:
        boundary: ARN of the permissions boundary of previews' roles.
        data_boundary: ARN of the permissions boundary of shared servers' roles.
        arns: ARN of the role of each GitHub environment.
    """

    boundary: pulumi.Output[str]
    data_boundary: pulumi.Output[str]
    arns: dict[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        config: GithubConfig,
        project: str,
        cluster: Cluster,
        repository: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            config: Repository whose workflows may assume the roles.
            project: Project that the roles are named after.
            cluster: Cluster, with its region, account and VPC.
            repository: Name of the ECR repository.
        """
        super().__init__("previews:platform:DeployRoles", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._config = config
        provider = self._identity_provider()

        def place(parts: Sequence[str], boundaries: Sequence[str] = ("", "")) -> Place:
            region, provider_arn, cluster_name, vpc = parts
            # arn:<partition>:iam::<account>:oidc-provider/<issuer>
            _, partition, _, _, account, *_ = provider_arn.split(":")
            return Place(
                partition=partition,
                region=region,
                account=account,
                cluster=cluster_name,
                vpc=vpc,
                repository=repository,
                boundary=boundaries[0],
                data_boundary=boundaries[1],
                state_bucket=config.state_bucket or "",
                state_key=config.state_key or "",
            )

        known = pulumi.Output.all(
            cluster.region, cluster.oidc_provider_arn, cluster.name, cluster.vpc_id
        )
        boundary = iam.Policy(
            "boundary",
            name=f"{project}-preview-secrets",
            description="The most that the role of a preview's SecretStore may do",
            policy=known.apply(lambda parts: policy(BOUNDARY, place(parts))),
            opts=child,
        )
        data_boundary = iam.Policy(
            "data-boundary",
            name=f"{project}-data-secrets",
            description="The most that the role of a shared server's SecretStore may do",
            policy=known.apply(lambda parts: policy(DATA_BOUNDARY, place(parts))),
            opts=child,
        )
        self.boundary = boundary.arn
        self.data_boundary = data_boundary.arn
        boundaries = pulumi.Output.all(boundary.arn, data_boundary.arn)
        self.arns = {
            environment: self._role(
                environment,
                project,
                provider,
                pulumi.Output.all(known, boundaries).apply(
                    lambda both, grants=grants: policy(grants, place(both[0], both[1]))
                ),
            )
            for environment, grants in self._tables().items()
        }
        self.register_outputs({"boundary": self.boundary})

    def _tables(self) -> dict[str, tuple[Grant, ...]]:
        """Each environment's grants, with those of the state where it is in a bucket."""
        key = (STATE_KEY,) if self._config.state_key else ()
        if self._config.state_bucket is None:
            return {environment: (*grants, *key) for environment, grants in _TABLES.items()}
        return {
            environment: (*grants, *key, *state_grants(*_STATE[environment]))
            for environment, grants in _TABLES.items()
        }

    def _identity_provider(self) -> pulumi.Output[str]:
        if self._config.provider_arn is not None:
            return pulumi.Output.from_input(self._config.provider_arn)
        provider = iam.OpenIdConnectProvider(
            "github",
            url=f"https://{ISSUER}",
            client_id_lists=[AUDIENCE],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return provider.arn

    def _role(
        self,
        environment: str,
        project: str,
        provider: pulumi.Output[str],
        permissions: pulumi.Output[str],
    ) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"deploy-{environment}",
            name=f"{project}-deploy-{environment}",
            description=f"GitHub's environment {environment} of {self._config.repository}",
            assume_role_policy=provider.apply(
                lambda arn: trust_policy(self._config, environment, arn)
            ),
            # As long as the longest job may run.
            max_session_duration=3600,
            opts=child,
        )
        iam.RolePolicy(
            f"deploy-{environment}-permissions",
            name="permissions",
            role=role.name,
            policy=permissions,
            opts=child,
        )
        return role.arn


def trust_policy(config: GithubConfig, environment: str, provider_arn: str) -> str:
    """Return the trust policy of an environment's role; everything is compared in full."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider_arn},
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": AUDIENCE,
                f"{ISSUER}:sub": f"{config.subject_prefix}:environment:{environment}",
                f"{ISSUER}:repository_id": config.repository_id,
                f"{ISSUER}:job_workflow_ref": [
                    f"{config.repository}/.github/workflows/{file}@refs/heads/{config.branch}"
                    for file in WORKFLOWS[environment]
                ],
            }
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
