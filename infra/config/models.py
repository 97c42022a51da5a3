"""The configuration, key by key: types, bounds and the remedy of each error.

Every field has a description and an example; error messages are made from them, and
docs/configuration.md is compared with them. The names in YAML are camelCase, as Pulumi's own are.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field, ValidationInfo, field_validator

from contract.app.values import CPU, Memory
from contract.bounds import BOUNDS, MOST_CPU, MOST_MEMORY, mebibytes, millicores
from contract.stack_name import StackKind
from infra.config.access import AccessConfig, DnsConfig, PlatformAccessConfig, SignIn
from infra.config.base import ImageReference, InstanceClass, Model, bounded_class, may_have
from infra.config.cluster import ClusterConfig, NetworkConfig
from infra.config.platform import (
    AppConfig,
    BranchesConfig,
    BudgetConfig,
    GithubConfig,
    Listener,
    LoadBalancerConfig,
    NeedsConfig,
    StagingDatabaseConfig,
)

DRAIN_SECONDS = 9
"""Seconds that the service needs between SIGTERM and its exit (docs/service.md, How it stops)."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

Cpu = Annotated[str, Field(pattern=CPU)]


class EgressBy(StrEnum):
    """Property by which an app's hosts are distinguished (key ``previews:egressBy``)."""

    ADDRESS = "address"
    """NetworkPolicies, which know no names: every public address, on the hosts' ports."""

    NAME = "name"
    """ApplicationNetworkPolicies of EKS Auto Mode: those hosts alone."""


class DatabaseMode(StrEnum):
    """Source of a preview's data."""

    SNAPSHOT = "snapshot"
    """An RDS instance of its own, restored from staging's latest automated snapshot."""

    BRANCH = "branch"
    """A clone, made in seconds, of a scrubbed template on a server that previews share."""


