"""The Ingress: a stack's host on the load balancer that all stacks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import networking

from infra.app.web_service import longest_first
from infra.config.access import SignIn
from infra.config.platform import Listener
from infra.errors import ProgramError
from infra.kubernetes.ingress_annotations import DEFAULT_PORTS, app_annotations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contract.stack_name import StackName
    from infra.app.sign_in import OpenPath
    from infra.app.web_service import WebBackend
    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs

NAME = "service"
"""Name of the Ingress."""


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
        backends: Sequence[WebBackend],
        idle_timeouts: Mapping[str, int],
        platform: PlatformInputs,
        sign_in: SignIn,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the Ingress.

        Args:
            stack: Stack whose host it serves.
            scope: Namespace of the Ingress.
            backends: Services behind it, the app's own first.
            idle_timeouts: Longest silence of a connection that the app needs, by the key of the
                web service in ``preview.yaml``.
            platform: The load balancer and the domain.
            sign_in: Sign-in that is required before a request gets to the service.
            depends_on: Resources that are created before it and deleted after it.
        """
        super().__init__("previews:service:FrontDoor", name, None, opts)
        host = pulumi.Output.from_input(platform.domain).apply(stack.host)
        listener = _listener(platform)
        required, paths = self._sign_in(sign_in, stack, host, scope, platform, backends)
        allowed = pulumi.Output.from_input(platform.ingress.idle_timeout_seconds).apply(
            lambda seconds: checked_idle_timeout(idle_timeouts, int(seconds))
        )
        annotations = pulumi.Output.all(
            listener, platform.ingress.annotations, required, allowed
        ).apply(lambda values: {**app_annotations(values[0]), **values[1], **values[2]})
        spec = pulumi.Output.all(host, listener, platform.ingress.class_name, paths).apply(
            lambda values: ingress_spec(values[0], values[1], values[2], backends, values[3])
        )
        ingress = networking.v1.Ingress(
            "ingress",
            metadata=scope.metadata(NAME, annotations=annotations),
            spec=spec,
            # Never deleted with its namespace: the controller's finalizer needs the Service.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]),
        )
        self.url = app_url(stack, platform)
        self.load_balancer = ingress.status.apply(load_balancer_name)
        self.register_outputs({"url": self.url})

    def _sign_in(
        self,
        sign_in: SignIn,
        stack: StackName,
        host: pulumi.Output[str],
        scope: NamespaceScope,
        platform: PlatformInputs,
        backends: Sequence[WebBackend],
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
            backends=backends,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return required.annotations, required.paths


def checked_idle_timeout(timeouts: Mapping[str, int], allowed: int) -> int:
    """Return the load balancer's idle timeout, which all stacks share.

    Args:
        timeouts: What the app needs, by the key of the web service.
        allowed: The load balancer's.

    Raises:
        ProgramError: The app needs a longer one.
    """
    key, needed = max(timeouts.items(), key=lambda one: one[1])
    if needed <= allowed:
        return allowed
    raise ProgramError(
        f"preview.yaml, {key}.idle_timeout_seconds",
        why=f"it is {needed}, but the load balancer that all apps share closes a connection after"
        f" {allowed} s of silence",
        remedy="need less, or raise it for all: `pulumi config set --path"
        f" previews:loadBalancer.idleTimeoutSeconds {needed} -s staging`, `pulumi up -s staging`",
    )


def load_balancer_name(status: networking.v1.outputs.IngressStatus | None) -> str:
    """Return the DNS name that the controller wrote into an Ingress; empty for none."""
    balancer = status.load_balancer if status else None
    for entry in (balancer.ingress if balancer else None) or ():
        if entry.hostname:
            return entry.hostname
    return ""


def app_url(stack: StackName, platform: PlatformInputs) -> pulumi.Output[str]:
    """Return the URL of a stack's app."""
    host = pulumi.Output.from_input(platform.domain).apply(stack.host)
    return pulumi.Output.all(_listener(platform), host).apply(
        lambda values: url(values[0], values[1])
    )


def _listener(platform: PlatformInputs) -> pulumi.Output[Listener]:
    return pulumi.Output.all(platform.ingress.protocol, platform.ingress.port).apply(
        lambda values: Listener(protocol=values[0], port=values[1])
    )


def ingress_spec(
    host: str,
    listener: Listener,
    ingress_class: str,
    backends: Sequence[WebBackend],
    open_paths: list[OpenPath],
) -> networking.v1.IngressSpecArgs:
    """Return the spec: paths in `open_paths`, then each backend's, the longest path first."""
    return networking.v1.IngressSpecArgs(
        ingress_class_name=ingress_class,
        tls=[networking.v1.IngressTLSArgs(hosts=[host])] if listener.protocol == "HTTPS" else None,
        rules=[
            networking.v1.IngressRuleArgs(
                host=host,
                http=networking.v1.HTTPIngressRuleValueArgs(
                    paths=[
                        *(_path(*path) for path in open_paths),
                        *(
                            _path(backend.path, "Prefix", backend.name)
                            for backend in longest_first(backends)
                        ),
                    ]
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
