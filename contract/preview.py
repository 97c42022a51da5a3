"""The preview of a pull request: the number, checked once, and the names that are made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from contract.stack_name import PLATFORM_APP, AppName, StackKind, StackName

HIGHEST = 999_999_999
"""The highest number that fits into the names of a stack's resources."""

_NUMBER = re.compile(r"#?([1-9][0-9]{0,8})", re.ASCII)


class PreviewNumberError(ValueError):
    """A text or number that is not the number of a pull request."""

    def __init__(self, value: object) -> None:
        super().__init__(f"{value!r} is not the number of a pull request (1 to {HIGHEST})")


@dataclass(frozen=True, order=True)
class Preview:
    """Preview of one pull request.

    Commands and events make it from a number, and it is passed on as it is. A pydantic model
    reads and writes it as that number; what it reads is the platform's own app's, until
    `of_app` names another.

    Attributes:
        number: Number of the pull request, 1 to 999999999.
        app: App that is previewed; a repository can hold several.
    """

    number: int
    app: AppName = PLATFORM_APP

    def __post_init__(self) -> None:
        if not 1 <= self.number <= HIGHEST:
            raise PreviewNumberError(self.number)

    @classmethod
    def parse(cls, text: str, app: AppName = PLATFORM_APP) -> Preview:
        """Read a number as a person types it, ``42`` or ``#42``.

        Raises:
            PreviewNumberError: The text is not a number from 1 to 999999999 without leading zeros.
        """
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise PreviewNumberError(text)
        return cls(int(match[1]), app)

    @classmethod
    def of_stack(cls, stack: str, app: AppName = PLATFORM_APP) -> Preview | None:
        """Return the preview whose stack in the app's project has this name; None for others."""
        return cls._of(StackName.find(stack, app))

    @classmethod
    def of_resource(cls, name: str, *suffixes: str) -> Preview | None:
        """Return the preview of any app that a resource is named after; None for other names."""
        return cls._of(StackName.of_resource(name, *suffixes))

    @classmethod
    def _of(cls, stack: StackName | None) -> Preview | None:
        if stack is None or stack.pull_request is None:
            return None
        return cls(stack.pull_request, stack.app)

    def of_app(self, app: AppName) -> Preview:
        """Return the preview of the same pull request for an app."""
        return Preview(self.number, app)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name among those of all apps, ``orders-pr-42``: the namespace and the database have it.

        Pulumi's name for the stack, within its project, is `stack.value`.
        """
        return self.stack.name

    @property
    def stack(self) -> StackName:
        """Name of the stack with all names that are made from it."""
        return StackName(f"pr-{self.number}", StackKind.PREVIEW, self.number, app=self.app)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(
            Annotated[
                int,
                Field(ge=1, le=HIGHEST),
                WrapValidator(_read),
                PlainSerializer(_number, return_type=int),
            ]
        )


def _read(value: Any, number: ValidatorFunctionWrapHandler) -> Preview:
    # As it is, with its app: the number alone would be the platform's own app's.
    return value if isinstance(value, Preview) else Preview(number(value))


def _number(preview: Preview) -> int:
    return preview.number
