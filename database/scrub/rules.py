"""The rules of the scrub, one for each column, as read from the app's ``scrub.yaml``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.written import WrittenError, as_json
from contract.yaml_reader import read
from database.scrub.errors import REMEDY, RulesError
from database.scrub.fakes import FAKE_KINDS

Reason = Annotated[str, Field(min_length=8, max_length=200)]
Scalar = str | int | float | bool


def _known_kind(name: str) -> str:
    if name not in FAKE_KINDS:
        msg = f"expected one of {', '.join(FAKE_KINDS)}"
        raise ValueError(msg)
    return name


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Column(_Model):
    leaving: bool = Field(
        default=False,
        description="a migration drops the column; older snapshots still have it",
    )


class Keep(_Column):
    """The value stays as it is."""

    how: Literal["keep"]
    why: Reason


class Fake(_Column):
    """The value becomes a fake of a kind; NULL stays NULL."""

    how: Literal["fake"]
    kind: Annotated[str, AfterValidator(_known_kind)]


class Hash(_Column):
    """The value becomes a keyed hash in hexadecimal digits; equal values stay equal."""

    how: Literal["hash"]


class Null(_Column):
    """The value becomes NULL."""

    how: Literal["null"]


class Constant(_Column):
    """The value becomes the same in every row."""

    how: Literal["constant"]
    value: Scalar | dict[str, Any] | list[Any]


ColumnRule = Annotated[Keep | Fake | Hash | Null | Constant, Field(discriminator="how")]


class TableRule(_Model):
    """The rule of a table, which is emptied or scrubbed column by column.

    Attributes:
        truncate: Reason to empty it; None if it is not emptied.
        columns: Rule of each column, by name.
        leaving: True if a migration drops it, so that only older snapshots contain it.
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
    """The content of ``scrub.yaml``.

    Attributes:
        tables: Rule of each table, by name; with its schema in front if that is not ``public``.
        proofs: Further assertions, each with a query that must return no row.
        reviewed: False in the draft of `previews adopt`, which nobody has checked.
    """

    tables: dict[str, TableRule]
    proofs: dict[str, str] = Field(default_factory=dict)
    reviewed: bool = True

    @model_validator(mode="after")
    def _is_no_draft(self) -> Self:
        if not self.reviewed:
            msg = "it is a draft: check every line, then remove `reviewed: false`"
            raise ValueError(msg)
        return self


def fingerprint(rule: _Model) -> str:
    """Return a hash of a rule, by which a changed rule is detected and applied again."""
    return hashlib.sha256(rule.model_dump_json().encode()).hexdigest()[:16]


def load(path: Path) -> Rules:
    """Read the rules of a file.

    Raises:
        RulesError: The file is missing, or its content is not valid.
    """
    try:
        # Anchors are of use where many columns have one rule, and the file is the team's own.
        _, content = read(path.read_bytes(), aliases=True)
        content = as_json(content)
    except OSError as error:
        msg = f"{path.name} can't be read: {' '.join(str(error).split())}. {REMEDY}"
        raise RulesError(msg) from error
    except WrittenError as error:
        msg = f"{path.name} can't be read: {error.located}. {REMEDY}"
        raise RulesError(msg) from error
    try:
        return Rules.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, part['loc']))}: {part['msg'].removeprefix('Value error, ')}"
            for part in error.errors()
        )
        msg = f"{path.name} is invalid: {wrong}. {REMEDY}"
        raise RulesError(msg) from error
