"""The smoke test of an app in ``preview.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from contract.app.values import HttpPath, Json, Model, RelativePath, Text, Variables


class Request(Model):
    """A request of the smoke test (key ``smoke``)."""

    request: str = Field(
        pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*$",
        max_length=2000,
        description="method and path",
        examples=["POST /items"],
    )
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")], Text] = Field(
        default={}, description="HTTP headers", examples=[{"If-Match": "{etag}"}]
    )
    json_body: Json = Field(
        default=None, alias="json", description="body as JSON", examples=[{"name": "Smoke"}]
    )
    form: Variables | None = Field(
        default=None, description="body as a form", examples=[{"username": "a@example.com"}]
    )
    status: int = Field(
        default=200, ge=100, le=599, description="expected status code", examples=[201]
    )
    expect: Json = Field(
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
