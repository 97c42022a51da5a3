"""A KMS key of this account."""

from __future__ import annotations

import pulumi
from pulumi_aws import kms

# The longest that AWS offers: data that a deleted key had encrypted is lost.
_DELETION_DAYS = 30


class EncryptionKey(pulumi.ComponentResource):
    """A key that AWS rotates every year, with a readable alias.

    Its policy is KMS's default, which delegates to IAM: a user of the key needs a permission that
    names it.

    Attributes:
        arn: ARN of the key.
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
            alias: Alias of the key.
            purpose: Description of the data that it encrypts.
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
