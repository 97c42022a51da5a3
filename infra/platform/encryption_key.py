"""A key of KMS that this account alone holds."""

from __future__ import annotations

import pulumi
from pulumi_aws import kms

# The longest that AWS offers: what a deleted key had encrypted is lost with it.
_DELETION_DAYS = 30


class EncryptionKey(pulumi.ComponentResource):
    """A key that AWS renews every year, with a name that people can read.

    Its policy is KMS's own default, which hands the decision to IAM: whoever is to use the key
    needs a permission that names it.

    Attributes:
        arn: The key.
    """

    arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        alias: str,
        purpose: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the key.

        Args:
            name: Pulumi's name of the component.
            alias: AWS's name of the key.
            purpose: What it encrypts, for people.
            opts: Pulumi's options.
        """
        super().__init__("previews:platform:EncryptionKey", name, None, opts)
        key = kms.Key(
            f"{name}-key",
            description=purpose,
            enable_key_rotation=True,
            deletion_window_in_days=_DELETION_DAYS,
            opts=pulumi.ResourceOptions(parent=self),
        )
        kms.Alias(
            f"{name}-alias",
            name=f"alias/{alias}",
            target_key_id=key.id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})
