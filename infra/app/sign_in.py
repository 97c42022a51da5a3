"""A stack's own sign-in: the load balancer admits only members of the user pool.

Cognito allows no wildcard in the addresses that it redirects people back to, so each stack has a
client of its own, for its own host (docs/decisions/0014-people-sign-in-with-cognito.md).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pulumi
from pulumi_aws import cognito, secretsmanager
from pulumi_kubernetes import core

from infra.app.web_service import longest_first
from infra.errors import ProgramError
from infra.kubernetes.ingress_annotations import (
    BYPASS,
    NO_SIGN_IN,
    SCOPES,
    TOKEN,
    sign_in_annotations,
    target_annotations,
)
from infra.kubernetes.pod import NOT_AWAITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import StackName
    from infra.app.web_service import WebBackend
    from infra.kubernetes.namespace_scope import NamespaceScope
    from infra.platform_inputs import PlatformInputs

HEALTH = "health"


class OpenPath(NamedTuple):
    """A path that needs no signing in.

    Attributes:
        path: The path.
        path_type: ``Exact``, ``Prefix`` or ``ImplementationSpecific``.
        service: Name of the Service behind it.
    """

    path: str
    path_type: str
    service: str


class StackSignIn(pulumi.ComponentResource):
    """A client of the user pool, and two Services that need no signing in.

    Attributes:
        annotations: Annotations of the stack's Ingress.
        paths: Paths that need no signing in.
    """

    annotations: pulumi.Output[dict[str, str]]
    paths: pulumi.Output[list[OpenPath]]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        host: pulumi.Input[str],
        scope: NamespaceScope,
        platform: PlatformInputs,
        backends: Sequence[WebBackend],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the client and the Services.

        Args:
            stack: Stack that the client is named after.
            host: Host of the stack.
            scope: Namespace of the Services.
            platform: The user pool and the bypass secret.
            backends: Services behind the Ingress, the app's own first. Its health check needs no
                signing in: it reveals nothing but that the service works.
        """
        super().__init__("previews:service:StackSignIn", name, None, opts)
        check_health(backends)
        pool_arn = pulumi.Output.from_input(platform.sign_in.user_pool_arn).apply(checked_pool)
        client = cognito.UserPoolClient(
            "client",
            name=f"{stack}-sign-in",
            user_pool_id=pool_arn.apply(lambda arn: arn.rpartition("/")[2]),
            # The load balancer requires one, and reads it from Cognito itself.
            generate_secret=True,
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_flows=["code"],
            allowed_oauth_scopes=list(SCOPES),
            supported_identity_providers=platform.sign_in.identity_providers,
            callback_urls=[
                pulumi.Output.from_input(host).apply(lambda at: f"https://{at}/oauth2/idpresponse")
            ],
            prevent_user_existence_errors="ENABLED",
            opts=pulumi.ResourceOptions(parent=self),
        )
        for backend in (health_backend(backends[0]), *map(bypass_backend, backends)):
            core.v1.Service(
                backend.name,
                metadata=scope.metadata(
                    backend.name,
                    annotations={
                        **NO_SIGN_IN,
                        **NOT_AWAITED,
                        **target_annotations(backend.health.ready),
                    },
                ),
                spec=backend.service_spec(),
                opts=scope.deleted_with_namespace(self),
            )
        secret_arn = pulumi.Output.from_input(platform.sign_in.bypass_secret_arn)
        self.paths = secret_arn.apply(lambda arn: open_paths(backends, bypass=bool(arn)))
        bypasses = [bypass_backend(backend).name for backend in backends]
        self.annotations = pulumi.Output.all(
            pool_arn, client.id, platform.sign_in.user_pool_domain, bypass_token(secret_arn)
        ).apply(lambda known: sign_in_annotations(known[0], known[1], known[2], known[3], bypasses))
        self.register_outputs({})


def health_backend(own: WebBackend) -> WebBackend:
    """Return the Service through which the health check is reached without signing in."""
    return replace(own, name=HEALTH)


def check_health(backends: Sequence[WebBackend]) -> None:
    """Check that the health check, which needs no signing in, opens nobody's start page.

    Args:
        backends: Services behind the Ingress, the app's own first.

    Raises:
        ProgramError: It does.
    """
    health = backends[0].health
    starts = {"", *(backend.path.rstrip("/") for backend in backends)}
    for key, path in (("live", health.live), ("ready", health.ready)):
        if path.rstrip("/") in starts:
            at = "" if health.live == health.ready else f".{key}"
            raise ProgramError(
                f"preview.yaml, service.health{at}",
                why=f"it is {path}, the start page of a web service; where people sign in, the"
                " health path is open without signing in",
                remedy="add a route for the health check alone, such as /health, and name it here",
            )


def bypass_backend(backend: WebBackend) -> WebBackend:
    """Return the Service through which a test with the token reaches a backend."""
    return replace(backend, name=f"{BYPASS}-{backend.name}")


def open_paths(backends: Sequence[WebBackend], *, bypass: bool) -> list[OpenPath]:
    """Return the paths that need no signing in.

    The controller puts exact paths first, then those of its own kind, then prefixes.

    Args:
        backends: Services behind the Ingress, the app's own first.
        bypass: True where there is a token that lets tests in.
    """
    health = backends[0].health
    exact = [OpenPath(path, "Exact", HEALTH) for path in dict.fromkeys((health.live, health.ready))]
    if not bypass:
        return exact
    return [
        *exact,
        *(
            OpenPath(pattern, "ImplementationSpecific", bypass_backend(backend).name)
            for backend in longest_first(backends)
            for pattern in _patterns(backend.path)
        ),
    ]


def _patterns(prefix: str) -> list[str]:
    """Write a prefix of whole path elements as patterns of the load balancer."""
    whole = prefix.rstrip("/")
    return [whole, f"{whole}/*"] if whole else ["/*"]


def checked_pool(arn: str) -> str:
    """Return the user pool's ARN.

    Raises:
        ProgramError: Staging has none, but this stack requires signing in.
    """
    if arn:
        return arn
    raise ProgramError(
        "previews:access.signIn",
        why="this stack requires signing in, but staging has no user pool",
        remedy="set it in Pulumi.yaml, which holds for all stacks, and bring staging up first",
    )


def bypass_token(secret_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the token that lets tests in, as a secret; empty where there is none."""

    def read(arn: str) -> pulumi.Output[str]:
        if not arn:
            return pulumi.Output.from_input("")
        found = secretsmanager.get_secret_version_output(secret_id=arn)
        value = found.secret_string.apply(lambda text: checked_token(arn, text or ""))
        return pulumi.Output.secret(value)

    return pulumi.Output.from_input(secret_arn).apply(read)


def checked_token(secret_arn: str, value: str) -> str:
    """Return a bypass token that can't be guessed and matches nothing but itself.

    Raises:
        ProgramError: It is too short, too long, or has other characters; its value is not shown.
    """
    if re.fullmatch(TOKEN, value):
        return value
    raise ProgramError(
        f"secret {secret_arn}",
        why=f"its value is no token: expected 32 to 128 letters, digits, - or _; it has"
        f" {len(value)} characters",
        remedy="store one: aws secretsmanager put-secret-value"
        f' --secret-id {secret_arn} --secret-string "$(openssl rand -hex 32)"',
    )
