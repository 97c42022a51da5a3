"""Types of the values in ``preview.yaml``, and the base class of its models."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from contract.app.placeholders import check_placeholders
from contract.stack_name import AppName, AppNameError
from contract.written import QuotesMissingError, as_json, bare_key

CPU = r"^([1-9][0-9]{0,5}m|[1-9][0-9]{0,2})$"
"""Pattern of an amount of CPU: millicores, or cores."""

AUTHORITIES_FOLDER = "/etc/previews/authorities"
"""Folder with the authorities of databases' certificates, in each container of an app."""

PLATFORM_FOLDERS = (
    AUTHORITIES_FOLDER,
    # EKS mounts the token of a service account that has a role: that of an app with a bucket.
    "/var/run/secrets/eks.amazonaws.com/serviceaccount",
)
"""Folders of an app's containers that are not theirs."""

_NO_PARTS_OF_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def app_name(value: str) -> str:
    """Check an app's name.

    Raises:
        ValueError: It is not one.
    """
    try:
        return AppName(value).value
    except AppNameError as error:
        msg = str(error).partition("\n")[0]
        raise ValueError(msg) from error


def _relative(value: str) -> str:
    if PurePosixPath(value).is_absolute() or "\\" in value or not value.isprintable():
        msg = "expected a path relative to the folder of preview.yaml, with / between its parts"
        raise ValueError(msg)
    return value


def _glob(value: str) -> str:
    if any(character in value for character in "![]{}"):
        msg = "expected a path in which *, ** and ? stand for others; nothing else is special"
        raise ValueError(msg)
    return _relative(value)


def _routable(value: str) -> str:
    """Refuse what Kubernetes refuses in a path of an Ingress."""
    found = [part for part in _NO_PARTS_OF_PATHS if part in value]
    found += [end for end in ("/..", "/.") if value.endswith(end)]
    if found:
        msg = f"expected a path without {', '.join(found)}, which Kubernetes refuses"
        raise ValueError(msg)
    return value


def _apart(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse folders that a pod would have twice."""
    seen: dict[PurePosixPath, str] = {}
    for folder in value:
        path = PurePosixPath(folder)
        if path in seen:
            msg = f"{seen[path]} and {folder} are one folder: name it once"
            raise ValueError(msg)
        seen[path] = folder
        taken = next((one for one in PLATFORM_FOLDERS if path.is_relative_to(one)), None)
        if taken is not None:
            msg = f"{folder} is a folder that the platform mounts, {taken}: name another one"
            raise ValueError(msg)
    return value


def _absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/"):
        msg = "expected an absolute path of a folder in the container, such as /tmp"
        raise ValueError(msg)
    return value


def _without_nul(value: str) -> str:
    """Refuse what ends a text for the operating system, in arguments and in an environment."""
    if "\0" in value:
        msg = "it has a NUL (\\0), which no argument or variable can have"
        raise ValueError(msg)
    return value


def _split(value: object) -> object:
    return shlex.split(value) if isinstance(value, str) else value


def _text(value: object) -> object:
    """Write a number or a truth value, which a program gives, as an environment has it.

    A file's are the texts that they were written as.

    Raises:
        QuotesMissingError: A placeholder lacks its quotes.
    """
    key = bare_key(value)
    if key is not None:
        raise QuotesMissingError(key)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Name = Annotated[str, AfterValidator(app_name)]
RelativePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_relative)]
Glob = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_glob)]
ContainerFolder = Annotated[str, Field(max_length=200), AfterValidator(_absolute)]
ContainerFolders = Annotated[tuple[ContainerFolder, ...], AfterValidator(_apart)]
Words = tuple[Annotated[str, Field(max_length=4000), AfterValidator(_without_nul)], ...]
Command = Annotated[
    Words,
    Field(min_length=1, max_length=100),
    BeforeValidator(_split, json_schema_input_type=str | Words),
]
HttpPath = Annotated[str, Field(pattern=r"^/[\w./~%-]*$", max_length=200)]
RoutedPath = Annotated[HttpPath, AfterValidator(_routable)]
PartName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")]
_Scalar = str | int | float | bool
Text = Annotated[str, BeforeValidator(_text)]
Variables = Annotated[
    dict[
        VariableName,
        Annotated[
            str,
            BeforeValidator(_text, json_schema_input_type=_Scalar),
            AfterValidator(_without_nul),
        ],
    ],
    Field(max_length=200),
]
Json = Annotated[Any, BeforeValidator(as_json)]
Environment = Annotated[Variables, AfterValidator(check_placeholders)]
Cpu = Annotated[
    str,
    Field(pattern=CPU),
    BeforeValidator(_text, json_schema_input_type=str | int),
]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}Mi$")]
Host = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$",
        max_length=253,
    ),
]


class Model(BaseModel):
    """A frozen model. Unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _whole_number_in_decimal(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a text that has another value as YAML's number than as Python's."""
        field = cls.model_fields[str(info.field_name)]
        whole = field.annotation is int
        if whole and isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value):
            msg = f"expected decimal digits alone, such as {(field.examples or [field.default])[0]}"
            raise ValueError(msg)
        return value
