"""Common parts of a stack's pods: confinement, resources and environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core

from contract.app.containers import Container
from contract.app.placeholders import unexpanded
from contract.kubernetes import NAME_LABEL as NAME_LABEL  # noqa: PLC0414 - other modules import it from here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.config.models import ServiceConfig

PLATFORM_CONTAINER = Container()
"""How the platform's own containers run."""

PLATFORM_PORT = 8000
"""Port of the platform's own pods."""

# In Mi: a scratch folder; the logs, of which a node keeps five files of 10 Mi; what a container
# that is not read-only may write to its root folder.
SCRATCH_MEBIBYTES = 64
"""Size of a scratch folder, where nothing else is said."""

_LOGS = 64
_ROOT = 256
SERVICE_ACCOUNT = "service"
TIMEOUT = "pulumi.com/timeoutSeconds"
"""Annotation with the seconds for which Pulumi waits for an object, instead of 10 minutes."""
NOT_AWAITED = {"pulumi.com/skipAwait": "true"}
"""Annotation of a Service: Pulumi waits until its endpoints have not changed for 10 s, although
the Deployment is ready before, and the Ingress waits for the endpoints itself."""

NOT_DISRUPTED = {"karpenter.sh/do-not-disrupt": "true"}
"""Annotation of a Job's pod: Karpenter, which runs Auto Mode's nodes, removes no node under it to
save money."""


@dataclass(frozen=True)
class Environment:
    """A container's environment, as data that can be compared and hashed.

    Attributes:
        values: Variables with a plain value.
        secrets: Variables taken from a Secret: name to (Secret, key).
        fields: Variables taken from the pod itself: name to the field's path.
    """

    values: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    fields: Mapping[str, str] = field(default_factory=dict[str, str])

    def as_args(self) -> list[core.v1.EnvVarArgs]:
        """Return the environment in the form of Kubernetes.

        Plain values are last: Kubernetes replaces ``$(NAME)`` in them by an earlier variable only.
        """
        return [
            *(
                core.v1.EnvVarArgs(
                    name=name,
                    value_from=core.v1.EnvVarSourceArgs(
                        secret_key_ref=core.v1.SecretKeySelectorArgs(name=secret, key=key)
                    ),
                )
                for name, (secret, key) in self.secrets.items()
            ),
            *(
                core.v1.EnvVarArgs(
                    name=name,
                    value_from=core.v1.EnvVarSourceArgs(
                        field_ref=core.v1.ObjectFieldSelectorArgs(field_path=path)
                    ),
                )
                for name, path in self.fields.items()
            ),
            *(core.v1.EnvVarArgs(name=name, value=value) for name, value in self.values.items()),
        ]

    def as_data(self) -> dict[str, object]:
        """Return the environment as plain data, with Outputs where values are not known yet."""
        return {
            "values": dict(self.values),
            "secrets": {name: list(source) for name, source in self.secrets.items()},
            "fields": dict(self.fields),
        }


@dataclass(frozen=True)
class MountedConfig:
    """A ConfigMap that a container has as a folder, read-only.

    Attributes:
        volume: Name of the volume.
        config_map: Name of the ConfigMap.
        folder: Folder in the container.
    """

    volume: str
    config_map: pulumi.Input[str]
    folder: str

    def volume_args(self) -> core.v1.VolumeArgs:
        """Return the pod's volume."""
        source = core.v1.ConfigMapVolumeSourceArgs(name=self.config_map)
        return core.v1.VolumeArgs(name=self.volume, config_map=source)

    def mount_args(self) -> core.v1.VolumeMountArgs:
        """Return the container's mount."""
        return core.v1.VolumeMountArgs(name=self.volume, mount_path=self.folder, read_only=True)


def container_command(words: Sequence[str]) -> list[str]:
    """Return a command whose words reach the container as they are.

    Kubernetes would replace ``$(NAME)`` and ``$$`` in them, which are the shell's of ``sh -c``.
    """
    return [unexpanded(word) for word in words]


def resource_requirements(
    resources: ServiceConfig,
    container: Container = PLATFORM_CONTAINER,
    *,
    scratch_mebibytes: int = SCRATCH_MEBIBYTES,
) -> core.v1.ResourceRequirementsArgs:
    """Return requests and limits; those of memory are equal, so that no node is overcommitted."""
    root = 0 if container.read_only else _ROOT
    disk = f"{scratch_mebibytes * len(container.scratch) + _LOGS + root}Mi"
    return core.v1.ResourceRequirementsArgs(
        requests={"cpu": resources.cpu, "memory": resources.memory, "ephemeral-storage": disk},
        limits={"cpu": resources.cpu_limit, "memory": resources.memory, "ephemeral-storage": disk},
    )


def container_confinement(
    container: Container = PLATFORM_CONTAINER,
) -> core.v1.SecurityContextArgs:
    """Return the security context of the Pod Security Standard ``restricted``."""
    return core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
        privileged=False,
        read_only_root_filesystem=container.read_only,
        run_as_non_root=True,
    )


def pod_spec(
    container: core.v1.ContainerArgs,
    *,
    grace_period_seconds: int,
    restart_policy: str,
    topology_spread_constraints: list[core.v1.TopologySpreadConstraintArgs] | None = None,
    settings: Container = PLATFORM_CONTAINER,
    service_account: str = SERVICE_ACCOUNT,
    uses_the_api: bool = False,
    mounted: Sequence[MountedConfig] = (),
    scratch_mebibytes: int = SCRATCH_MEBIBYTES,
) -> core.v1.PodSpecArgs:
    """Return a pod of one container that may write to its scratch folders and nothing else.

    Args:
        container: Container; it has `mounts`.
        grace_period_seconds: Seconds from SIGTERM to SIGKILL.
        restart_policy: ``Always`` or ``Never``.
        topology_spread_constraints: Spread of the replicas.
        settings: The container's user and scratch folders.
        service_account: Service account that it runs as.
        uses_the_api: True to mount that account's token; only for the platform's own pods.
        mounted: ConfigMaps that it mounts besides.
        scratch_mebibytes: Size of each scratch folder.
    """
    return core.v1.PodSpecArgs(
        service_account_name=service_account,
        automount_service_account_token=uses_the_api,
        enable_service_links=False,
        restart_policy=restart_policy,
        termination_grace_period_seconds=grace_period_seconds,
        node_selector={"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"},
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=settings.user,
            run_as_group=settings.user,
            fs_group=settings.user,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[container],
        volumes=[
            *(
                core.v1.VolumeArgs(
                    name=f"scratch-{number}",
                    empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit=f"{scratch_mebibytes}Mi"),
                )
                for number, _ in enumerate(settings.scratch)
            ),
            *(one.volume_args() for one in mounted),
        ],
        topology_spread_constraints=topology_spread_constraints,
    )


def mounts(
    container: Container = PLATFORM_CONTAINER, mounted: Sequence[MountedConfig] = ()
) -> list[core.v1.VolumeMountArgs]:
    """Return the mounts of a container: the folders that it may write to, and ConfigMaps."""
    return [
        *(
            core.v1.VolumeMountArgs(name=f"scratch-{number}", mount_path=folder)
            for number, folder in enumerate(container.scratch)
        ),
        *(one.mount_args() for one in mounted),
    ]
