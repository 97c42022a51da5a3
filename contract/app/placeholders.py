"""Placeholders in the environment of an app: ``postgresql://{user}:{password}@{host}/{name}``.

The login is in a Secret that is generated in the cluster, so a value with it is composed there
too: `render` writes ``$(VARIABLE)`` in its place, which Kubernetes replaces in the container. It
replaces ``$$`` by ``$`` too, so each ``$`` of a text is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

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

# From the left, so that `{{{name}}}` is a brace, a placeholder and a brace.
_TOKEN = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<name>[a-z_]+)\}")
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
        for _, found in _tokens(value):
            if found and found not in known:
                msg = (
                    f"{variable}: {{{found}}} is no placeholder; known are "
                    f"{', '.join(f'{{{name}}}' for name in PLACEHOLDERS if name in known)};"
                    " write {{ and }} for braces"
                )
                raise ValueError(msg)
    return environment


def placeholders(value: str) -> set[str]:
    """Return the names of the placeholders in a value."""
    return {name for _, name in _tokens(value) if name}


def literals(value: str) -> str:
    """Return a value without its placeholders."""
    return "".join(text for text, _ in _tokens(value))


def verbatim(text: str) -> str:
    """Return the value that stands for a text, whatever braces it has."""
    if _TOKEN.search(text) is None:
        return text
    return text.replace("{", "{{").replace("}", "}}")


def render(value: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders, in the syntax of a container's environment.

    Args:
        value: Value as written in ``preview.yaml``.
        values: Value of each placeholder that is not in `IN_CLUSTER`; that of ``tls`` is the
            ``sslmode``, from which and from the URL's driver the query follows.
    """
    driver_is_asyncpg = _ASYNCPG.match(value) is not None

    def one(name: str) -> str:
        if name in IN_CLUSTER:
            return f"$({IN_CLUSTER[name]})"
        if name == "tls":
            return f"{'ssl' if driver_is_asyncpg else 'sslmode'}={values['tls']}"
        return unexpanded(values[name])

    return "".join(one(name) if name else unexpanded(text) for text, name in _tokens(value))


def fill(value: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders where nobody expands variables: the value is used as it is."""
    return "".join(values[name] if name else text for text, name in _tokens(value))


def unexpanded(text: str) -> str:
    """Return a text that Kubernetes expands to the given one, in an environment or a command.

    There ``$(NAME)`` is a variable's value, and ``$$`` is ``$``.
    """
    return text.replace("$", "$$")


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a value from the left: a literal text, or the name of a placeholder."""
    at = 0
    for match in _TOKEN.finditer(value):
        yield value[at : match.start()], ""
        yield (match["brace"] or "")[:1], match["name"] or ""
        at = match.end()
    yield value[at:], ""
