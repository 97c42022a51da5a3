"""Configuration that only staging has: load balancer, database, shared servers, budget, GitHub."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from contract.bounds import BOUNDS
from contract.stack_name import AppName, StackKind
from infra.config.base import InstanceClass, Model, bounded_class
from infra.config.cluster import Cidr, SubnetId


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
        default=20,
        ge=20,
        le=BOUNDS[StackKind.STAGING].storage,
        description="storage in GiB",
        examples=[20],
    )
    max_allocated_storage: int = Field(
        default=100,
        ge=20,
        le=BOUNDS[StackKind.STAGING].storage,
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
        default=True, description="true for AWS to refuse to delete the instance", examples=[True]
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

    @field_validator("instance_class")
    @classmethod
    def _is_within_the_bounds(cls, value: str) -> str:
        return bounded_class(value, StackKind.STAGING)

    @field_validator("max_allocated_storage")
    @classmethod
    def _not_below_the_start(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("allocated_storage", value):
            msg = "it must be at least allocatedStorage"
            raise ValueError(msg)
        return value


class Listener(Model):
    """Listener of the load balancer (keys ``previews:listener``)."""

    protocol: Literal["HTTP", "HTTPS"] = Field(
        default="HTTPS",
        description="HTTPS, with a certificate found by the host's name; or HTTP",
        examples=["HTTPS"],
    )
    port: int = Field(default=443, ge=1, le=65535, description="the port", examples=[443])


class Controller(StrEnum):
    """Controller that creates load balancers for Ingresses."""

    AUTO_MODE = "eks-auto-mode"
    """EKS itself, in a cluster in Auto Mode."""

    AWS = "aws-load-balancer-controller"
    """The open-source controller, installed by the cluster's owner."""


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
        description="internal: reached only from inside the VPC; internet-facing: from anywhere",
        examples=["internal"],
    )
    ingress_class: str = Field(
        default="alb",
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="the IngressClass that is there already; where the program creates one,"
        " it is named after the group",
        examples=["alb"],
    )
    controller: Controller | None = Field(
        default=None,
        description="for which controller an IngressClass is created, eks-auto-mode or"
        " aws-load-balancer-controller; without it that of the cluster that is created,"
        " or none in an existing one",
        examples=["eks-auto-mode"],
    )
    source_cidrs: tuple[Cidr, ...] | None = Field(
        default=None,
        min_length=1,
        description="networks of the load balancer's own addresses; without it the VPC's",
        examples=[["10.0.0.0/20"]],
    )

    idle_timeout_seconds: int = Field(
        default=60,
        ge=1,
        le=4000,
        description="longest silence of a connection in seconds, for streams and long polls",
        examples=[300],
    )

    @property
    def faces_internet(self) -> bool:
        """True if it has public addresses."""
        return self.scheme == "internet-facing"


# Previews whose program is of an older version divide by the pods of a service alone: two, and
# what comes on top while they are replaced.
_PODS = 4


class BranchesConfig(Model):
    """Shared servers (keys ``previews:branches``)."""

    enabled: bool = Field(
        default=False,
        description="true to provide databases in mode branch",
        examples=[True],
    )
    instance_class: InstanceClass = Field(
        default="db.t4g.medium",
        description="class of the RDS instance that previews share",
        examples=["db.t4g.medium"],
    )
    app_connections: int = Field(
        default=12,
        ge=4,
        le=200,
        description="most connections of one preview's pods together",
        examples=[12],
    )
    spares: int = Field(
        default=2,
        ge=0,
        le=10,
        description="clones created in advance, of a template above sparesAboveMib",
        examples=[2],
    )
    spares_above_mib: int = Field(
        default=2048,
        ge=0,
        description="size of the template in MiB from which on clones are created in advance",
        examples=[2048],
    )

    @field_validator("instance_class")
    @classmethod
    def _is_within_the_bounds(cls, value: str) -> str:
        return bounded_class(value, StackKind.DATA)

    @property
    def pool_size(self) -> int:
        """Connections of one pod of a preview whose program is of an older version."""
        return self.app_connections // _PODS


class BudgetConfig(Model):
    """A cost alert (keys ``previews:budget``)."""

    monthly_usd: int | None = Field(
        default=None,
        ge=1,
        description="expected cost of all previews together in a month, in dollars;"
        " without it there is no budget",
        examples=[300],
    )
    emails: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")], ...] = Field(
        default=(),
        max_length=10,
        description="with monthlyUsd: who is alerted at 80 % of it, and when a month is going to"
        " exceed it",
        examples=[["platform@example.com"]],
        validate_default=True,
    )

    @field_validator("emails")
    @classmethod
    def _alert_somebody(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not value and info.data.get("monthly_usd") is not None:
            msg = "a budget alerts somebody: name at least one"
            raise ValueError(msg)
        return value


_COPY = r"^[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64}$"


class NeedsConfig(Model):
    """Images of the servers that apps need (keys ``previews:needs``)."""

    redis_image: str | None = Field(
        default=None,
        pattern=_COPY,
        description="a copy of Redis' image, by digest, or another that has `redis-server`, such"
        " as Valkey's; without it the published one",
        examples=["123456789012.dkr.ecr.eu-west-1.amazonaws.com/redis@sha256:" + 64 * "0"],
    )
    mail_image: str | None = Field(
        default=None,
        pattern=_COPY,
        description="a copy of Mailpit's image, by digest; without it the published one",
        examples=["123456789012.dkr.ecr.eu-west-1.amazonaws.com/mailpit@sha256:" + 64 * "0"],
    )


# Never a commit: GitHub finds that of any fork under the repository's own name.
Reference = Annotated[str, Field(pattern=r"^refs/(heads|tags)/[\w./-]+$")]


class RepositoryConfig(Model):
    """A repository whose workflows may act."""

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

    restores_snapshots: bool = Field(
        default=True,
        description="false where previews have databases in mode branch alone: CI's role of"
        " previews then restores no snapshot",
        examples=[False],
    )

    @property
    def branch_ref(self) -> str:
        """Full name of the branch."""
        return f"refs/heads/{self.branch}"


class GithubConfig(RepositoryConfig):
    """The repository of the platform and its own app (keys ``previews:github``)."""

    references: tuple[Reference, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="protected branches and tags, in full, at which other apps' workflows may call"
        " the platform's; without them the branch",
        examples=[["refs/heads/main", "refs/tags/v1"]],
    )
    provider_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/token\.actions\.githubusercontent\.com$",
        description="the account's identity provider for GitHub, of which there can be one;"
        " without it the program creates it",
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

    @property
    def callable_references(self) -> tuple[str, ...]:
        """References at which other apps' workflows may call the platform's."""
        return self.references or (self.branch_ref,)


class AppConfig(RepositoryConfig):
    """Another app on the platform (keys ``previews:apps``)."""

    name: str = Field(
        description="the app's name, as in its preview.yaml",
        examples=["orders"],
    )

    monthly_usd: int | None = Field(
        default=None,
        ge=1,
        description="expected cost of the app in a month, in dollars, its staging included; the"
        " platform's budget.emails are alerted; without it there is no budget",
        examples=[300],
    )

    @field_validator("name")
    @classmethod
    def _is_an_apps(cls, value: str) -> str:
        AppName.parse(value)
        return value

    @property
    def app(self) -> AppName:
        """The app's name, checked."""
        return AppName(self.name)