class ServiceConfig(Model):
    """Sizes of the service's pods (keys ``previews:service``)."""

    cpu: Cpu = Field(description="CPU that a pod requests", examples=["250m"])
    cpu_limit: Cpu = Field(description="CPU that a pod may use", examples=["1"])
    memory: Memory = Field(
        description="memory that a pod requests and may use, in Mi", examples=["256Mi"]
    )
    min_replicas: int = Field(ge=1, description="fewest pods", examples=[1])
    max_replicas: int = Field(ge=1, description="most pods", examples=[2])
    target_cpu_percent: int = Field(
        ge=10,
        le=100,
        description="average use of the requested CPU above which pods are added",
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
        description="time for which a pod goes on serving after its removal from the load balancer",
        examples=[5],
    )
    grace_period_seconds: int = Field(
        ge=5,
        le=600,
        description="time from the request to stop a pod to its being killed, preStop included",
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


class LimitsConfig(Model):
    """The most that an app may ask for in its ``preview.yaml`` (keys ``previews:limits``)."""

    cpu: Cpu = Field(
        default="2", description=f"CPU of a container; itself at most {MOST_CPU}", examples=["2"]
    )
    memory: Memory = Field(
        default="2048Mi",
        description=f"memory of a container, in Mi; itself at most {MOST_MEMORY}",
        examples=["2048Mi"],
    )


class PreviewDatabaseConfig(Model):
    """A preview's database (keys ``previews:database``)."""

    mode: DatabaseMode = Field(
        default=DatabaseMode.SNAPSHOT,
        description="where the data comes from: snapshot or branch",
        examples=["snapshot"],
    )
    instance_class: InstanceClass = Field(
        description="class of the RDS instance",
        examples=["db.t4g.micro"],
    )

    @field_validator("instance_class")
    @classmethod
    def _is_within_the_bounds(cls, value: str) -> str:
        return bounded_class(value, StackKind.PREVIEW)


class MigrationConfig(Model):
    """Limits of a migration (keys ``previews:migration``)."""

    max_lock_seconds: float = Field(
        default=2,
        gt=0,
        le=3600,
        description="longest that a migration's lock may keep others waiting; else it is refused",
        examples=[2],
    )
    long_locks_meant: bool = Field(
        default=False,
        description="true if a longer lock is intended; label preview-long-migration",
        examples=[True],
    )


def _check_container(kind: StackKind, cpus: dict[str, str], memory: str) -> None:
    """Check the sizes of a container.

    Raises:
        ValueError: One is beyond the bound of any container.
    """
    for key, cpu in cpus.items():
        if millicores(cpu) > millicores(MOST_CPU):
            msg = f"{key} is {cpu}: {may_have(kind, MOST_CPU)}"
            raise ValueError(msg)
    if mebibytes(memory) > mebibytes(MOST_MEMORY):
        msg = f"memory is {memory}: {may_have(kind, MOST_MEMORY)}"
        raise ValueError(msg)


class StackConfig(Model):
    """Keys of every stack."""

    KIND: ClassVar[StackKind]

    service: ServiceConfig = Field(
        description="sizes of the service's pods", examples=[{"cpu": "250m"}]
    )
    limits: LimitsConfig = Field(
        default=LimitsConfig(),
        description="the most that an app may ask for in its preview.yaml",
        examples=[{"cpu": "2", "memory": "2048Mi"}],
    )
    source: str = Field(
        default=".",
        pattern=r"^[\w./ -]+$",
        description="folder of the app's preview.yaml, relative to the program's checkout",
        examples=["../orders"],
    )
    image: ImageReference | None = Field(
        default=None,
        description="digest of an image that is already in the registry; then none is built",
        examples=["sha256:" + 64 * "0"],
    )
    web_images: dict[str, ImageReference] = Field(
        default={},
        description="digests of the images of further web services, by their names in"
        " preview.yaml; one that is not named is built",
        examples=[{"frontend": "sha256:" + 64 * "0"}],
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
    egress_by: EgressBy = Field(
        default=EgressBy.ADDRESS,
        description="how the hosts under egress in preview.yaml are told from others: address (any"
        " public address on the host's port) or name (that host alone; EKS Auto Mode only)",
        examples=["name"],
    )

    @field_validator("service")
    @classmethod
    def _is_within_the_bounds(cls, value: ServiceConfig) -> ServiceConfig:
        sizes = {"cpu": value.cpu, "cpuLimit": value.cpu_limit}
        _check_container(cls.KIND, sizes, value.memory)
        most = BOUNDS[cls.KIND].replicas
        for key, replicas in (
            ("minReplicas", value.min_replicas),
            ("maxReplicas", value.max_replicas),
        ):
            if replicas > most:
                msg = f"{key} is {replicas}: {may_have(cls.KIND, most)}"
                raise ValueError(msg)
        return value

    @field_validator("limits")
    @classmethod
    def _are_within_the_bounds(cls, value: LimitsConfig) -> LimitsConfig:
        _check_container(cls.KIND, {"cpu": value.cpu}, value.memory)
        return value


class PreviewConfig(StackConfig):
    """All keys of a stack ``pr-<n>``; each has a default."""

    KIND: ClassVar[StackKind] = StackKind.PREVIEW

    access: AccessConfig = Field(
        description="how people get access", examples=[{"signIn": "cognito"}]
    )
    database: PreviewDatabaseConfig = Field(
        description="the preview's database", examples=[{"mode": "snapshot"}]
    )
    migration: MigrationConfig = Field(
        default=MigrationConfig(),
        description="limits of a migration",
        examples=[{"maxLockSeconds": 2}],
    )
    ttl_days: int = Field(
        ge=1, le=90, description="days from the last commit to the expiry", examples=[7]
    )
    expires: AwareDatetime | None = Field(
        default=None,
        description="when the preview expires; without it the commit's time and ttlDays",
        examples=[datetime.fromisoformat("2030-01-31T12:00:00+00:00").isoformat()],
    )


class PlatformConfig(StackConfig):
    """All keys of the stack ``staging``."""

    KIND: ClassVar[StackKind] = StackKind.STAGING

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
    network: NetworkConfig = Field(
        default=NetworkConfig(),
        description="the network of a cluster that is created",
        examples=[{"egress": "nat"}],
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
    access: PlatformAccessConfig = Field(
        description="how people get access",
        examples=[{"signIn": "none", "cidrs": ["203.0.113.0/24"]}],
    )
    dns: DnsConfig = Field(
        default=DnsConfig(),
        description="names and certificate",
        examples=[{"zoneId": "Z0123456789ABCDEFGHIJ"}],
    )
    budget: BudgetConfig = Field(
        default=BudgetConfig(),
        description="a cost alert",
        examples=[{"monthlyUsd": 300, "emails": ["platform@example.com"]}],
    )
    branches: BranchesConfig = Field(
        default=BranchesConfig(),
        description="databases of previews in mode branch",
        examples=[{"enabled": True}],
    )
    needs: NeedsConfig = Field(
        default=NeedsConfig(),
        description="images of the servers that apps need besides their database",
        examples=[
            {"redisImage": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/redis@sha256:" + 64 * "0"}
        ],
    )
    database_image: str | None = Field(
        default=None,
        pattern=r"^([a-z0-9][\w./:-]*@)?sha256:[0-9a-f]{64}$",
        description="digest of an image of database/Dockerfile that is in the registry; then none"
        " is built",
        examples=["sha256:" + 64 * "0"],
    )
    database: StagingDatabaseConfig = Field(
        description="staging's database", examples=[{"instanceClass": "db.t4g.medium"}]
    )
    github: GithubConfig | None = Field(
        default=None,
        description="whose workflows may bring stacks up; without it no role is created for CI",
        examples=[
            {
                "repository": "acme/orders",
                "repositoryId": "123456789",
                "subjectPrefix": "repo:acme@1234/orders@123456789",
            }
        ],
    )
    apps: tuple[AppConfig, ...] = Field(
        default=(),
        max_length=50,
        description="other apps on the platform whose workflows may bring stacks up",
        examples=[
            [
                {
                    "name": "orders",
                    "repository": "acme/orders",
                    "repositoryId": "123456789",
                    "subjectPrefix": "repo:acme@1234/orders@123456789",
                }
            ]
        ],
    )
    ttl_days: int = Field(
        default=7,
        ge=1,
        le=90,
        description="without effect for staging, which does not expire",
        examples=[7],
    )

    @field_validator("apps")
    @classmethod
    def _are_different_and_can_act(
        cls, value: tuple[AppConfig, ...], info: ValidationInfo
    ) -> tuple[AppConfig, ...]:
        names = [app.name for app in value]
        if len(set(names)) < len(names):
            msg = "two apps have the same name"
            raise ValueError(msg)
        if value and info.data.get("github") is None:
            msg = "their roles need the account's identity provider: set github too"
            raise ValueError(msg)
        budget = info.data.get("budget")
        alerted = isinstance(budget, BudgetConfig) and budget.emails
        if not alerted and any(app.monthly_usd is not None for app in value):
            msg = "a budget alerts somebody: set budget.emails too"
            raise ValueError(msg)
        return value

    @field_validator("network")
    @classmethod
    def _is_of_a_cluster_that_is_made(
        cls, value: NetworkConfig, info: ValidationInfo
    ) -> NetworkConfig:
        cluster = info.data.get("cluster")
        if isinstance(cluster, ClusterConfig) and not cluster.create:
            msg = "an existing cluster has its own network: remove it, or set cluster.create"
            raise ValueError(msg)
        closed = value.vpc_id is None and value.egress == "endpoints"
        if closed and isinstance(cluster, ClusterConfig) and not cluster.external_secrets_image:
            msg = "with endpoints nodes reach only AWS: set cluster.externalSecretsImage too"
            raise ValueError(msg)
        return value

    @field_validator("access")
    @classmethod
    def _lets_nobody_in_by_accident(
        cls, value: PlatformAccessConfig, info: ValidationInfo
    ) -> PlatformAccessConfig:
        balancer, listener = info.data.get("load_balancer"), info.data.get("listener")
        signed_in = value.sign_in is SignIn.COGNITO
        faces_all = isinstance(balancer, LoadBalancerConfig) and balancer.faces_internet
        if faces_all and not value.cidrs:
            msg = "an internet-facing load balancer needs cidrs: the networks that may reach it"
            raise ValueError(msg)
        if value.is_public and not signed_in:
            msg = "cidrs with 0.0.0.0/0 let everybody in: set signIn, or name your networks"
            raise ValueError(msg)
        if signed_in and isinstance(listener, Listener) and listener.protocol != "HTTPS":
            msg = "signing in requires HTTPS: set listener.protocol"
            raise ValueError(msg)
        return value

    @field_validator("dns")
    @classmethod
    def _has_somebody_who_writes_the_records(
        cls, value: DnsConfig, info: ValidationInfo
    ) -> DnsConfig:
        cluster = info.data.get("cluster")
        if (
            value.records == "each"
            and isinstance(cluster, ClusterConfig)
            and not (cluster.create and value.zone_id)
        ):
            msg = "a record for each stack needs zoneId, and a cluster that is created"
            raise ValueError(msg)
        return value
