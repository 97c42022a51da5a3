"""The Ingress: a stack's host on the load balancer that all stacks share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import networking

from infra.components.pod import TIMEOUT
from infra.config_platform import Listener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.components.home import Home
    from infra.platform_facts import PlatformFacts
    from infra.stack_name import StackName

_ALB = "alb.ingress.kubernetes.io"
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}

# A target goes on draining at most this long. It is shorter than what a pod has from the end
# of its preStop to its kill, so that no request is cut off by either.
_DEREGISTRATION_SECONDS = 5


class FrontDoor(pulumi.ComponentResource):
    """The Ingress of a stack: last up, first down.

    Attributes:
        url: The address of the service.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        home: Home,
        service: str,
        platform: PlatformFacts,
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Ingress.

        Args:
            name: Pulumi's name of the component.
            stack: Whose host it is.
            home: Where it is.
            service: Name of the Service that it leads to.
            platform: The load balancer and the domain.
            after: What must be there first, and goes after it.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:FrontDoor", name, None, opts)
        host = pulumi.Output.from_input(platform.domain).apply(stack.host)
        listener = pulumi.Output.all(platform.listener_protocol, platform.listener_port).apply(
            lambda given: Listener(protocol=given[0], port=given[1])
        )
        annotations = pulumi.Output.all(
            listener, platform.load_balancer_group, platform.load_balancer_scheme
        ).apply(lambda given: ingress_annotations(given[0], given[1], given[2]))
        spec = pulumi.Output.all(host, listener, platform.ingress_class).apply(
            lambda given: ingress_spec(given[0], given[1], given[2], service)
        )
        networking.v1.Ingress(
            "ingress",
            metadata=home.metadata(service, annotations=annotations),
            spec=spec,
            # Never deleted with its namespace: the controller's finalizer needs the Service.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )
        self.url = pulumi.Output.all(listener, host).apply(lambda given: url(given[0], given[1]))
        self.register_outputs({"url": self.url})


def ingress_annotations(listener: Listener, group: str, scheme: str) -> dict[str, str]:
    """What the AWS Load Balancer Controller is told.

    It names no certificate: the controller finds one by the host's name.
    """
    return {
        f"{_ALB}/group.name": group,
        f"{_ALB}/scheme": scheme,
        f"{_ALB}/target-type": "ip",
        f"{_ALB}/backend-protocol": "HTTP",
        f"{_ALB}/healthcheck-path": "/health/ready",
        f"{_ALB}/healthcheck-interval-seconds": "5",
        f"{_ALB}/healthcheck-timeout-seconds": "3",
        f"{_ALB}/healthy-threshold-count": "2",
        f"{_ALB}/unhealthy-threshold-count": "2",
        f"{_ALB}/success-codes": "200",
        f"{_ALB}/target-group-attributes": (
            f"deregistration_delay.timeout_seconds={_DEREGISTRATION_SECONDS}"
        ),
        TIMEOUT: "420",
        **_listen(listener),
    }


def ingress_spec(
    host: str, listener: Listener, ingress_class: str, service: str
) -> networking.v1.IngressSpecArgs:
    """All of a host's paths lead to one Service."""
    backend = networking.v1.IngressBackendArgs(
        service=networking.v1.IngressServiceBackendArgs(
            name=service, port=networking.v1.ServiceBackendPortArgs(name="http")
        )
    )
    return networking.v1.IngressSpecArgs(
        ingress_class_name=ingress_class,
        tls=[networking.v1.IngressTLSArgs(hosts=[host])] if listener.protocol == "HTTPS" else None,
        rules=[
            networking.v1.IngressRuleArgs(
                host=host,
                http=networking.v1.HTTPIngressRuleValueArgs(
                    paths=[
                        networking.v1.HTTPIngressPathArgs(
                            path="/", path_type="Prefix", backend=backend
                        )
                    ]
                ),
            )
        ],
    )


def url(listener: Listener, host: str) -> str:
    """The address of a host, with the port where a browser needs it."""
    port = "" if _DEFAULT_PORTS[listener.protocol] == listener.port else f":{listener.port}"
    return f"{listener.protocol.lower()}://{host}{port}"


def _listen(listener: Listener) -> dict[str, str]:
    """Where to listen; plain HTTP on the usual port is sent on to HTTPS."""
    ports = [{listener.protocol: listener.port}]
    if listener.protocol == "HTTP":
        return {f"{_ALB}/listen-ports": json.dumps(ports)}
    if listener.port == _DEFAULT_PORTS["HTTPS"]:
        ports.insert(0, {"HTTP": _DEFAULT_PORTS["HTTP"]})
    return {
        f"{_ALB}/listen-ports": json.dumps(ports),
        f"{_ALB}/ssl-redirect": str(listener.port),
    }
