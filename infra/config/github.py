"""What can be configured of GitHub, whose workflows bring stacks up."""

from __future__ import annotations

from pydantic import Field

from infra.config.base import Model


class GithubConfig(Model):
    """The repository whose workflows may act (keys ``previews:github``)."""

    repository: str = Field(
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="owner/name of the repository whose workflows may act",
        examples=["acme/orders"],
    )
    repository_id: str = Field(
        pattern=r"^[1-9][0-9]*$",
        description="its number, which another repository of the same name would not have:"
        " `gh api repos/OWNER/NAME --jq .id`",
        examples=["123456789"],
    )
    subject_prefix: str = Field(
        pattern=r"^repo:[\w.-]+(@[0-9]+)?/[\w.-]+(@[0-9]+)?$",
        description="how GitHub names it in its tokens; newer repositories' have numbers:"
        " `gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix`",
        examples=["repo:acme@1234/orders@123456789"],
    )
    branch: str = Field(
        default="main",
        pattern=r"^[\w./-]+$",
        description="the branch whose workflow files may act",
        examples=["main"],
    )
    provider_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/token\.actions\.githubusercontent\.com$",
        description="the account's identity provider for GitHub, of which there can be one;"
        " without it the program makes it",
        examples=["arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"],
    )
    state_bucket: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="the S3 bucket that holds Pulumi's state, where one does",
        examples=["acme-pulumi-state"],
    )
    state_key: str | None = Field(
        default=None,
        pattern=r"^alias/[\w/-]+$",
        description="the alias of the KMS key that encrypts the secrets in that state",
        examples=["alias/pulumi-state"],
    )
