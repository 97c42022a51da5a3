"""A stack's own sign-in: the load balancer lets through whoever the user pool vouches for.

Cognito takes no wildcard for the addresses to which it sends people back, so each stack has a
client of its own, for its own host (docs/decisions/0014-people-sign-in-with-cognito.md).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import cognito, secretsmanager
from pulumi_kubernetes import core

from infra.app.app_ingress import ALB, OpenPaths
from infra.app.web_service import LABELS
from infra.errors import ProgramError
from infra.kubernetes.pod import NOT_AWAITED

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from infra.kubernetes.namespace_scope import Home
    from infra.platform_outputs import PlatformFacts

HEALTH = "health"
BYPASS = "bypass"
BYPASS_HEADER = "x-preview-bypass"

# They tell nothing but that the service works.
HEALTH_PATHS = ("/health/live", "/health/ready")

_SESSION_SECONDS = 8 * 3600
_SCOPES = ("openid", "email")
# The load balancer takes `*` and `?` for wildcards, and at most 128 characters.
_TOKEN = re.compile(r"[0-9A-Za-z_-]{32,128}")


class StackSignIn(pulumi.ComponentResource):
    """What makes people sign in to one stack, and what does not ask them to.

    Attributes:
        annotations: What the stack's Ingress says of it.
        paths: What needs no signing in.
    """

    annotations: pulumi.Output[dict[str, str]]
    paths: pulumi.Output[OpenPaths]

    def __init__(
        self,
        name: str,
        *,
        stack: StackName,
        host: pulumi.Input[str],
        home: Home,
        platform: PlatformFacts,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the client and the two Services that need no signing in.

        Args:
            name: Pulumi's name of the component.
            stack: Whose it is.
            host: The stack's host.
            home: Where the Services are.
            platform: The user pool, and where the bypass is kept.
            opts: Pulumi's options.
        """
        super().__init__("previews:service:StackSignIn", name, None, opts)
        pool_arn = pulumi.Output.from_input(platform.user_pool_arn).apply(checked_pool)
        client = cognito.UserPoolClient(
            "client",
            name=f"{stack}-sign-in",
            user_pool_id=pool_arn.apply(lambda arn: arn.rpartition("/")[2]),
            # The load balancer asks for one; it reads it from Cognito by itself.
            generate_secret=True,
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_flows=["code"],
            allowed_oauth_scopes=list(_SCOPES),
            supported_identity_providers=platform.identity_providers,
            callback_urls=[
                pulumi.Output.from_input(host).apply(lambda at: f"https://{at}/oauth2/idpresponse")
            ],
            prevent_user_existence_errors="ENABLED",
            opts=pulumi.ResourceOptions(parent=self),
        )
        for service in (HEALTH, BYPASS):
            core.v1.Service(
                service,
                metadata=home.metadata(
                    service, annotations={f"{ALB}/auth-type": "none", **NOT_AWAITED}
                ),
                spec=core.v1.ServiceSpecArgs(
                    type="ClusterIP",
                    selector=LABELS,
                    ports=[
                        core.v1.ServicePortArgs(
                            name="http", port=80, target_port="http", protocol="TCP"
                        )
                    ],
                ),
                opts=home.goes_with(self),
            )
        token = bypass_token(platform.bypass_secret_arn)
        self.paths = pulumi.Output.from_input(platform.bypass_secret_arn).apply(
            lambda arn: open_paths(bypass=bool(arn))
        )
        self.annotations = pulumi.Output.all(
            pool_arn, client.id, platform.user_pool_domain, token
        ).apply(lambda known: sign_in_annotations(known[0], known[1], known[2], known[3]))
        self.register_outputs({})


def open_paths(*, bypass: bool) -> OpenPaths:
    """Path, its type and Service of what needs no signing in; all else leads to the service.

    The controller puts exact paths first, then those of its own kind, then prefixes.
    """
    health = [(path, "Exact", HEALTH) for path in HEALTH_PATHS]
    return [*health, ("/*", "ImplementationSpecific", BYPASS)] if bypass else health


def checked_pool(arn: str) -> str:
    """The user pool's ARN, if staging has one.

    Raises:
        ProgramError: It has none, though this stack wants people to sign in.
    """
    if arn:
        return arn
    raise ProgramError(
        "previews:access.signIn",
        why="this stack wants people to sign in, but staging has no user pool",
        remedy="set it in Pulumi.yaml, which holds for all stacks, and bring staging up first",
    )


def bypass_token(secret_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The value that lets tests in, as a secret; empty where there is none."""

    def read(arn: str) -> pulumi.Output[str]:
        if not arn:
            return pulumi.Output.from_input("")
        found = secretsmanager.get_secret_version_output(secret_id=arn)
        value = found.secret_string.apply(lambda text: checked_token(arn, text or ""))
        return pulumi.Output.secret(value)

    return pulumi.Output.from_input(secret_arn).apply(read)


def checked_token(secret_arn: str, value: str) -> str:
    """A bypass token, if it is one that can't be guessed and matches nothing but itself.

    Raises:
        ProgramError: It is too short, too long, or has other characters; its value is not shown.
    """
    if _TOKEN.fullmatch(value):
        return value
    raise ProgramError(
        f"secret {secret_arn}",
        why=f"it is no token: expected 32 to 128 letters, digits, - or _; it has {len(value)}"
        " characters",
        remedy="put one in: aws secretsmanager put-secret-value"
        f' --secret-id {secret_arn} --secret-string "$(openssl rand -hex 32)"',
    )


def sign_in_annotations(pool_arn: str, client: str, domain: str, token: str) -> dict[str, str]:
    """Sign in to reach any Service but those that say otherwise."""
    idp = {"userPoolARN": pool_arn, "userPoolClientID": client, "userPoolDomain": domain}
    annotations = {
        f"{ALB}/auth-type": "cognito",
        f"{ALB}/auth-idp-cognito": json.dumps(idp, sort_keys=True),
        f"{ALB}/auth-on-unauthenticated-request": "authenticate",
        f"{ALB}/auth-scope": " ".join(_SCOPES),
        f"{ALB}/auth-session-timeout": str(_SESSION_SECONDS),
    }
    if token:
        condition = {
            "field": "http-header",
            "httpHeaderConfig": {"httpHeaderName": BYPASS_HEADER, "values": [token]},
        }
        annotations[f"{ALB}/conditions.{BYPASS}"] = json.dumps([condition], sort_keys=True)
    return annotations
