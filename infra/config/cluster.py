"""What can be configured of the cluster that previews run on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from infra.config.base import Model
from infra.config.network import Cidr

PrincipalArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+$")
]


class ClusterConfig(Model):
    """The cluster that previews run on (keys ``previews:cluster``)."""

    name: str = Field(
        pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$",
        description="name of the EKS cluster, and of the kubeconfig's context for it",
        examples=["previews"],
    )
    create: bool = Field(
        default=False,
        description="whether the program makes the cluster, in EKS Auto Mode;"
        " without it the existing one of that name is used",
        examples=[True],
    )
    api_cidrs: tuple[Cidr, ...] | None = Field(
        default=None,
        min_length=1,
        description="with create: networks from which the Kubernetes API can be reached,"
        " those of your people and of CI",
        examples=[["203.0.113.0/24"]],
        validate_default=True,
    )
    admins: tuple[PrincipalArn, ...] = Field(
        default=(),
        description="with create: IAM roles and users that administer the cluster,"
        " besides whoever makes it",
        examples=[["arn:aws:iam::123456789012:role/platform"]],
    )
    max_cpus: int = Field(
        default=32,
        ge=4,
        le=10000,
        description="with create: most CPUs of all nodes of previews together",
        examples=[32],
    )
    external_secrets_image: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64}$",
        description="with create: a copy of External Secrets' image, by digest, where nodes reach"
        " AWS alone",
        examples=["123456789012.dkr.ecr.eu-west-1.amazonaws.com/eso@sha256:" + 64 * "0"],
    )
    deletion_protection: bool = Field(
        default=True,
        description="with create: whether AWS refuses to delete the cluster",
        examples=[True],
    )

    @field_validator("api_cidrs")
    @classmethod
    def _are_given_for_a_new_cluster(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if value is None and info.data.get("create"):
            msg = "it must be set where the cluster is made: nothing is reachable by default"
            raise ValueError(msg)
        return value
