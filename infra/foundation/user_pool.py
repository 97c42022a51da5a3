"""A user pool of Cognito, whose members may sign in to previews."""

from __future__ import annotations

import pulumi
from pulumi_aws import cognito


class UserPool(pulumi.ComponentResource):
    """A user pool without self-registration, with its sign-in page.

    Members of a company's directory sign in by an identity provider of the pool (OIDC or SAML),
    which its administrator adds.

    Attributes:
        arn: ARN of the pool.
        domain: Prefix of its domain.
    """

    arn: pulumi.Output[str]
    domain: pulumi.Output[str]

    def __init__(
        self, name: str, *, domain: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the pool.

        Args:
            domain: Prefix of its domain, and its name.
        """
        super().__init__("previews:platform:UserPool", name, None, opts)
        pool = cognito.UserPool(
            "people",
            name=domain,
            username_attributes=["email"],
            auto_verified_attributes=["email"],
            admin_create_user_config=cognito.UserPoolAdminCreateUserConfigArgs(
                allow_admin_create_user_only=True
            ),
            password_policy=cognito.UserPoolPasswordPolicyArgs(
                minimum_length=14, temporary_password_validity_days=3
            ),
            mfa_configuration="OPTIONAL",
            software_token_mfa_configuration=cognito.UserPoolSoftwareTokenMfaConfigurationArgs(
                enabled=True
            ),
            deletion_protection="ACTIVE",
            opts=pulumi.ResourceOptions(parent=self),
        )
        page = cognito.UserPoolDomain(
            "sign-in-page",
            domain=domain,
            user_pool_id=pool.id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = pool.arn
        self.domain = page.domain
        self.register_outputs({"arn": self.arn})
