"""What staging alone can configure of the load balancer and of its own database."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from infra.config.base import InstanceClass, Model
from infra.config.network import Cidr, SubnetId


class StagingDatabaseConfig(Model):
    """Staging's database (keys ``previews:database``)."""

    instance_class: InstanceClass = Field(
        description="class of the RDS instance",
        examples=["db.t4g.medium"],
    )
    engine_version: str = Field(
        default="17",
        pattern=r"^[0-9]{2}(\.[0-9]{1,2})?$",
        description="PostgreSQL's major version, or major.minor",
        examples=["17"],
    )
    allocated_storage: int = Field(
        default=20, ge=20, le=65536, description="storage in GiB", examples=[20]
    )
    max_allocated_storage: int = Field(
        default=100,
        ge=20,
        le=65536,
        description="storage in GiB up to which RDS grows it by itself",
        examples=[100],
    )
    multi_az: bool = Field(default=False, description="a standby in another zone", examples=[False])
    backup_retention_days: int = Field(
        default=7,
        ge=1,
        le=35,
        description="days for which automated snapshots are kept; previews are restored from them",
        examples=[7],
    )
    deletion_protection: bool = Field(
        default=True, description="whether AWS refuses to delete the instance", examples=[True]
    )
    name: str = Field(
        default="service",
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="name of the database inside the instance",
        examples=["service"],
    )
    master_username: str = Field(
        default="postgres",
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="the master user's name",
        examples=["postgres"],
    )
    ssl_mode: Literal["require", "verify-full"] = Field(
        default="verify-full",
        description="verify-full: encrypt and prove by Amazon's certificates which server answers;"
        " require: encrypt alone",
        examples=["verify-full"],
    )
    subnet_ids: tuple[SubnetId, ...] | None = Field(
        default=None,
        min_length=2,
        description="at least two private subnets in two zones; without it the cluster's",
        examples=[["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]],
    )

    @field_validator("max_allocated_storage")
    @classmethod
    def _not_below_the_start(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("allocated_storage", value):
            msg = "it must be at least allocatedStorage"
            raise ValueError(msg)
        return value


class Listener(Model):
    """Where the load balancer listens (keys ``previews:listener``)."""

    protocol: Literal["HTTP", "HTTPS"] = Field(
        default="HTTPS",
        description="HTTPS, with a certificate found by the host's name; or HTTP",
        examples=["HTTPS"],
    )
    port: int = Field(default=443, ge=1, le=65535, description="the port", examples=[443])


class Controller(StrEnum):
    """Who makes load balancers out of Ingresses."""

    AUTO_MODE = "eks-auto-mode"
    """EKS itself, in a cluster in Auto Mode."""

    AWS = "aws-load-balancer-controller"
    """The open-source controller, installed by somebody."""


class LoadBalancerConfig(Model):
    """The load balancer that all stacks share (keys ``previews:loadBalancer``)."""

    group: str = Field(
        default="previews",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="name of the group of Ingresses that share one load balancer",
        examples=["previews"],
    )
    scheme: Literal["internal", "internet-facing"] = Field(
        default="internal",
        description="whether it is reached from inside the VPC alone or from the internet",
        examples=["internal"],
    )
    ingress_class: str = Field(
        default="alb",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="the IngressClass that is there already; where the program makes one,"
        " it is named after the group",
        examples=["alb"],
    )
    controller: Controller | None = Field(
        default=None,
        description="for which controller an IngressClass is made, eks-auto-mode or"
        " aws-load-balancer-controller; without it that of the cluster that is made,"
        " or none in an existing one",
        examples=["eks-auto-mode"],
    )
    source_cidrs: tuple[Cidr, ...] | None = Field(
        default=None,
        min_length=1,
        description="networks of the load balancer's own addresses; without it the VPC's",
        examples=[["10.0.0.0/20"]],
    )

    @property
    def faces_internet(self) -> bool:
        """Whether it has public addresses."""
        return self.scheme == "internet-facing"
