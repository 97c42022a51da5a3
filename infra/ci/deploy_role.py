"""The roles that CI assumes, one for each GitHub environment.

Each app has ``preview`` and ``staging``. The platform's own app has two more, for a pull request
that changes the program: ``preview-infra-plan``, whose role only reads, and ``preview-infra``,
whose role has the permissions of ``preview`` and whose jobs a person approves.

A job proves by GitHub's token its repository, by name and by number, the branch that its run is of,
the workflow file and reference that its steps are from, and its environment. Each is compared
exactly. Another app's job runs steps of the platform's file, which its workflow calls. The roles'
permissions are in infra/ci/permissions/table.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import iam

from contract.stack_name import PLATFORM_APP, PLATFORM_PROJECT, StackKind, stack_glob
from infra.ci.permissions import infra_changes, table
from infra.ci.permissions.boundaries import data_boundary, preview_boundary
from infra.ci.permissions.grant import Grant, Place, policy
from infra.ci.permissions.shared import STATE_KEY, state_grants
from infra.foundation.registry import database_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contract.stack_name import AppName
    from infra.config.platform import GithubConfig, RepositoryConfig
    from infra.foundation.cluster import Cluster

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"

WORKFLOWS = {
    "preview": ("preview.yml", "preview-destroy.yml", "preview-sweep.yml"),
    "staging": ("staging.yml", "preview-refresh.yml"),
    "preview-infra": ("preview.yml",),
    # Code that nobody has reviewed can ask for a token of any audience: no other job has its name.
    "preview-infra-plan": ("preview-infra-diff.yml",),
}
"""Workflow files that may assume a role, by their GitHub environment."""

PLAN = "preview-infra-plan"
"""Environment whose role only reads: jobs in it execute a program that nobody has reviewed."""

DEPLOYS_CHANGES = "preview-infra"
"""Environment whose jobs deploy a pull request's program, each approved by a person."""

OF_THE_PLATFORM = frozenset({DEPLOYS_CHANGES, PLAN})
"""Environments of the platform's own app alone: no other app has a program."""

_ROLE_NAMES = {PLAN: "plan-preview-infra"}

_TABLES: dict[str, Callable[[AppName, RepositoryConfig], tuple[Grant, ...]]] = {
    "preview": lambda app, config: table.preview_grants(app, restores=config.restores_snapshots),
    "staging": lambda app, _: table.staging_grants(app),
    DEPLOYS_CHANGES: lambda app, config: table.preview_grants(
        app, restores=config.restores_snapshots
    ),
    PLAN: lambda _app, _config: infra_changes.PLAN,
}
_STATE = {
    "preview": (stack_glob(StackKind.PREVIEW),),
    DEPLOYS_CHANGES: (stack_glob(StackKind.PREVIEW),),
    "staging": (stack_glob(StackKind.STAGING), stack_glob(StackKind.DATA)),
}


