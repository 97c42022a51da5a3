"""A Job that works on the database once: prepare, migrate, or a hook of the app."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import batch, core, meta

from infra.kubernetes.pod import (
    NAME_LABEL,
    NOT_DISRUPTED,
    PLATFORM_CONTAINER,
    SERVICE_ACCOUNT,
    TIMEOUT,
    Environment,
    MountedConfig,
    container_command,
    container_confinement,
    mounts,
    pod_spec,
    resource_requirements,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.app.containers import Container
    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import NamespaceScope

_GRACE_PERIOD_SECONDS = 30


@dataclass(frozen=True)
class DatabaseWork:
    """The work of a Job.

    Attributes:
        name: Name, such as ``prepare`` or ``migrate``.
        command: Command that it runs.
        image: Image, by digest.
        environment: Environment of the container.
        database: Identity of the database that it works on.
        timeout_seconds: Time limit in seconds.
        container: The container's user and scratch folders.
        mounted: ConfigMaps that it mounts.
        revision: Further text that the Job's name depends on, None for none.
        service_account: Service account that it runs as.
    """

    name: str
    command: Sequence[str]
    image: pulumi.Input[str]
    environment: Environment
    database: pulumi.Input[str]
    timeout_seconds: int
    container: Container = PLATFORM_CONTAINER
    mounted: tuple[MountedConfig, ...] = ()
    revision: pulumi.Input[str] | None = None
    service_account: str = SERVICE_ACCOUNT


class DatabaseJob(pulumi.ComponentResource):
    """A Job that is replaced whenever its work changes, and after it failed.

    A Job can't be changed, so its name carries a hash of its work, and another one replaces it.
    Kubernetes never retries it: somebody has to look at a migration that failed half-way. The
    error that Pulumi shows holds the end of the container's log.

    Attributes:
        job: The Job. Resources that depend on it come after its success.
    """

    job: batch.v1.Job

    def __init__(
        self,
        name: str,
        *,
        work: DatabaseWork,
        scope: NamespaceScope,
        resources: ServiceConfig,
        depends_on: Sequence[pulumi.Resource],
        annotations: Mapping[str, str] | None = None,
        done: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Job.

        Args:
            work: Work of the Job.
            scope: Namespace of the Job.
            resources: Resources of its pod.
            depends_on: Resources that the Job depends on.
            annotations: Further annotations of the Job.
            done: True if it has succeeded and stays as it was, whatever its work has become.
        """
        super().__init__("previews:service:DatabaseJob", name, None, opts)
        self.job = batch.v1.Job(
            work.name,
            metadata=scope.metadata(
                _job_name(work, resources),
                labels={NAME_LABEL: work.name},
                annotations={
                    "pulumi.com/replaceUnready": "true",
                    # The pod's scheduling and image pull come on top of its own time.
                    TIMEOUT: str(work.timeout_seconds + 120),
                    **(annotations or {}),
                },
            ),
            spec=job_spec(work, resources),
            # The former Job is deleted first. Otherwise it would remain after a failed one, and a
            # roll-back to the version that it migrated would find its name taken.
            opts=pulumi.ResourceOptions.merge(
                scope.deleted_with_namespace(self, depends_on=depends_on),
                pulumi.ResourceOptions(
                    delete_before_replace=True,
                    ignore_changes=["metadata.name", "spec"] if done else None,
                ),
            ),
        )
        self.register_outputs({})


def job_spec(work: DatabaseWork, resources: ServiceConfig) -> batch.v1.JobSpecArgs:
    """Return the spec of a Job that is tried once."""
    return batch.v1.JobSpecArgs(
        backoff_limit=0,
        active_deadline_seconds=work.timeout_seconds,
        # A pod that was evicted has not failed.
        pod_failure_policy=batch.v1.PodFailurePolicyArgs(
            rules=[
                batch.v1.PodFailurePolicyRuleArgs(
                    action="Ignore",
                    on_pod_conditions=[
                        batch.v1.PodFailurePolicyOnPodConditionsPatternArgs(
                            type="DisruptionTarget", status="True"
                        )
                    ],
                )
            ]
        ),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(
                labels={NAME_LABEL: work.name}, annotations=NOT_DISRUPTED
            ),
            spec=pod_spec(
                core.v1.ContainerArgs(
                    name=work.name,
                    image=work.image,
                    image_pull_policy="IfNotPresent",
                    command=container_command(work.command),
                    env=work.environment.as_args(),
                    resources=resource_requirements(resources, work.container),
                    security_context=container_confinement(work.container),
                    termination_message_policy="FallbackToLogsOnError",
                    volume_mounts=mounts(work.container, work.mounted),
                ),
                grace_period_seconds=_GRACE_PERIOD_SECONDS,
                restart_policy="Never",
                settings=work.container,
                service_account=work.service_account,
                mounted=work.mounted,
            ),
        ),
    )


def _job_name(work: DatabaseWork, resources: ServiceConfig) -> pulumi.Output[str]:
    """Return the Job's name, with a hash of everything in it that may vary."""
    content: dict[str, object] = {
        "image": work.image,
        "command": container_command(work.command),
        "environment": work.environment.as_data(),
        "database": work.database,
        "timeout": work.timeout_seconds,
        "container": work.container.model_dump(
            mode="json", include={"user", "read_only", "scratch"}
        ),
        "mounted": [[one.config_map, one.folder] for one in work.mounted],
        "sizes": [resources.cpu, resources.cpu_limit, resources.memory],
    }
    if work.revision is not None:
        content["revision"] = work.revision
    if work.service_account != SERVICE_ACCOUNT:
        content["account"] = work.service_account
    return pulumi.Output.json_dumps(content, sort_keys=True).apply(
        lambda text: f"{work.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    )
