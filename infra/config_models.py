"""What can be configured, key by key: shapes, bounds and what to write when one is wrong.

Every field has a description and an example; error messages and docs/configuration.md are
made of them. The names in YAML are camelCase, as Pulumi's own are.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DRAIN_SECONDS = 5
"""What a pod is given after its preStop to end the requests under way."""

_CPU = r"^([1-9][0-9]*m|[1-9][0-9]*)$"
_MEMORY = r"^[1-9][0-9]*Mi$"

Cpu = Annotated[str, Field(pattern=_CPU)]
Memory = Annotated[str, Field(pattern=_MEMORY)]
Cidr = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/([0-9]|[12][0-9]|3[0-2])$")]


class Model(BaseModel):
    """Frozen, and closed: a key that nothing reads is a typing error, not a wish."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        coerce_numbers_to_str=True,
    )


class DatabaseMode(StrEnum):
    """Where a preview's data comes from."""

    SNAPSHOT = "snapshot"
    """An RDS instance of its own, restored from staging's latest automated snapshot."""


class ServiceConfig(Model):
    """Sizes of the service's pods (keys ``previews:service``)."""

    cpu: Cpu = Field(description="CPU that a pod asks for", examples=["250m"])
    cpu_limit: Cpu = Field(description="CPU that a pod may use", examples=["1"])
    memory: Memory = Field(
        description="memory that a pod asks for and may use, in Mi", examples=["256Mi"]
    )
    min_replicas: int = Field(ge=1, le=100, description="fewest pods", examples=[1])
    max_replicas: int = Field(ge=1, le=100, description="most pods", examples=[2])
    target_cpu_percent: int = Field(
        ge=10,
        le=100,
        description="average use of the asked CPU above which pods are added",
        examples=[70],
    )
    start_seconds: int = Field(
        ge=10,
        le=1800,
        description="longest time without a new pod becoming ready, a node's start included",
        examples=[180],
    )
    pre_stop_seconds: int = Field(
        ge=1,
        le=120,
        description="how long a pod goes on serving after the load balancer was told to stop",
        examples=[5],
    )
    grace_period_seconds: int = Field(
        ge=5,
        le=600,
        description="time from a pod's being told to stop to its being killed, preStop included",
        examples=[15],
    )

    @field_validator("max_replicas")
    @classmethod
    def _not_below_the_fewest(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("min_replicas", value):
            msg = "it must be at least minReplicas"
            raise ValueError(msg)
        return value

    @field_validator("grace_period_seconds")
    @classmethod
    def _leaves_time_to_drain(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("pre_stop_seconds", 0) + DRAIN_SECONDS:
            msg = f"it must be at least preStopSeconds + {DRAIN_SECONDS}, the time to drain"
            raise ValueError(msg)
        return value


class PreviewDatabaseConfig(Model):
    """A preview's database (keys ``previews:database``)."""

    mode: DatabaseMode = Field(
        default=DatabaseMode.SNAPSHOT,
        description="where the data comes from",
        examples=["snapshot"],
    )
    instance_class: str = Field(
        pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$",
        description="class of the RDS instance",
        examples=["db.t4g.micro"],
    )


class StagingDatabaseConfig(Model):
    """Staging's database (keys ``previews:database``)."""

    instance_class: str = Field(
        pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$",
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
    subnet_ids: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")], ...] | None = Field(
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


class ClusterConfig(Model):
    """The cluster that previews run on (keys ``previews:cluster``)."""

    name: str = Field(
        pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$",
        description="name of an existing EKS cluster, and of the kubeconfig's context for it",
        examples=["previews"],
    )


class Listener(Model):
    """Where the load balancer listens (keys ``previews:listener``)."""

    protocol: Literal["HTTP", "HTTPS"] = Field(
        default="HTTPS",
        description="HTTPS, with a certificate found by the host's name; or HTTP",
        examples=["HTTPS"],
    )
    port: int = Field(default=443, ge=1, le=65535, description="the port", examples=[443])


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
        description="the IngressClass that the AWS Load Balancer Controller watches",
        examples=["alb"],
    )
    source_cidrs: tuple[Cidr, ...] | None = Field(
        default=None,
        min_length=1,
        description="networks of the load balancer's own addresses; without it the VPC's",
        examples=[["10.0.0.0/20"]],
    )


class _StackConfig(Model):
    service: ServiceConfig = Field(
        description="sizes of the service's pods", examples=[{"cpu": "250m"}]
    )
    image: str | None = Field(
        default=None,
        pattern=r"^([a-z0-9][\w./:-]*@)?sha256:[0-9a-f]{64}$",
        description="digest of an image that is already in the registry; then none is built",
        examples=["sha256:" + 64 * "0"],
    )
    commit: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{7,64}(-[0-9a-f]{8})?$",
        description="the commit that the stack is made from; without it git's HEAD",
        examples=["8f1d6c2e0b5a4937d1c0e2f3a4b5c6d7e8f90a1b"],
    )
    repository: str | None = Field(
        default=None,
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="owner/name of the source's repository; without it from git's remote",
        examples=["acme/orders"],
    )


class PreviewConfig(_StackConfig):
    """All that a stack ``pr-<n>`` can set; each has a default."""

    database: PreviewDatabaseConfig = Field(
        description="the preview's database", examples=[{"mode": "snapshot"}]
    )
    ttl_days: int = Field(
        ge=1, le=90, description="days from the last commit to the expiry", examples=[7]
    )
    expires: AwareDatetime | None = Field(
        default=None,
        description="when the preview expires; without it the commit's time and ttlDays",
        examples=[datetime.fromisoformat("2030-01-31T12:00:00+00:00").isoformat()],
    )


class PlatformConfig(_StackConfig):
    """All that the stack ``staging`` can set."""

    domain: str = Field(
        # With `pr-999999999.` in front it stays below the 253 characters of a DNS name.
        max_length=200,
        pattern=rf"^({_LABEL}\.)+{_LABEL}$",
        description="the domain under which each stack gets a name",
        examples=["preview.example.com"],
    )
    cluster: ClusterConfig = Field(
        description="the EKS cluster that previews run on", examples=[{"name": "previews"}]
    )
    listener: Listener = Field(
        default=Listener(),
        description="where the load balancer listens",
        examples=[{"protocol": "HTTPS", "port": 443}],
    )
    load_balancer: LoadBalancerConfig = Field(
        default=LoadBalancerConfig(),
        description="the load balancer that all stacks share",
        examples=[{"group": "previews", "scheme": "internal"}],
    )
    database: StagingDatabaseConfig = Field(
        description="staging's database", examples=[{"instanceClass": "db.t4g.medium"}]
    )
    ttl_days: int = Field(
        default=7,
        ge=1,
        le=90,
        description="means nothing for staging, which does not expire",
        examples=[7],
    )
