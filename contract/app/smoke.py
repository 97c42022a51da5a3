"""The smoke test of an app in ``preview.yaml``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, cast

from pydantic import AfterValidator, Field, model_validator

from contract.app.values import HttpPath, Model, RelativePath, Variables


def _of_json(value: Any) -> Any:
    """Check that JSON has a value: what it lacks could be neither sent nor found in a response."""
    for place, problem in _foreign(value):
        msg = f"{'.'.join(place) or 'the value'}: {problem}"
        raise ValueError(msg)
    return value


def _foreign(value: object, *place: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what JSON lacks within a value of YAML: the place, and the problem."""
    match value:
        case dict():
            for key, one in cast("dict[object, object]", value).items():
                if isinstance(key, str):
                    yield from _foreign(one, *place, key)
                else:
                    yield (*place, str(key)), "a key of JSON is a text: write it in quotes"
        case list():
            for number, one in enumerate(cast("list[object]", value)):
                yield from _foreign(one, *place, str(number))
        case float() if not math.isfinite(value):
            yield place, f"JSON has no number {value}: write it in quotes if it is a text"
        case str() | int() | float() | None:
            pass
        case _:
            yield place, f"JSON has no {type(value).__name__}"


JsonValue = Annotated[Any, AfterValidator(_of_json)]


class Request(Model):
    """A request of the smoke test (key ``smoke``)."""

    request: str = Field(
        pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*$",
        max_length=2000,
        description="method and path",
        examples=["POST /items"],
    )
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")], str] = Field(
        default={}, description="HTTP headers", examples=[{"If-Match": "{etag}"}]
    )
    json_body: JsonValue = Field(
        default=None, alias="json", description="body as JSON", examples=[{"name": "Smoke"}]
    )
    form: Variables | None = Field(
        default=None, description="body as a form", examples=[{"username": "a@example.com"}]
    )
    status: int = Field(
        default=200, ge=100, le=599, description="expected status code", examples=[201]
    )
    expect: JsonValue = Field(
        default=None,
        description="JSON that the response must contain: of an object the given keys",
        examples=[{"name": "Smoke"}],
    )
    save: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")], str] = Field(
        default={},
        description="values of the response for later requests: name to a path in its JSON, such"
        " as `id` or `items.0.id`, or to `header:<name>`",
        examples=[{"id": "id", "etag": "header:ETag"}],
    )

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        if self.json_body is not None and self.form is not None:
            msg = "expected either `json` or `form`, not both"
            raise ValueError(msg)
        return self

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.request.partition(" ")[0]

    @property
    def path(self) -> str:
        """Path with the query."""
        return self.request.partition(" ")[2]


class OpenApi(Model):
    """The app's OpenAPI document (key ``openapi``)."""

    path: HttpPath = Field(
        default="/openapi.json",
        description="path at which it is served",
        examples=["/openapi.json"],
    )
    file: RelativePath = Field(
        default="openapi.json",
        description="committed file that must be equal to it",
        examples=["openapi.json"],
    )
