"""The Ingress: a stack's host on the load balancer that all stacks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import networking

from infra.config.access import SignIn
from infra.config.platform import Listener
from infra.kubernetes.ingress_annotations import DEFAULT_PORTS, app_annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.app.sign_in import OpenPath
    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs


class AppIngress(pulumi.ComponentResource):
    """The Ingress of a stack: created last, deleted first.

    Attributes:
        url: URL of the service.
        load_balancer: DNS name of the load balancer; empty until its controller reports one.
    """

    url: pulumi.Output[str]
    load_balancer: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        scope: NamespaceScope,
        service: str,
        platform: PlatformInputs,
        sign_in: SignIn,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Ingress.

        Args:
            stack: Stack whose host it serves.
            scope: Namespace of the Ingress.
            service: Name of the Service behind it.
            platform: The load balancer and the domain.
            sign_in: Sign-in that is required before a request gets to the service.
            depends_on: Resources that are created before it and deleted after it.
        """
        super().__init__("previews:service:FrontDoor", name, None, opts)
        host = pulumi.Output.from_input(platform.domain).apply(stack.host)
        listener = pulumi.Output.all(platform.ingress.protocol, platform.ingress.port).apply(
            lambda values: Listener(protocol=values[0], port=values[1])
        )
        required, paths = self._sign_in(sign_in, stack, host, scope, platform)
        annotations = pulumi.Output.all(listener, platform.ingress.annotations, required).apply(
            lambda values: {**app_annotations(values[0]), **values[1], **values[2]}
        )
        spec = pulumi.Output.all(host, listener, platform.ingress.class_name, paths).apply(
            lambda values: ingress_spec(values[0], values[1], values[2], service, values[3])
        )
        ingress = networking.v1.Ingress(
            "ingress",
            metadata=scope.metadata(service, annotations=annotations),
            spec=spec,
            # Never deleted with its namespace: the controller's finalizer needs the Service.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]),
        )
        self.url = pulumi.Output.all(listener, host).apply(lambda values: url(values[0], values[1]))
        self.load_balancer = ingress.status.apply(load_balancer_name)
        self.register_outputs({"url": self.url})

    def _sign_in(
        self,
        sign_in: SignIn,
        stack: StackName,
        host: pulumi.Output[str],
        scope: NamespaceScope,
        platform: PlatformInputs,
    ) -> tuple[pulumi.Input[dict[str, str]], pulumi.Input[list[OpenPath]]]:
        """Annotations that require signing in, and the paths that need none."""
        if sign_in is SignIn.NONE:
            return {}, []
        # Its SDK takes a while to import, and most stacks have none.
        from infra.app.sign_in import StackSignIn  # noqa: PLC0415

        required = StackSignIn(
            "sign-in",
            stack=stack,
            host=host,
            scope=scope,
            platform=platform,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return required.annotations, required.paths


def load_balancer_name(status: networking.v1.outputs.IngressStatus | None) -> str:
    """Return the DNS name that the controller wrote into an Ingress; empty for none."""
    balancer = status.load_balancer if status else None
    for entry in (balancer.ingress if balancer else None) or ():
        if entry.hostname:
            return entry.hostname
    return ""


def ingress_spec(
    host: str, listener: Listener, ingress_class: str, service: str, open_paths: list[OpenPath]
) -> networking.v1.IngressSpecArgs:
    """Return the spec: all paths of a host lead to one Service, except those in `open_paths`."""
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


def url(listener: Listener, host: str) -> str:
    """Return the URL of a host, with the port where a browser needs it."""
    port = "" if DEFAULT_PORTS[listener.protocol] == listener.port else f":{listener.port}"
    return f"{listener.protocol.lower()}://{host}{port}"


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
