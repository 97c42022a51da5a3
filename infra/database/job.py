"""A Job that works on the database once, before the service starts: prepare or migrate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import batch, core, meta

from infra.kubernetes.pod import (
    NAME_LABEL,
    TIMEOUT,
    Environment,
    container_confinement,
    pod_spec,
    resources,
    scratch_mount,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import Home

_GRACE_PERIOD_SECONDS = 30


@dataclass(frozen=True)
class DatabaseWork:
    """What a Job does.

    Attributes:
        name: Its name, ``prepare`` or ``migrate``.
        module: The Python module that it runs.
        image: The image, by digest.
        environment: Its environment.
        database: Identity of the database that it works on.
        timeout_seconds: How long it may take.
    """

    name: str
    module: str
    image: pulumi.Input[str]
    environment: Environment
    database: pulumi.Input[str]
    timeout_seconds: int


class DatabaseJob(pulumi.ComponentResource):
    """A Job that is made anew whenever what it does changes, and again after it failed.

    A Job can't be changed, so its name carries a hash of what it runs, and another one replaces
    it. It is never tried twice by Kubernetes: a migration that failed half-way has to be looked
    at. The error that Pulumi shows then holds the end of the container's log.

    Attributes:
        job: The Job. What depends on it comes after its success.
    """

    job: batch.v1.Job

    def __init__(
        self,
        name: str,
        *,
        work: DatabaseWork,
        home: Home,
        sizes: ServiceConfig,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Job.

        Args:
            name: Pulumi's name of the component.
            work: What the Job does.
            home: Where it runs.
            sizes: What its pod needs.
            after: What must be there first.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:DatabaseJob", name, None, opts)
        template = batch.v1.JobSpecArgs(
            backoff_limit=0,
            active_deadline_seconds=work.timeout_seconds,
            # A pod that its node had to give up has not failed.
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
                metadata=meta.v1.ObjectMetaArgs(labels={NAME_LABEL: work.name}),
                spec=pod_spec(
                    core.v1.ContainerArgs(
                        name=work.name,
                        image=work.image,
                        image_pull_policy="IfNotPresent",
                        command=["python", "-m", work.module],
                        env=work.environment.as_args(),
                        resources=resources(sizes),
                        security_context=container_confinement(),
                        termination_message_policy="FallbackToLogsOnError",
                        volume_mounts=[scratch_mount()],
                    ),
                    grace_period_seconds=_GRACE_PERIOD_SECONDS,
                    restart_policy="Never",
                ),
            ),
        )
        self.job = batch.v1.Job(
            work.name,
            metadata=home.metadata(
                _job_name(work, sizes),
                labels={NAME_LABEL: work.name},
                annotations={
                    "pulumi.com/replaceUnready": "true",
                    # The pod's scheduling and image pull come on top of its own time.
                    TIMEOUT: str(work.timeout_seconds + 120),
                },
            ),
            spec=template,
            # The former one goes first. Otherwise it would stay behind a failed one, and going
            # back to the version that it migrated would find its name taken.
            opts=pulumi.ResourceOptions.merge(
                home.goes_with(self, after=after),
                pulumi.ResourceOptions(delete_before_replace=True),
            ),
        )
        self.register_outputs({})


def _job_name(work: DatabaseWork, sizes: ServiceConfig) -> pulumi.Output[str]:
    """The Job's name, with a hash of everything in it that may vary."""
    content = {
        "image": work.image,
        "module": work.module,
        "environment": work.environment.as_data(),
        "database": work.database,
        "timeout": work.timeout_seconds,
        "sizes": [sizes.cpu, sizes.cpu_limit, sizes.memory],
    }
    return pulumi.Output.json_dumps(content, sort_keys=True).apply(
        lambda text: f"{work.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    )
