"""CI's permissions in AWS and in the cluster, where the configuration names its repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import iam

from contract.stack_name import PLATFORM_APP
from infra.ci.admission import Limits
from infra.ci.cluster_access import AppAccess, CiAccess
from infra.ci.deploy_role import DEPLOYS_CHANGES, PLAN, DeployRoles
from infra.ci.permissions.grant import Place, policy
from infra.ci.permissions.shared import sign_in_grants
from infra.ci.plan_access import PlanAccess
from infra.config.access import SignIn

if TYPE_CHECKING:
    from infra.config.models import PlatformConfig
    from infra.foundation.cluster_foundation import ClusterFoundation
    from infra.foundation.shared_ingress import SharedIngress


@dataclass(frozen=True)
class CiRoles:
    """The roles that CI assumes.

    Attributes:
        boundary: ARN of the boundary of previews' own roles; empty without CI.
        data_boundary: ARN of the boundary of shared servers' roles; empty without CI.
        arns: ARN of the role of each GitHub environment; empty without CI.
        apps: Boundaries of each other app, by its name, as staging publishes them.
    """

    boundary: pulumi.Input[str] = ""
    data_boundary: pulumi.Input[str] = ""
    arns: Mapping[str, pulumi.Output[str]] = field(default_factory=dict[str, pulumi.Output[str]])
    apps: Mapping[str, Mapping[str, pulumi.Input[str]]] = field(
        default_factory=dict[str, Mapping[str, pulumi.Input[str]]]
    )


def ci_roles(
    config: PlatformConfig, foundation: ClusterFoundation, ingress: SharedIngress
) -> CiRoles:
    """Declare the configured roles with their permissions."""
    if config.github is None:
        return CiRoles()
    own = DeployRoles(
        "deploy-roles",
        app=PLATFORM_APP,
        repository=config.github,
        github=config.github,
        provider=None,
        cluster=foundation.cluster,
        domain=config.domain,
    )
    others = {
        entry.app: DeployRoles(
            f"deploy-roles-{entry.name}",
            app=entry.app,
            repository=entry,
            github=config.github,
            provider=own.provider,
            cluster=foundation.cluster,
            domain=config.domain,
        )
        for entry in config.apps
    }
    arns = {key: arn for roles in (own, *others.values()) for key, arn in roles.arns.items()}
    if config.cluster.create:
        access = CiAccess(
            "ci-access",
            cluster=foundation.cluster.name,
            roles=own.arns,
            limits=cluster_limits(config, foundation, ingress),
            opts=pulumi.ResourceOptions(providers=[foundation.provider]),
        )
        PlanAccess(
            "ci-plan-access",
            cluster=foundation.cluster.name,
            compares=own.arns[PLAN],
            deploys=own.arns[DEPLOYS_CHANGES],
            depends_on=access.bounds,
            opts=pulumi.ResourceOptions(providers=[foundation.provider]),
        )
        for app, roles in others.items():
            AppAccess(
                f"ci-access-{app}",
                app=app,
                cluster=foundation.cluster.name,
                roles=roles.arns,
                depends_on=access.bounds,
                opts=pulumi.ResourceOptions(providers=[foundation.provider]),
            )
    if config.access.sign_in is SignIn.COGNITO:
        changing = {environment: arn for environment, arn in arns.items() if environment != PLAN}
        SignInPermissions(
            "sign-in-permissions", roles=changing, user_pool_arn=ingress.user_pool_arn
        )
    return CiRoles(
        own.boundary,
        own.data_boundary,
        arns,
        {
            str(app): {"preview": roles.boundary, "data": roles.data_boundary}
            for app, roles in others.items()
        },
    )


def cluster_limits(
    config: PlatformConfig, foundation: ClusterFoundation, ingress: SharedIngress
) -> pulumi.Output[Limits]:
    """Return the properties of the platform that objects of CI's roles may refer to."""
    sources = config.load_balancer.source_cidrs or foundation.cluster.vpc_cidrs
    return pulumi.Output.all(ingress.user_pool_arn, ingress.user_pool_domain).apply(
        lambda pool: Limits(
            domain=config.domain,
            ingress_class=ingress.class_name,
            listener=config.listener,
            shared=ingress.annotations,
            user_pool_arn=pool[0],
            user_pool_domain=pool[1],
            bypass=config.access.bypass_secret_arn is not None,
            sources=[*sources],
            services=[*foundation.cluster.service_cidrs],
            databases=[*foundation.database_cidrs],
        )
    )


class SignInPermissions(pulumi.ComponentResource):
    """A separate policy of each role, so that roles have it only where people sign in."""

    def __init__(
        self,
        name: str,
        *,
        roles: Mapping[str, pulumi.Input[str]],
        user_pool_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the policies.

        Args:
            roles: ARN of the role of each GitHub environment.
            user_pool_arn: ARN of the user pool.
        """
        super().__init__("previews:platform:SignInPermissions", name, None, opts)
        document = pulumi.Output.from_input(user_pool_arn).apply(sign_in_policy)
        for environment, role in roles.items():
            iam.RolePolicy(
                f"sign-in-{environment}",
                name="sign-in",
                role=pulumi.Output.from_input(role).apply(lambda arn: arn.rpartition("/")[2]),
                policy=document,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def sign_in_policy(user_pool_arn: str) -> str:
    """Return the policy, for the pool's region and account."""
    # arn:<partition>:cognito-idp:<region>:<account>:userpool/<id>
    _, partition, _, region, account, _ = user_pool_arn.split(":")
    place = Place(
        partition=partition,
        region=region,
        account=account,
        cluster="",
        vpc="",
        repository="",
        database_repository="",
        boundary="",
    )
    return policy(sign_in_grants(user_pool_arn), place)
