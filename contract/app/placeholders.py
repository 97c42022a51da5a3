"""Placeholders in the environment of an app: ``postgresql://{user}:{password}@{host}/{name}``.

The login is in a Secret that is generated in the cluster, so a value with it is composed there
too: `render` writes ``$(VARIABLE)`` in its place, which Kubernetes replaces in the container.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

USER_VARIABLE = "PREVIEW_DATABASE_USER"
"""Variable with the role's name, which ``{user}`` refers to."""

PASSWORD_VARIABLE = "PREVIEW_DATABASE_PASSWORD"  # noqa: S105  a variable's name
"""Variable with the role's password, which ``{password}`` refers to."""

POD_IP_VARIABLE = "PREVIEW_POD_IP"
"""Variable with the pod's address, which ``{pod_ip}`` refers to."""

IN_CLUSTER = {"user": USER_VARIABLE, "password": PASSWORD_VARIABLE, "pod_ip": POD_IP_VARIABLE}
"""Placeholders whose value only the cluster knows, and the variables with them."""

PLACEHOLDERS = {
    "host": "address of the database server",
    "port": "its TCP port",
    "name": "name of the database",
    "user": "role that the container connects as",
    "password": "the role's password; it has only letters and digits, so that it is safe in a URL",
    "sslmode": "libpq's sslmode, such as `verify-full`",
    "tls": "query of a database URL that requires TLS, for the driver that the URL names",
    "ca_file": "file with Amazon's authorities, for a driver that does not read PGSSLROOTCERT",
    "connections": "most connections that a pod may open to the database",
    "snapshot": "snapshot that the data comes from; empty on staging",
    "commit": "hash of the commit",
    "pull_request": "number of the pull request; empty on staging",
    "environment": "`preview` or `staging`",
    "stack": "name of the stack, such as `pr-42`",
    "app_host": "host name of the app",
    "app_url": "URL of the app, without a slash at its end",
    "pod_ip": "address of the pod",
    "proxies": "networks of the load balancer, with commas; its X-Forwarded-* headers are true",
    "redis_url": "URL of Redis, without the number of a database: `redis://redis:6379`",
    "redis_host": "host name of Redis",
    "redis_port": "its TCP port",
    "smtp_host": "host name of the mail server",
    "smtp_port": "its SMTP port, without TLS and without a login",
    "mail_url": "URL of the page that shows the mail, without a slash at its end",
    "bucket": "name of the S3 bucket",
    "bucket_region": "AWS region of the bucket",
}
"""Placeholders and their meaning."""

NEED_OF = {
    "redis_url": "redis",
    "redis_host": "redis",
    "redis_port": "redis",
    "smtp_host": "mail",
    "smtp_port": "mail",
    "mail_url": "mail",
    "bucket": "bucket",
    "bucket_region": "bucket",
}
"""Placeholders that only an app with a need has, and the need: a key of ``needs``."""

IN_BUILDS = frozenset({"app_host", "app_url", "commit", "environment", "pull_request", "stack"})
"""Placeholders that the build of a further image knows; none of them is a secret."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_ASYNCPG = re.compile(r"^[a-z]+\+asyncpg:|^asyncpg:")


def check_placeholders(
    environment: dict[str, str], known: Collection[str] = PLACEHOLDERS
) -> dict[str, str]:
    """Check that every placeholder is known.

    Args:
        environment: Values by variable.
        known: Names of the placeholders that are known there.

    Raises:
        ValueError: One is not; ``{{`` and ``}}`` stand for braces.
    """
    for variable, value in environment.items():
        for found in _PLACEHOLDER.findall(_without_braces(value)):
            if found not in known:
                msg = (
                    f"{variable}: {{{found}}} is no placeholder; known are "
                    f"{', '.join(f'{{{name}}}' for name in PLACEHOLDERS if name in known)};"
                    " write {{ and }} for braces"
                )
                raise ValueError(msg)
    return environment


def placeholders(value: str) -> set[str]:
    """Return the names of the placeholders in a value."""
    return set(_PLACEHOLDER.findall(_without_braces(value)))


def render(value: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders, in the syntax of a container's environment.

    Args:
        value: Value as written in ``preview.yaml``.
        values: Value of each placeholder that is not in `IN_CLUSTER`; that of ``tls`` is the
            ``sslmode``, from which and from the URL's driver the query follows.
    """
    driver_is_asyncpg = _ASYNCPG.match(value) is not None

    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name in IN_CLUSTER:
            return f"$({IN_CLUSTER[name]})"
        if name == "tls":
            return f"{'ssl' if driver_is_asyncpg else 'sslmode'}={values['tls']}"
        return _literal(values[name])

    return _replace(value, lambda part: _PLACEHOLDER.sub(one, _literal(part)))


def fill(value: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders for a process of this machine, which gets the value as it is."""
    return _replace(value, lambda part: _PLACEHOLDER.sub(lambda match: values[match[1]], part))


def _replace(value: str, replaced: Callable[[str], str]) -> str:
    """Replace what is between doubled braces, which become single ones."""
    braces = {"{{": "{", "}}": "}"}
    parts = re.split(r"(\{\{|\}\})", value)
    return "".join(braces[part] if part in braces else replaced(part) for part in parts)


def _literal(text: str) -> str:
    """Escape what Kubernetes would take for a reference to a variable."""
    return text.replace("$(", "$$(")


def _without_braces(value: str) -> str:
    return value.replace("{{", "").replace("}}", "")
