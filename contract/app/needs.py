"""Services that an app needs besides its database, in ``preview.yaml``: Redis, mail, a bucket.

Each stack has its own, and deletes it with the rest. docs/needs.md says how to add a kind.
"""

from __future__ import annotations

from typing import cast

from pydantic import Field, field_validator, model_validator

from contract.app.values import Memory, Model
from contract.bounds import mebibytes

REDIS = "redis"
"""Name of Redis' Service, and of its pod in `contract.kubernetes.NAME_LABEL`."""

MAIL = "mail"
"""Name of the mail server's Service, and of its pod."""

MAIL_PATH = "/_mail"
"""Path of the page with the mail, on the app's own host."""


_LEAST_REDIS = "32Mi"


class Redis(Model):
    """A Redis server (key ``needs.redis``)."""

    memory: Memory = Field(
        default="64Mi",
        description=f"memory of its pod, in Mi, at least {_LEAST_REDIS}; its data may fill three"
        " quarters of it, and then the least recently used keys with an expiry are evicted",
        examples=["128Mi"],
    )

    @field_validator("memory")
    @classmethod
    def _suffices(cls, value: str) -> str:
        # What is left of a smaller one does not hold the server itself.
        if mebibytes(value) < mebibytes(_LEAST_REDIS):
            msg = f"expected at least {_LEAST_REDIS}"
            raise ValueError(msg)
        return value


class Mail(Model):
    """A mail server that delivers nothing and shows all (key ``needs.mail``)."""


class Bucket(Model):
    """An S3 bucket (key ``needs.bucket``)."""


class Needs(Model):
    """Services that the app needs besides its database (key ``needs``)."""

    redis: Redis | None = Field(
        default=None,
        description="a Redis server of the stack's own, without a password and without persistence",
        examples=[{"memory": "64Mi"}],
    )
    mail: Mail | None = Field(
        default=None,
        description="an SMTP server that keeps every mail and shows it at `/_mail`; nothing is"
        " delivered",
        examples=[{}],
    )
    bucket: Bucket | None = Field(
        default=None, description="an S3 bucket of the stack's own", examples=[{}]
    )

    @model_validator(mode="before")
    @classmethod
    def _without_settings(cls, value: object) -> object:
        """Take a key without a value for a need with its defaults."""
        if not isinstance(value, dict):
            return value
        entries = cast("dict[object, object]", value)
        defaults: dict[object, object] = {}
        return {name: defaults if one is None else one for name, one in entries.items()}

    @property
    def declared(self) -> frozenset[str]:
        """Names of the needs that the app has."""
        return frozenset(name for name, need in self if need is not None)
