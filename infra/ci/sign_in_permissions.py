"""What CI's roles may do besides, where people sign in to previews."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import iam

from infra.ci.permissions.grant import Place, policy
from infra.ci.permissions.sign_in import sign_in_grants

if TYPE_CHECKING:
    from collections.abc import Mapping


class SignInPermissions(pulumi.ComponentResource):
    """A policy of each role's own, so that roles have it only where people sign in."""

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
            name: Pulumi's name of the component.
            roles: ARN of the role of each of GitHub's environments.
            user_pool_arn: The user pool.
            opts: Pulumi's options.
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
    """The policy, in the pool's own region and account."""
    # arn:<partition>:cognito-idp:<region>:<account>:userpool/<id>
    _, partition, _, region, account, _ = user_pool_arn.split(":")
    place = Place(
        partition=partition,
        region=region,
        account=account,
        cluster="",
        vpc="",
        repository="",
        boundary="",
    )
    return policy(sign_in_grants(user_pool_arn), place)
