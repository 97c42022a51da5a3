"""Values of an app's variables in a preview: a placeholder, a secret, a value, or none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.app.placeholders import PLACEHOLDERS, placeholders, verbatim
from previews.adoption.dockerfile import has_secret_name, has_secret_value
from previews.adoption.settings import refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from previews.adoption.repository import Repository
    from previews.adoption.settings import Variable

_DATABASE = {"database", "db", "postgres", "postgresql", "pg", "psql", "sql", "sqlalchemy", "sqla"}
_PARTS = {
    "host": {"host", "hostname", "server", "address"},
    "port": {"port"},
    "user": {"user", "username"},
    "password": {"password", "pass", "pwd"},
    "name": {"db", "name", "database", "dbname"},
    "url": {"url", "uri", "dsn"},
}
_LIBPQ = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "name",
    "PGSSLMODE": "sslmode",
}
_KEY = re.compile(
    r"(^|_)(secret|jwt|signing|encryption|session|fernet|auth)_?(\w+_)?key$", re.IGNORECASE
)
_SIGNS = re.compile(r"(^|_)(jwt|session)\w*_(secret|key)$|(^|_)secret_key$", re.IGNORECASE)
_FOREIGN = re.compile(
    r"stripe|aws|openai|anthropic|sendgrid|mailgun|twilio|smtp|mail_|github|google|oauth|slack"
    r"|azure|s3_|client_secret|sentry|api_?key|access_?key",
    re.IGNORECASE,
)
_SERVERS = {
    "redis": "Redis",
    "valkey": "Redis",
    "celery_broker": "broker",
    "rabbit": "RabbitMQ",
    "amqp": "RabbitMQ",
    "mongo": "MongoDB",
    "elastic": "Elasticsearch",
    "kafka": "Kafka",
    "minio": "object store",
}
_MANY = re.compile(r"\b(list|set|tuple|sequence|frozenset)\[", re.IGNORECASE)
_DRIVER = re.compile(r"_(type|driver|engine|dialect|scheme)$", re.IGNORECASE)
_OTHER_DATABASE = re.compile(r"sqlite|mysql|mariadb|mssql|oracle", re.IGNORECASE)
_SITE = re.compile(
    r"(frontend|server|backend|app|base|site|public|web|client)_?(host|url|uri)|origin",
    re.IGNORECASE,
)


_REDIS = re.compile(r"(^|_)(redis|valkey)(_|$)|^celery_(broker|result)", re.IGNORECASE)
_MAIL = re.compile(r"(^|_)(smtp|mail|email|emails)(_|$)", re.IGNORECASE)
_BUCKET = re.compile(r"(^|_)bucket(_name)?$", re.IGNORECASE)
_REGION = re.compile(r"^(aws|s3)_(default_)?region(_name)?$", re.IGNORECASE)
_ENDS = (
    (re.compile(r"_(url|uri|dsn|broker|backend)$", re.IGNORECASE), "url"),
    (re.compile(r"_(host|hostname|server|address)$", re.IGNORECASE), "host"),
    (re.compile(r"_port$", re.IGNORECASE), "port"),
    (re.compile(r"_(start)?(tls|ssl)$|_(tls|ssl)_enabled$", re.IGNORECASE), "tls"),
    (re.compile(r"_(password|pass)$", re.IGNORECASE), "password"),
)
_IN_COMPOSE = {"redis": r"redis|valkey", "mail": r"mailcatcher|mailpit|mailhog|maildev"}


@dataclass(frozen=True)
class Values:
    """Variables of a preview.

    Attributes:
        environment: Value of each variable of the environment, and a comment.
        secrets: ``generate``, or the name in Secrets Manager, and a comment.
        remarks: Things that a person has to know or to do.
    """

    environment: dict[str, tuple[str, str]]
    secrets: dict[str, tuple[str, str]]
    remarks: list[str]


def values_of(repository: Repository, ask: Callable[[str, str], str]) -> Values:
    """Propose the variables of a preview.

    Args:
        repository: The repository.
        ask: Asks a question, with a proposal.
    """
    values = Values({}, {}, [])
    parts = {name: _database_part(name) for name in repository.variables}
    needed = _of_needs(repository)
    values.environment.update({name: (value, "") for name, value in needed.items()})
    separate = {part for part in parts.values() if part in {"host", "user", "password"}}
    for name, variable in sorted(repository.variables.items()):
        if name in needed or re.search(r"(^|_)TEST(_|$)", name.upper()):
            continue
        part = parts[name]
        if part == "url" and "host" in separate and not variable.required:
            continue  # The app composes it from the others.
        if part:
            values.environment[name] = _of_database(repository, variable, part)
        else:
            _other(repository, variable, values, ask)
    known = {part for name, part in parts.items() if part and name in values.environment}
    if not known & {"url", "host"}:
        name = ask("Which variable has the URL of the database?", "DATABASE_URL")
        values.environment[name] = (_url(repository, name, ""), "review: not found in the source")
        values.remarks.append(
            f"no variable with the database's address was found; {name} is a guess: name the one"
            " that the app reads"
        )
    elif "url" not in known and "PGSSLMODE" not in values.environment:
        values.environment["PGSSLMODE"] = ("{sslmode}", "libpq and asyncpg read it")
    if (
        repository.alembic
        and repository.alembic.rewrites
        and any("+asyncpg" in value for value, _ in values.environment.values())
    ):
        values.remarks.append(
            f"{repository.alembic.scripts}/env.py replaces the driver asyncpg in the URL, but"
            " asyncpg's `ssl=` is `sslmode=` elsewhere: check that it replaces this too"
        )
    given = values.environment.keys() | values.secrets.keys()
    for validator, where, fields in refusals(repository.source):
        missing = [name for name in fields if name.upper() not in given]
        if missing:
            values.remarks.append(
                f"{validator} ({where}) may refuse to start; it reads {', '.join(missing)}, which"
                " the draft leaves at their defaults"
            )
    return values


def _of_needs(repository: Repository) -> dict[str, str]:
    """Return the variables of servers that a preview can have of its own, with their values.

    A server that the app works without is one only if compose runs it.
    """
    images = " ".join(str(one.get("image") or "") for one in repository.services.values())
    found: dict[str, dict[str, str]] = {"redis": {}, "mail": {}, "bucket": {}}
    for name, variable in sorted(repository.variables.items()):
        default = variable.default or repository.examples.get(name, "")
        end = next((kind for pattern, kind in _ENDS if pattern.search(name)), "")
        # A broker's URL may be of another server.
        is_redis = _REDIS.search(name) and (end != "url" or re.match(r"rediss?:|$", default))
        need = "redis" if is_redis else "mail" if _MAIL.search(name) else ""
        wanted = (
            variable.required
            or default
            or (need and re.search(_IN_COMPOSE[need], images) is not None)
        )
        value = _of_need(need, end, variable, default)
        if need and wanted and value is not None:
            found[need][name] = value
        elif wanted and _BUCKET.search(name):
            found["bucket"][name] = "{bucket}"
        elif _REGION.search(name):
            found["bucket"][name] = "{bucket_region}"
    # A port or a region alone is of no server.
    named = {
        "redis": ("{redis_url}", "{redis_host}"),
        "mail": ("{smtp_host}",),
        "bucket": ("{bucket}",),
    }
    return {
        name: value
        for need, variables in found.items()
        if any(value.startswith(named[need]) for value in variables.values())
        for name, value in variables.items()
    }


def _of_need(need: str, end: str, variable: Variable, default: str) -> str | None:
    if need == "redis" and end == "url":
        number = re.search(r"^rediss?://[^/]+(/\d+)", default)
        return "{redis_url}" + (number[1] if number else "")
    values = {
        ("redis", "host"): "{redis_host}",
        ("redis", "port"): "{redis_port}",
        ("mail", "host"): "{smtp_host}",
        ("mail", "port"): "{smtp_port}",
    }
    if end == "tls" and variable.kind.startswith("bool") and default != "false":
        return "false"
    # There is no password, and a client that sends one is refused.
    if need == "redis" and end == "password" and (variable.required or default):
        return ""
    return values.get((need, end))


def _database_part(name: str) -> str | None:
    if name.upper() in _LIBPQ:
        return _LIBPQ[name.upper()]
    words = [word for word in re.split(r"_+", name.lower()) if word]
    if not words or not set(words) & _DATABASE:
        return None
    if words[-2:] == ["pool", "size"]:
        return "connections"
    if words[-2:] == ["connection", "string"]:
        return "url"
    # `DB` alone says nothing, and neither does `DB_SCHEMA`.
    of_database = set(words[:-1]) & _DATABASE
    return next((part for part, ends in _PARTS.items() if words[-1] in ends and of_database), None)


def _of_database(repository: Repository, variable: Variable, part: str) -> tuple[str, str]:
    if part == "url":
        return _url(repository, variable.name, variable.default), ""
    return f"{{{part}}}", ""


def _url(repository: Repository, name: str, default: str) -> str:
    """Return the URL with the scheme that the app expects."""
    installed = repository.dependencies
    example = next(
        (
            text
            for text in (default, repository.examples.get(name, ""))
            if re.match(r"postgres(ql)?(\+\w+)?://", text)
        ),
        "",
    )
    with_orm = bool(installed & {"sqlalchemy", "sqlmodel"})
    psycopg3 = "psycopg" in installed and not any(one.startswith("psycopg2") for one in installed)
    if "ASYNC" in name.upper() and "asyncpg" in installed and with_orm:
        scheme = "postgresql+asyncpg"
    elif example:
        scheme = example.partition("://")[0]
    elif with_orm and "asyncpg" in installed:
        scheme = "postgresql+asyncpg"
    elif with_orm and psycopg3:
        scheme = "postgresql+psycopg"
    else:
        scheme = "postgresql"
    return f"{scheme}://{{user}}:{{password}}@{{host}}:{{port}}/{{name}}?{{tls}}"


def _other(
    repository: Repository,
    variable: Variable,
    values: Values,
    ask: Callable[[str, str], str],
) -> None:
    name, default = variable.name, variable.default
    is_secret = has_secret_name(name) or "Secret" in variable.kind or _KEY.search(name) is not None
    is_secret = is_secret and not variable.kind.startswith(("bool", "int", "float"))
    local = "localhost" in default or "127.0.0.1" in default
    server = next((what for word, what in _SERVERS.items() if word in name.lower()), None)
    if is_secret:
        signs = _SIGNS.search(name) and not _FOREIGN.search(name)
        if variable.required or default or signs:
            _secret(variable, values)
    elif server and (variable.required or local or default):
        if name.upper().endswith(("URL", "URI", "HOST", "SERVER", "DSN", "ENDPOINT")):
            values.remarks.append(
                f"{name} ({variable.where}): a preview has no {server}; if the"
                " app needs it, name one that previews share, and add it to `egress`"
            )
        if variable.required:
            proposal = _asked(repository, variable, ask)[0]
            values.environment[name] = (proposal, f"review: a preview has no {server}")
    elif known := _usual(variable, repository.examples.get(name, ""), local=local):
        values.environment[name] = known
    elif variable.required:
        values.environment[name] = _asked(repository, variable, ask)


def _usual(variable: Variable, example: str, *, local: bool) -> tuple[str, str] | None:
    """Return the value of a variable whose meaning its name tells."""
    name, default = variable.name, variable.default
    if "allowed_hosts" in name.lower() and local:
        return '["*"]', "the load balancer sends it only its own host"
    if re.search(r"migrat", name, re.IGNORECASE) and default == "true":
        return "false", "the Job migrates, as the role that owns the schema"
    if _DRIVER.search(name) and _OTHER_DATABASE.match(default):
        usual = "postgresql+asyncpg" if "aio" in default else "postgresql"
        found = verbatim(example) if example.startswith("postgres") else usual
        return found, f"its default is {default}"
    if not (local or variable.required):
        return None
    if _SITE.search(name):
        is_list = default.startswith("[") or bool(_MANY.search(variable.kind))
        return ('["{app_url}"]' if is_list else "{app_url}"), ""
    return ("{app_host}", "") if name.upper() in {"DOMAIN", "HOSTNAME"} else None


def _secret(variable: Variable, values: Values) -> None:
    if _FOREIGN.search(variable.name):
        kebab = re.sub(r"[^a-z0-9]+", "-", variable.name.lower()).strip("-")
        values.secrets[variable.name] = (f"name: {kebab}", "create it in Secrets Manager")
        return
    comment = ""
    if "fernet" in variable.name.lower():
        comment = "review: a Fernet key has a form of its own, so name one in Secrets Manager"
    values.secrets[variable.name] = ("generate", comment)


def _asked(
    repository: Repository, variable: Variable, ask: Callable[[str, str], str]
) -> tuple[str, str]:
    """Return the value of a variable without a default: the repository's example, or the answer."""
    proposal = _proposal(repository, variable)
    example = repository.examples.get(variable.name, "")
    if proposal and proposal == example:
        return verbatim(proposal), "from the repository's example"
    answer = ask(f"{variable.name} ({variable.where}) has no default. Its value?", proposal)
    value = answer if placeholders(answer) <= PLACEHOLDERS.keys() else verbatim(answer)
    return value, "" if answer != proposal else f"review: no default in {variable.where}"


def _proposal(repository: Repository, variable: Variable) -> str:
    kind, example = variable.kind, repository.examples.get(variable.name, "")
    words = re.findall(r"[\"']([\w-]+)[\"']", kind) if kind.startswith("Literal") else []
    if words:
        usual = [word for word in ("staging", "production", "prod") if word in words]
        return (usual or words)[0]
    if example and not has_secret_value(example) and "localhost" not in example:
        return example
    usual_values = (
        (kind.startswith("bool"), "false"),
        (kind.startswith(("int", "float")), "1"),
        ("Email" in kind or "email" in variable.name.lower(), "preview@example.com"),
        ("Url" in kind, "{app_url}"),
    )
    return next((value for fits, value in usual_values if fits), "preview")