class DeployRoles(pulumi.ComponentResource):
    """GitHub as an identity provider, and an app's two boundaries and its roles.

    Attributes:
        boundary: ARN of the permissions boundary of previews' roles.
        data_boundary: ARN of the permissions boundary of shared servers' roles.
        arns: ARN of the role of each GitHub environment: ``preview``, or ``orders-preview``.
        provider: ARN of the identity provider.
    """

    boundary: pulumi.Output[str]
    data_boundary: pulumi.Output[str]
    arns: dict[str, pulumi.Output[str]]
    provider: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        app: AppName,
        repository: RepositoryConfig,
        github: GithubConfig,
        provider: pulumi.Output[str] | None,
        cluster: Cluster,
        domain: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            app: App whose names the permissions are for.
            repository: Repository whose workflows may assume the roles.
            github: The state's bucket and key, and the identity provider where it exists.
            provider: ARN of the identity provider, None where this component declares it.
            cluster: Cluster, with its region, account and VPC.
            domain: Domain under which each stack has a name.
        """
        super().__init__("previews:platform:DeployRoles", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._app = app
        self._config = repository
        self._github = github
        self.provider = self._identity_provider() if provider is None else provider

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
                repository=app.project,
                database_repository=database_repository(PLATFORM_PROJECT),
                boundary=boundaries[0],
                data_boundary=boundaries[1],
                state_bucket=github.state_bucket or "",
                state_key=github.state_key or "",
                identity_provider=provider_arn,
                domain=domain,
            )

        known = pulumi.Output.all(
            cluster.region, cluster.oidc_provider_arn, cluster.name, cluster.vpc_id
        )
        boundary = iam.Policy(
            f"{app.prefix}boundary",
            name=f"{app.project}-preview-secrets",
            description="The most that the role of a preview's SecretStore may do",
            policy=known.apply(lambda parts: policy(preview_boundary(app), place(parts))),
            opts=child,
        )
        of_data = iam.Policy(
            f"{app.prefix}data-boundary",
            name=f"{app.project}-data-secrets",
            description="The most that the role of a shared server's SecretStore may do",
            policy=known.apply(lambda parts: policy(data_boundary(app), place(parts))),
            opts=child,
        )
        self.boundary = boundary.arn
        self.data_boundary = of_data.arn
        boundaries = pulumi.Output.all(boundary.arn, of_data.arn)
        self.arns = {
            f"{app.prefix}{environment}": self._role(
                environment,
                pulumi.Output.all(known, boundaries).apply(
                    lambda both, grants=grants: policy(grants, place(both[0], both[1]))
                ),
            )
            for environment, grants in self._tables().items()
        }
        self.register_outputs({"boundary": self.boundary})

    def _tables(self) -> dict[str, tuple[Grant, ...]]:
        """Each environment's grants, with those of the state."""
        return {
            each: (*grants(self._app, self._config), *self._state_grants(each))
            for each, grants in _TABLES.items()
            if self._app.is_platform or each not in OF_THE_PLATFORM
        }

    def _state_grants(self, environment: str) -> tuple[Grant, ...]:
        """Return the grants of the state's key, and of its bucket where it is in one."""
        if environment == PLAN:
            key, bucket = infra_changes.STATE_READ_KEY, infra_changes.STATE_READ
        else:
            key = STATE_KEY
            bucket = state_grants(*_STATE[environment], project=self._app.project)
        return (
            *((key,) if self._github.state_key else ()),
            *(bucket if self._github.state_bucket is not None else ()),
        )

    def _identity_provider(self) -> pulumi.Output[str]:
        if self._github.provider_arn is not None:
            return pulumi.Output.from_input(self._github.provider_arn)
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
        permissions: pulumi.Output[str],
    ) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        app = self._app
        of_github = f"{app.prefix}{environment}"
        role = iam.Role(
            f"deploy-{of_github}",
            name=f"{app.project}-{_ROLE_NAMES.get(environment, f'deploy-{environment}')}",
            description=f"GitHub's environment {of_github} of {self._config.repository}",
            assume_role_policy=self.provider.apply(
                lambda arn: trust_policy(self._config, environment, arn, app, self._github)
            ),
            # As long as the longest job may run.
            max_session_duration=3600,
            opts=child,
        )
        iam.RolePolicy(
            f"deploy-{of_github}-permissions",
            name="permissions",
            role=role.name,
            policy=permissions,
            opts=child,
        )
        return role.arn


def trust_policy(
    config: RepositoryConfig,
    environment: str,
    provider_arn: str,
    app: AppName = PLATFORM_APP,
    platform: GithubConfig | None = None,
) -> str:
    """Return the trust policy of an environment's role; everything is compared in full.

    Several apps may be in one repository: the environment's name carries the app.

    Args:
        config: Repository whose runs may take the role.
        environment: One of `WORKFLOWS`.
        provider_arn: ARN of the identity provider.
        app: App that the role is of.
        platform: Repository of the called workflows; None for the platform's own app.
    """
    source, references = config, (config.branch_ref,)
    if platform is not None and not app.is_platform:
        source, references = platform, platform.callable_references
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": provider_arn},
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": AUDIENCE,
                f"{ISSUER}:sub": f"{config.subject_prefix}:environment:{app.prefix}{environment}",
                f"{ISSUER}:repository_id": config.repository_id,
                # The called file is trusted whoever calls it; the caller only from this branch.
                f"{ISSUER}:ref": config.branch_ref,
                f"{ISSUER}:job_workflow_ref": [
                    f"{source.repository}/.github/workflows/{file}@{reference}"
                    for reference in references
                    for file in WORKFLOWS[environment]
                ],
            }
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)
