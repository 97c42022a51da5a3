"""Settings of the service from its environment, typed and validated once.

Nothing else in ``service`` reads ``os.environ``. The names are the contract with the manifests
that run the image.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from limits import parse
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ConfigurationError(Exception):
    """A missing or invalid variable; the message names each one, never its value."""


def _split(value: object) -> object:
    """Read ``a,b`` as a list, so that no JSON has to be written in a manifest."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _rate(value: str) -> str:
    parse(value)
    return value


RateLimit = Annotated[str, AfterValidator(_rate)]
StringList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class DatabaseAddress(_Settings):
    """Address of PostgreSQL: ``DATABASE_*``.

    Attributes:
        host: Name or address of the server.
        port: TCP port.
        name: The database.
        sslmode: libpq's ``sslmode``. ``require`` encrypts, ``verify-full`` also authenticates
            the server.
        sslrootcert: PEM bundle of the authorities that ``verify-ca`` and ``verify-full`` trust;
            Amazon's for RDS if None.
    """

    model_config = SettingsConfigDict(env_prefix="DATABASE_")

    host: str = Field(min_length=1)
    port: int = Field(default=5432, ge=1, le=65535)
    name: str = Field(min_length=1)
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = (
        "require"
    )
    sslrootcert: Path | None = None


class DatabaseLogin(DatabaseAddress):
    """A login, and its timeouts.

    Attributes:
        user: Role.
        password: Its password.
        connect_timeout_seconds: Limit on opening a connection.
        statement_timeout_seconds: Limit on one statement, enforced by the server; 0 for none.
        lock_timeout_seconds: Limit on waiting for a lock, enforced by the server.
        deadline_seconds: Limit on a transaction's total wait for the server, enforced by the
            client, for a server that is frozen or unreachable.
    """

    user: str = Field(min_length=1)
    password: SecretStr
    connect_timeout_seconds: float = Field(default=3, gt=0, le=60)
    statement_timeout_seconds: float = Field(default=5, ge=0, le=3600)
    lock_timeout_seconds: float = Field(default=2, gt=0, le=300)
    deadline_seconds: float = Field(default=6, gt=0, le=600)


class DatabaseSettings(DatabaseLogin):
    """Settings of the service's connections to PostgreSQL.

    Attributes:
        pool_size: Connections of this process, and so the most requests that use the database
            at once. There is no overflow.
        pool_wait_seconds: Time that a request waits for a connection before it gets 503.
        pool_waiters: Number of requests that may wait; the next one gets 503 immediately.
        health_timeout_seconds: Limit on the query of health checks.
    """

    pool_size: int = Field(default=10, ge=1, le=200)
    pool_wait_seconds: float = Field(default=0.8, gt=0, le=30)
    pool_waiters: int = Field(default=200, ge=0)
    health_timeout_seconds: float = Field(default=1, gt=0, le=30)


class MigrationSettings(DatabaseLogin):
    """The role that owns the schema, with timeouts for migrations.

    A step sets a statement timeout of its own; the one here limits a step without one.
    """

    connect_timeout_seconds: float = Field(default=10, gt=0, le=60)
    statement_timeout_seconds: float = Field(default=300, ge=0, le=3600)
    lock_timeout_seconds: float = Field(default=10, gt=0, le=300)
    deadline_seconds: float = Field(default=300, gt=0, le=600)


class GateSettings(_Settings):
    """Limits on a migration's locks: ``MIGRATION_*``.

    Attributes:
        max_lock_seconds: Limit on the duration of a blocking lock. Without it the migration is
            applied unobserved, as in staging, where a trial would block users as well.
        long_locks_meant: True if longer locks are intended, and only reported.
    """

    model_config = SettingsConfigDict(env_prefix="MIGRATION_")

    max_lock_seconds: float | None = Field(default=None, gt=0, le=3600)
    long_locks_meant: bool = False


class BuildInformation(_Settings):
    """The running version, for people: ``APP_*``.

    Attributes:
        commit: The commit that the image was built from.
        pull_request: Number of the pull request, in a preview.
        snapshot: The database snapshot with a preview's data.
        environment: ``staging``, ``pr-42``, ``development``.
    """

    model_config = SettingsConfigDict(env_prefix="APP_")

    commit: str = "unknown"
    pull_request: int | None = Field(default=None, ge=1)
    snapshot: str | None = None
    environment: str = "development"

    @field_validator("pull_request", "snapshot", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        """Convert an empty variable to None, since manifests can't omit one."""
        return None if value == "" else value


class Settings(_Settings):
    """Settings of the server.

    Attributes:
        host: Address to listen on.
        port: TCP port to listen on.
        log_level: Lowest level that is written.
        log_format: ``json``, ``console``, or ``auto``: console on a terminal, else JSON.
        drain_seconds: Time after SIGTERM in which requests are still accepted while readiness
            already fails, for load balancers that check readiness.
        shutdown_seconds: Limit on running requests after that.
        trusted_proxies: Addresses and networks whose ``X-Forwarded-*`` headers are trusted.
        allowed_hosts: Accepted ``Host`` headers, ``*.example.com`` for subdomains.
        cors_origins: Origins whose browsers may call the API.
        max_body_bytes: Limit on a request's body.
        rate_limit_client: Limit of one client, in the notation of ``limits``.
        rate_limit_user: Limit of one credential, in addition to its client's.
        rate_limit_storage: ``memory://`` counts in this process, ``redis://host`` in all pods.
        otlp_endpoint: Receiver of traces, OTLP over HTTP (``OTEL_EXPORTER_OTLP_ENDPOINT``); None
            disables traces.
        service_name: Name in traces (``OTEL_SERVICE_NAME``).
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    drain_seconds: float = Field(default=1, ge=0, le=60)
    shutdown_seconds: float = Field(default=7, gt=0, le=300)
    trusted_proxies: StringList = ("127.0.0.0/8",)
    allowed_hosts: StringList = ("*",)
    cors_origins: StringList = ()
    max_body_bytes: int = Field(default=64 * 1024, ge=1024)
    rate_limit_client: RateLimit = "6000/minute"
    rate_limit_user: RateLimit = "6000/minute"
    rate_limit_storage: str = Field(default="memory://", pattern=r"^(memory|rediss?)://")
    otlp_endpoint: str | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
        ),
    )
    service_name: str = Field(default="customers", validation_alias="OTEL_SERVICE_NAME")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value


Model = TypeVar("Model", bound=BaseSettings)


def load(model: type[Model], **values: Any) -> Model:
    """Read ``model`` from the environment.

    Args:
        model: The settings to read.
        values: Overrides, for tests.

    Raises:
        ConfigurationError: A variable is missing or invalid. The message has one line for each.
    """
    try:
        return model(**values)
    except ValidationError as error:
        prefix = str(model.model_config.get("env_prefix", ""))
        lines = (
            f"{prefix}{part['loc'][0] if part['loc'] else ''}".upper() + f": {part['msg']}"
            for part in error.errors(include_url=False, include_context=False, include_input=False)
        )
        msg = "The environment is invalid:\n" + "\n".join(lines)
        raise ConfigurationError(msg) from None
