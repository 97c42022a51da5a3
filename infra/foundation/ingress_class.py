"""The IngressClass of the load balancer that all stacks share, for stacks alone.

Whoever can create an Ingress in a group can override the rules of all others in it. So the class,
and no Ingress, sets group, scheme, networks and certificate, and only namespaces of stacks may
use the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import meta, networking

from infra.app.preview_namespace import PART_OF
from infra.config.platform import Controller
from infra.kubernetes.custom_object import CustomObject
from infra.kubernetes.ingress_annotations import class_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_API_GROUPS = {
    Controller.AUTO_MODE: ("eks.amazonaws.com", "v1"),
    Controller.AWS: ("elbv2.k8s.aws", "v1beta1"),
}
_CONTROLLERS = {
    Controller.AUTO_MODE: "eks.amazonaws.com/alb",
    Controller.AWS: "ingress.k8s.aws/alb",
}
# The one relevant difference between the two kinds of parameters.
_CERTIFICATES = {Controller.AUTO_MODE: "certificateARNs", Controller.AWS: "certificateArn"}


class IngressClass(pulumi.ComponentResource):
    """IngressClass and IngressClassParams.

    Attributes:
        name: Name of the class.
        ready: The class itself; Ingresses are created after it and deleted before it.
    """

    name: str
    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        controller: Controller,
        group: str,
        scheme: str,
        cidrs: Sequence[str],
        idle_timeout_seconds: int,
        tags: Mapping[str, str],
        certificate_arn: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the class.

        Args:
            controller: Controller of the class.
            group: Name of the group, the class and its parameters.
            scheme: ``internal`` or ``internet-facing``.
            cidrs: Networks from which the load balancer can be reached.
            tags: Tags of the load balancer, besides the controller's own.
            certificate_arn: ARN of its certificate; None where one is found by the host name.
        """
        super().__init__("previews:platform:IngressClass", name, None, opts)
        self.name = group
        api_group, version = _API_GROUPS[controller]
        spec = class_parameters(group, scheme, cidrs, idle_timeout_seconds, tags, dict([PART_OF]))
        if certificate_arn is not None:
            spec[_CERTIFICATES[controller]] = [certificate_arn]
        parameters = CustomObject(
            "parameters",
            api_version=f"{api_group}/{version}",
            kind="IngressClassParams",
            name=group,
            metadata=meta.v1.ObjectMetaArgs(name=group),
            spec=spec,
            # AWS's table of Auto Mode lacks it; each Ingress has it as an annotation, too.
            expendable=["inboundCIDRs"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ready = networking.v1.IngressClass(
            "class",
            metadata=meta.v1.ObjectMetaArgs(name=group),
            spec=networking.v1.IngressClassSpecArgs(
                controller=_CONTROLLERS[controller],
                parameters=networking.v1.IngressClassParametersReferenceArgs(
                    api_group=api_group,
                    kind="IngressClassParams",
                    name=parameters.checked_name,
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[parameters]),
        )
        self.register_outputs({"name": group})
