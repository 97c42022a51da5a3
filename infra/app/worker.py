"""A worker of an app: a Deployment that nobody sends requests to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apps

from infra.app.deployment import (
    AppContainer,
    child_name,
    deployment_annotations,
    deployment_spec,
    disruption_budget,
)
from infra.kubernetes.pod import NAME_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.models import ServiceConfig
    from infra.kubernetes.namespace_scope import NamespaceScope


class Worker(pulumi.ComponentResource):
    """A worker's pods, replaced like the service's; they can't be checked from outside."""

    def __init__(
        self,
        name: str,
        *,
        container: AppContainer,
        replicas: int,
        resources: ServiceConfig,
        scope: NamespaceScope,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the worker. Its name is that of its objects, too.

        Args:
            container: Its container.
            replicas: Number of pods.
            resources: Resources and termination of its pods.
            scope: Namespace of all of it.
            depends_on: Resources that the Deployment depends on.
        """
        super().__init__("previews:service:Worker", name, None, opts)
        labels = {NAME_LABEL: name}
        deployment = apps.v1.Deployment(
            child_name(name, "deployment"),
            metadata=scope.metadata(
                name, labels=labels, annotations=deployment_annotations(resources)
            ),
            spec=deployment_spec(name, container, resources, replicas=replicas),
            # As the service's: its pods are gone before their database is deleted.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]),
        )
        disruption_budget(name, scope, scope.deleted_with_namespace(self, depends_on=[deployment]))
        self.register_outputs({})
