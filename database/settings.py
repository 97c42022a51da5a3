"""Settings from the environment, typed and validated once.

Nothing else in ``database`` reads ``os.environ``. The names are the contract with the manifests
that run the image (infra/database/).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_LONGEST_NAME = 63


class ConfigurationError(Exception):
    """A missing or invalid variable; the message names each one, never its value."""


class Settings(BaseSettings):
    """Settings that never show a value in an error."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class DatabaseAddress(Settings):
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
    """A login, and its timeouts in seconds.

    Attributes:
        user: Role.
        password: Its password.
        connect_timeout_seconds: Limit on opening a connection.
        statement_timeout_seconds: Limit on one statement; 0 for none. Work that reads whole
            tables removes it.
        lock_timeout_seconds: Limit on waiting for a lock.
        idle_timeout_seconds: Limit on the pauses within a transaction.
        peer_timeout_seconds: Time after which a server that does not acknowledge is taken for
            dead.
    """

    user: str = Field(min_length=1)
    password: SecretStr
    connect_timeout_seconds: float = Field(default=10, gt=0, le=60)
    statement_timeout_seconds: float = Field(default=300, ge=0, le=3600)
    lock_timeout_seconds: float = Field(default=10, gt=0, le=300)
    idle_timeout_seconds: float = Field(default=600, gt=0, le=3600)
    peer_timeout_seconds: float = Field(default=300, gt=0, le=600)


def _split(value: object) -> object:
    """Read ``a,b`` as a list, so that no JSON has to be written in a manifest."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _names(value: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [name for name in value if len(name.encode()) > _LONGEST_NAME]:
        msg = f"longer than {_LONGEST_NAME} bytes: {', '.join(wrong)}"
        raise ValueError(msg)
    return tuple(dict.fromkeys(value))


NameList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_names)]
"""Names, separated by commas."""


class AccessSettings(DatabaseAddress):
    """The master, and the two roles that it creates: ``DATABASE_{MASTER,MIGRATOR,APP}_*``.

    Attributes:
        extensions: Extensions of PostgreSQL that the app needs; the master creates them.
    """

    master_user: str = Field(min_length=1)
    master_password: SecretStr
    migrator_user: str = Field(min_length=1, max_length=_LONGEST_NAME)
    migrator_password: SecretStr = Field(min_length=8)
    app_user: str = Field(min_length=1, max_length=_LONGEST_NAME)
    app_password: SecretStr = Field(min_length=8)
    extensions: NameList = ()

    @model_validator(mode="after")
    def _three_roles(self) -> Self:
        names = (self.master_user, self.migrator_user, self.app_user)
        if len(set(names)) < len(names):
            msg = "master, migrator and app must be three different roles"
            raise ValueError(msg)
        return self

    def login(self, user: str, password: SecretStr) -> DatabaseLogin:
        """Return the settings of the same database with another login."""
        return DatabaseLogin(
            **self.model_dump(include=set(DatabaseAddress.model_fields)),
            user=user,
            password=password,
        )


class Content(StrEnum):
    """The data of the database that is prepared."""

    ORIGINAL = "original"
    """Staging's own, which is not touched."""

    COPY = "copy"
    """A copy of staging's, in which personal data has to be replaced first."""


class PrepareSettings(Settings):
    """The work of the Job: ``PREPARE_*``. It has no default, so nothing is left unscrubbed by one.

    Attributes:
        content: The data of the database.
    """

    model_config = SettingsConfigDict(env_prefix="PREPARE_")

    content: Content


class ScrubSettings(Settings):
    """The rules of the scrub: ``SCRUB_*``.

    Attributes:
        rules: Path of the file with the rules.
    """

    model_config = SettingsConfigDict(env_prefix="SCRUB_")

    rules: Path


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
