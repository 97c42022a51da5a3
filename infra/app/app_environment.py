"""The environment of an app's containers, composed from ``preview.yaml``.

What the program knows is written into the manifest. The role's login and the pod's address are
known in the cluster alone: there a value refers to variables that come from the role's Secret and
from the pod, and stand first, since Kubernetes resolves only references to earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from contract.app.placeholders import (
    PASSWORD_VARIABLE,
    POD_IP_VARIABLE,
    USER_VARIABLE,
    fill,
    placeholders,
    render,
)
from contract.stack_name import StackKind
from infra.app.app_ingress import app_url
from infra.app.authorities import FILE, VARIABLE, root_certificate
from infra.database.database import PORT
from infra.kubernetes.pod import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contract.stack_name import StackName
    from infra.database.database import ProvisionedDatabase
    from infra.platform_inputs import PlatformInputs
    from infra.source import Source

_CONNECTIONS = 10
"""Connections that a pod may open to a database of the stack's own."""


@dataclass(frozen=True)
class EnvironmentArgs:
    """Arguments of the environment of an app's containers.

    Attributes:
        stack: Stack of the app.
        source: The commit.
        platform: The domain, the load balancer, and how databases are reached.
        provisioned: The database.
        url: URL of the app.
        needs: Values of the placeholders of what the app needs besides.
    """

    stack: StackName
    source: Source
    platform: PlatformInputs
    provisioned: ProvisionedDatabase
    url: pulumi.Input[str]
    needs: Mapping[str, pulumi.Input[str]]


def app_environment(
    variables: Mapping[str, str],
    args: EnvironmentArgs,
    *,
    login: str,
    secrets: Mapping[str, tuple[str, str]] | None = None,
) -> Environment:
    """Return a container's environment.

    Args:
        variables: Variables as ``preview.yaml`` has them, with placeholders.
        args: Values of the placeholders.
        login: Secret with ``username`` and ``password`` of the role that it connects as.
        secrets: Variables taken from a Secret: name to (Secret, key).
    """
    used = {name for value in variables.values() for name in placeholders(value)}
    known = _values(args)
    logins = {USER_VARIABLE: (login, "username"), PASSWORD_VARIABLE: (login, "password")}
    values = {VARIABLE: root_certificate(args.platform.database.ssl_mode)}
    return Environment(
        values=values
        | {name: _replaced(render, value, known) for name, value in variables.items()},
        secrets={**(logins if takes_login(variables) else {}), **(secrets or {})},
        fields={POD_IP_VARIABLE: "status.podIP"} if "pod_ip" in used else {},
    )


def takes_login(variables: Mapping[str, str]) -> bool:
    """Return True if an environment has the login of a role of the database."""
    return any(placeholders(value) & {"user", "password"} for value in variables.values())


def build_arguments(
    arguments: Mapping[str, str], stack: StackName, source: Source, platform: PlatformInputs
) -> dict[str, pulumi.Input[str]]:
    """Return the build arguments of a further image: it may know where it will run."""
    known = _of_stack(stack, source, platform, app_url(stack, platform))
    return {name: _replaced(fill, value, known) for name, value in arguments.items()}


def _replaced(
    replace: Callable[[str, Mapping[str, str]], str],
    value: str,
    known: Mapping[str, pulumi.Input[str]],
) -> pulumi.Input[str]:
    """Replace the placeholders of a value, by `render` or by `fill`."""
    used = {name: known[name] for name in placeholders(value) & known.keys()}
    if not used:
        return replace(value, {})
    return pulumi.Output.all(**used).apply(lambda values: replace(value, values))


def _of_stack(
    stack: StackName, source: Source, platform: PlatformInputs, url: pulumi.Input[str]
) -> dict[str, pulumi.Input[str]]:
    """Return the placeholders that are known before anything of the stack is made."""
    preview = stack.kind is StackKind.PREVIEW
    return {
        "commit": source.commit,
        "pull_request": str(stack.pull_request) if preview else "",
        "environment": stack.kind.value,
        "stack": stack.value,
        "app_host": pulumi.Output.from_input(platform.domain).apply(stack.host),
        "app_url": url,
    }


def _values(args: EnvironmentArgs) -> dict[str, pulumi.Input[str]]:
    """Return the value of each placeholder that the program knows."""
    database, platform = args.provisioned.database, args.platform
    pool_size = _CONNECTIONS if database.pool_size is None else database.pool_size
    ssl_mode = platform.database.ssl_mode
    return {
        "host": database.host,
        "port": str(PORT),
        "name": database.name,
        "sslmode": ssl_mode,
        "tls": ssl_mode,
        "ca_file": FILE,
        "connections": pulumi.Output.from_input(pool_size).apply(lambda size: str(int(size))),
        "snapshot": args.provisioned.snapshot or "",
        **_of_stack(args.stack, args.source, platform, args.url),
        # Behind the load balancer the client's address is in a header, which nobody else may set.
        "proxies": pulumi.Output.from_input(platform.ingress.source_cidrs).apply(",".join),
        **args.needs,
    }
