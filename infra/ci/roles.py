"""What CI is let do, in AWS and in the cluster, where it is said whose CI it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi

from infra.ci.cluster_access import CiAccess
from infra.ci.deploy_role import DeployRoles
from infra.config.access import SignIn

if TYPE_CHECKING:
    from infra.config.models import PlatformConfig
    from infra.platform.cluster_foundation import Ground
    from infra.platform.shared_ingress import Entrance


@dataclass(frozen=True)
class CiRoles:
    """The roles that CI takes.

    Attributes:
        boundary: ARN of the boundary of previews' own roles; empty without CI.
        data_boundary: The same of shared servers' roles.
        arns: ARN of each of GitHub's environments' role; none without CI.
    """

    boundary: pulumi.Input[str] = ""
    data_boundary: pulumi.Input[str] = ""
    arns: Mapping[str, pulumi.Output[str]] = field(default_factory=dict[str, pulumi.Output[str]])


def ci(config: PlatformConfig, ground: Ground, entrance: Entrance) -> CiRoles:
    """The roles that the configuration asks for, with what they may do."""
    if config.github is None:
        return CiRoles()
    roles = DeployRoles(
        "deploy-roles",
        config=config.github,
        project=pulumi.get_project(),
        cluster=ground.cluster,
        repository=pulumi.get_project(),
    )
    if config.cluster.create:
        CiAccess(
            "ci-access",
            cluster=ground.cluster.name,
            roles=roles.arns,
            opts=pulumi.ResourceOptions(providers=[ground.provider]),
        )
    if config.access.sign_in is SignIn.COGNITO:
        from infra.ci.sign_in_permissions import SignInPermissions  # noqa: PLC0415

        SignInPermissions(
            "sign-in-permissions", roles=roles.arns, user_pool_arn=entrance.user_pool_arn
        )
    return CiRoles(roles.boundary, roles.data_boundary, roles.arns)
