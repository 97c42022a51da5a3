"""The Ingress: a stack's host on the load balancer that all stacks share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import networking

from infra.config.access import SignIn
from infra.config.platform import Listener
from infra.kubernetes.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.kubernetes.namespace_scope import Home
    from infra.platform_outputs import PlatformFacts

ALB = "alb.ingress.kubernetes.io"
"""Prefix of what is said to the controller."""

_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}

# A target goes on draining at most this long. It is shorter than what a pod has from the end
# of its preStop to its kill, so that no request is cut off by either.
_DEREGISTRATION_SECONDS = 5

# TLS 1.2 and 1.3 with forward secrecy; the controller's default goes back to 1.0.
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"

OpenPaths = list[tuple[str, str, str]]
"""Path, its type and the Service behind it, where that is not the stack's own."""


class FrontDoor(pulumi.ComponentResource):
    """The Ingress of a stack: last up, first down.

    Attributes:
        url: The address of the service.
        load_balancer: The load balancer's own name; empty where the Ingress says none.
    """

    url: pulumi.Output[str]
    load_balancer: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        home: Home,
        service: str,
        platform: PlatformFacts,
        sign_in: SignIn,
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
            sign_in: How people sign in before they get to the service.
            after: What must be there first, and goes after it.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:FrontDoor", name, None, opts)
        host = pulumi.Output.from_input(platform.domain).apply(stack.host)
        listener = pulumi.Output.all(platform.listener_protocol, platform.listener_port).apply(
            lambda given: Listener(protocol=given[0], port=given[1])
        )
        asking, paths = self._sign_in(sign_in, stack, host, home, platform)
        annotations = pulumi.Output.all(listener, platform.ingress_annotations, asking).apply(
            lambda given: {**ingress_annotations(given[0]), **given[1], **given[2]}
        )
        spec = pulumi.Output.all(host, listener, platform.ingress_class, paths).apply(
            lambda given: ingress_spec(given[0], given[1], given[2], service, given[3])
        )
        ingress = networking.v1.Ingress(
            "ingress",
            metadata=home.metadata(service, annotations=annotations),
            spec=spec,
            # Never deleted with its namespace: the controller's finalizer needs the Service.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )
        self.url = pulumi.Output.all(listener, host).apply(lambda given: url(given[0], given[1]))
        self.load_balancer = ingress.status.apply(load_balancer_name)
        self.register_outputs({"url": self.url})

    def _sign_in(
        self,
        sign_in: SignIn,
        stack: StackName,
        host: pulumi.Output[str],
        home: Home,
        platform: PlatformFacts,
    ) -> tuple[pulumi.Input[dict[str, str]], pulumi.Input[OpenPaths]]:
        """What the Ingress says of signing in, and which paths go without."""
        if sign_in is SignIn.NONE:
            return {}, []
        # Its SDK takes a while to import, and most stacks have none.
        from infra.app.sign_in import StackSignIn  # noqa: PLC0415

        made = StackSignIn(
            "sign-in",
            stack=stack,
            host=host,
            home=home,
            platform=platform,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made.annotations, made.paths


def load_balancer_name(status: networking.v1.outputs.IngressStatus | None) -> str:
    """The name that the controller wrote into an Ingress, if it did."""
    balancer = status.load_balancer if status else None
    for entry in (balancer.ingress if balancer else None) or ():
        if entry.hostname:
            return entry.hostname
    return ""


def ingress_annotations(listener: Listener) -> dict[str, str]:
    """What the AWS Load Balancer Controller is told by every stack.

    It names no certificate: that is in the class, or the controller finds one by the host's name.
    """
    return {
        f"{ALB}/target-type": "ip",
        f"{ALB}/backend-protocol": "HTTP",
        f"{ALB}/healthcheck-path": "/health/ready",
        f"{ALB}/healthcheck-interval-seconds": "5",
        f"{ALB}/healthcheck-timeout-seconds": "3",
        f"{ALB}/healthy-threshold-count": "2",
        f"{ALB}/unhealthy-threshold-count": "2",
        f"{ALB}/success-codes": "200",
        f"{ALB}/target-group-attributes": (
            f"deregistration_delay.timeout_seconds={_DEREGISTRATION_SECONDS}"
        ),
        TIMEOUT: "420",
        **_listen(listener),
    }


def ingress_spec(
    host: str, listener: Listener, ingress_class: str, service: str, open_paths: OpenPaths
) -> networking.v1.IngressSpecArgs:
    """All of a host's paths lead to one Service, but for those that need no signing in."""
    return networking.v1.IngressSpecArgs(
        ingress_class_name=ingress_class,
        tls=[networking.v1.IngressTLSArgs(hosts=[host])] if listener.protocol == "HTTPS" else None,
        rules=[
            networking.v1.IngressRuleArgs(
                host=host,
                http=networking.v1.HTTPIngressRuleValueArgs(
                    paths=[_path(*path) for path in (*open_paths, ("/", "Prefix", service))]
                ),
            )
        ],
    )


def _path(path: str, path_type: str, service: str) -> networking.v1.HTTPIngressPathArgs:
    return networking.v1.HTTPIngressPathArgs(
        path=path,
        path_type=path_type,
        backend=networking.v1.IngressBackendArgs(
            service=networking.v1.IngressServiceBackendArgs(
                name=service, port=networking.v1.ServiceBackendPortArgs(name="http")
            )
        ),
    )


def url(listener: Listener, host: str) -> str:
    """The address of a host, with the port where a browser needs it."""
    port = "" if _DEFAULT_PORTS[listener.protocol] == listener.port else f":{listener.port}"
    return f"{listener.protocol.lower()}://{host}{port}"


def _listen(listener: Listener) -> dict[str, str]:
    """Where to listen; plain HTTP on the usual port is sent on to HTTPS."""
    ports = [{listener.protocol: listener.port}]
    if listener.protocol == "HTTP":
        return {f"{ALB}/listen-ports": json.dumps(ports)}
    if listener.port == _DEFAULT_PORTS["HTTPS"]:
        ports.insert(0, {"HTTP": _DEFAULT_PORTS["HTTP"]})
    return {
        f"{ALB}/listen-ports": json.dumps(ports),
        f"{ALB}/ssl-redirect": str(listener.port),
        f"{ALB}/ssl-policy": _TLS_POLICY,
    }
