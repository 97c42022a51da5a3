"""Base class and common types of the configuration's models."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from contract.bounds import BOUNDS
from contract.stack_name import StackKind

InstanceClass = Annotated[str, Field(pattern=r"^db\.[a-z0-9-]+\.[a-z0-9]+$")]
"""Class of RDS instances."""

ImageReference = Annotated[str, Field(pattern=r"^([a-z0-9][\w./:-]*@)?sha256:[0-9a-f]{64}$")]
"""Digest of an image, alone or with its repository."""

_BEARERS = {
    StackKind.PREVIEW: "a preview",
    StackKind.DATA: "a shared server",
    StackKind.STAGING: "staging",
}


def bounded_class(value: str, kind: StackKind) -> str:
    """Return a class of RDS instances that one kind of stack may have.

    Raises:
        ValueError: It is larger.
    """
    bounds = BOUNDS[kind]
    if not bounds.has_class(value):
        msg = f"{value} is too large: {may_have(kind, bounds.database_class)}"
        raise ValueError(msg)
    return value


def may_have(kind: StackKind, most: object) -> str:
    """Return the bound of one kind of stack in words."""
    return f"{_BEARERS[kind]} may have at most {most}"


class Model(BaseModel):
    """A frozen model. Unknown keys are rejected."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        coerce_numbers_to_str=True,
    )
