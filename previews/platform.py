"""What staging says of the platform that previews stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.pulumi.stacks import Stacks

STAGING = "staging"


class Platform(BaseModel):
    """As much of staging's output ``platform`` as the lifecycle needs.

    Attributes:
        region: The AWS region of everything.
        cluster_name: The EKS cluster, and the kubeconfig's context for it.
        load_balancer_group: The group of Ingresses that share one load balancer.
        domain: What previews are named under.
        repository_url: The ECR repository of all images.
        database_instance: Staging's RDS instance, whose snapshots previews are made from.
        bypass_secret_arn: The secret whose value lets a test past the sign-in; empty for none.
        branches_namespace: Where databases are handed out in mode branch; empty for nowhere.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    region: str = Field(min_length=1)
    cluster_name: str = Field(min_length=1)
    load_balancer_group: str
    domain: str = Field(min_length=1)
    repository_url: str
    database_instance: str
    bypass_secret_arn: str = ""
    branches_namespace: str = ""

    @property
    def images(self) -> str:
        """Name of the ECR repository."""
        return self.repository_url.partition("/")[2]


def read_platform(stacks: Stacks) -> Platform:
    """The platform, from staging's outputs.

    Raises:
        PreviewsError: Staging is not up, or of another version of the program.
    """
    published = stacks.outputs(STAGING).get("platform")
    try:
        return Platform.model_validate(published)
    except ValidationError as error:
        lacking = ", ".join(".".join(map(str, e["loc"])) or "all of it" for e in error.errors())
        raise PreviewsError(
            "staging-outputs",
            "output 'platform' of stack staging",
            why=f"it lacks {lacking}",
            remedy="bring staging up from the main branch: `pulumi up -s staging`; without it"
            " nobody knows where to look.",
        ) from error
