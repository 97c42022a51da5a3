"""The rules: for each column, what becomes of it. Read from YAML, and refused when unclear."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from database.scrub.errors import RulesError

RULES = Path(__file__).parent.parent / "scrub.yaml"

Reason = Annotated[str, Field(min_length=8, max_length=200)]
Scalar = str | int | float | bool


class Kind(StrEnum):
    """What a fake looks like. Equal values become equal fakes of a kind, in every table."""

    EMAIL = "email"
    """An address at example.com; different for different values."""

    PERSON = "person"
    """First and last name."""

    FIRST_NAME = "first-name"

    LAST_NAME = "last-name"

    COMPANY = "company"

    PHONE = "phone"
    """In E.164, from the ranges that are kept for drama."""

    ADDRESS = "address"
    """Number and street."""

    TEXT = "text"
    """Filler of the same length."""

    USERNAME = "username"
    """Different for different values."""

    URL = "url"
    """Below https://example.com/; different for different values."""

    IP = "ip"
    """From the network for documentation, 203.0.113.0/24."""

    UUID = "uuid"
    """Different for different values."""

    YEAR = "year"
    """The first day of its year, for a date or a time."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Column(_Model):
    leaving: bool = Field(
        default=False,
        description="a migration drops the column; older snapshots still have it",
    )


class Keep(_Column):
    """Stays as it is."""

    how: Literal["keep"]
    why: Reason


class Fake(_Column):
    """Becomes something of the same kind that is nobody's; NULL stays NULL."""

    how: Literal["fake"]
    kind: Kind


class Hash(_Column):
    """Becomes a keyed hash in hexadecimal digits, so that it still joins."""

    how: Literal["hash"]


class Null(_Column):
    """Becomes NULL."""

    how: Literal["null"]


class Constant(_Column):
    """Becomes one value in every row."""

    how: Literal["constant"]
    value: Scalar | dict[str, Any] | list[Any]


ColumnRule = Annotated[Keep | Fake | Hash | Null | Constant, Field(discriminator="how")]


class TableRule(_Model):
    """A table: emptied, or scrubbed column by column.

    Attributes:
        truncate: Why it is emptied; None where it is not.
        columns: What becomes of each column, by its name.
        leaving: Whether a migration drops it, so that only older snapshots have it.
    """

    truncate: Reason | None = None
    columns: dict[str, ColumnRule] = Field(default_factory=dict)
    leaving: bool = False

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.truncate is None) == (not self.columns):
            msg = "expected either `truncate` with its reason or `columns`"
            raise ValueError(msg)
        return self


class Rules(_Model):
    """All rules.

    Attributes:
        tables: By name, with its schema in front where that is not ``public``.
        proofs: Claims of the project's own, each with a query that must return no row.
    """

    tables: dict[str, TableRule]
    proofs: dict[str, str] = Field(default_factory=dict)


def fingerprint(rule: _Model) -> str:
    """Tells one rule from another, so that a changed one is applied again."""
    return hashlib.sha256(rule.model_dump_json().encode()).hexdigest()[:16]


def load(path: Path = RULES) -> Rules:
    """Read the rules.

    Raises:
        RulesError: The file is missing, no YAML, or not of the rules' form.
    """
    try:
        content = yaml.load(path.read_text(), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (OSError, yaml.YAMLError) as error:
        msg = f"{path.name} can't be read: {' '.join(str(error).split())}"
        raise RulesError(msg) from error
    try:
        return Rules.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, part['loc']))}: {part['msg'].removeprefix('Value error, ')}"
            for part in error.errors()
        )
        msg = f"{path.name} is not as expected: {wrong}"
        raise RulesError(msg) from error


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is written twice, of which YAML would keep the last in silence."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"{key!r} is written twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
