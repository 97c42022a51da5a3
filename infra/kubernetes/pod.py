"""What every pod of a stack has in common: confinement, resources and its environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.config.models import ServiceConfig

USER = 10001
"""The image's user and group, numeric so that Kubernetes can tell that it is not root."""

HTTP_PORT = 8000
# The scratch folder's 64 Mi, and the logs, of which a node keeps five files of 10 Mi.
_DISK = "128Mi"
SERVICE_ACCOUNT = "service"
NAME_LABEL = "app.kubernetes.io/name"
TIMEOUT = "pulumi.com/timeoutSeconds"
"""Annotation: how long Pulumi waits for an object, instead of its 10 minutes."""
NOT_AWAITED = {"pulumi.com/skipAwait": "true"}
"""Annotation of a Service: Pulumi waits until its endpoints have not changed for 10 s, although
the Deployment is ready before, and the Ingress waits for the endpoints itself."""


@dataclass(frozen=True)
class Environment:
    """A container's environment, as data that can be compared and hashed.

    Attributes:
        values: Variables given outright.
        secrets: Variables taken from a Secret: name to (Secret, key).
        fields: Variables taken from the pod itself: name to the field's path.
    """

    values: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    fields: Mapping[str, str] = field(default_factory=dict[str, str])

    def as_args(self) -> list[core.v1.EnvVarArgs]:
        """The environment as Kubernetes writes it."""
        return [
            *(core.v1.EnvVarArgs(name=name, value=value) for name, value in self.values.items()),
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
        ]

    def as_data(self) -> dict[str, object]:
        """The environment as plain data, with Outputs where values are not known yet."""
        return {
            "values": dict(self.values),
            "secrets": {name: list(source) for name, source in self.secrets.items()},
            "fields": dict(self.fields),
        }


def resources(sizes: ServiceConfig) -> core.v1.ResourceRequirementsArgs:
    """What a container asks for and may use; memory alike, so that no node is overcommitted."""
    return core.v1.ResourceRequirementsArgs(
        requests={"cpu": sizes.cpu, "memory": sizes.memory, "ephemeral-storage": _DISK},
        limits={"cpu": sizes.cpu_limit, "memory": sizes.memory, "ephemeral-storage": _DISK},
    )


def container_confinement() -> core.v1.SecurityContextArgs:
    """A container as the Pod Security Standard ``restricted`` wants it, and read-only."""
    return core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
        privileged=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
    )


def pod_spec(
    container: core.v1.ContainerArgs,
    *,
    grace_period_seconds: int,
    restart_policy: str,
    topology_spread_constraints: list[core.v1.TopologySpreadConstraintArgs] | None = None,
    service_account: str = SERVICE_ACCOUNT,
    talks_to_the_cluster: bool = False,
) -> core.v1.PodSpecArgs:
    """A pod of one container that mounts ``/tmp`` and nothing else.

    Args:
        container: The container; it mounts `scratch_mount`.
        grace_period_seconds: From being told to stop to being killed.
        restart_policy: ``Always`` or ``Never``.
        topology_spread_constraints: How replicas are spread.
        service_account: Whose rights it has.
        talks_to_the_cluster: Whether it gets that account's token; only the platform's own may.
    """
    return core.v1.PodSpecArgs(
        service_account_name=service_account,
        automount_service_account_token=talks_to_the_cluster,
        enable_service_links=False,
        restart_policy=restart_policy,
        termination_grace_period_seconds=grace_period_seconds,
        node_selector={"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"},
        security_context=core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[container],
        volumes=[
            core.v1.VolumeArgs(
                name="tmp", empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit="64Mi")
            )
        ],
        topology_spread_constraints=topology_spread_constraints,
    )


def scratch_mount() -> core.v1.VolumeMountArgs:
    """The one folder that a container may write to."""
    return core.v1.VolumeMountArgs(name="tmp", mount_path="/tmp")  # noqa: S108
