"""What a HorizontalPodAutoscaler counts with: the Kubernetes Metrics Server, as an EKS add-on."""

from __future__ import annotations

import json

import pulumi
from pulumi_aws import eks

from infra.platform.controller_nodes import ADDON_PLACEMENT
from infra.versions import pinned

NAME = "metrics-server"


class MetricsServer(pulumi.ComponentResource):
    """The add-on, in its pinned version."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the add-on.

        Args:
            name: Pulumi's name of the component.
            cluster: The cluster's name.
            opts: Pulumi's options.
        """
        super().__init__("previews:platform:MetricsServer", name, None, opts)
        eks.Addon(
            NAME,
            addon_name=NAME,
            addon_version=pinned().addons[NAME],
            cluster_name=cluster,
            configuration_values=json.dumps(ADDON_PLACEMENT, sort_keys=True),
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
