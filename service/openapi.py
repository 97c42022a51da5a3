"""Additions to the generated ``openapi.json``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from service.problems import MEDIA_TYPE, ProblemDetails

if TYPE_CHECKING:
    from fastapi import FastAPI


# Python 3.13 has other names for these; the contract is the same on every version.
_PHRASES = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document answers with problem details, for FastAPI's ``responses``.

    Args:
        statuses: The HTTP statuses that an operation can answer with.
    """
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}}
    return {
        status: {
            "description": _PHRASES.get(status) or HTTPStatus(status).phrase,
            "content": content,
        }
        for status in statuses
    }


def _describe_parameters(schema: dict[str, Any]) -> None:
    """Correct the schemas of parameters.

    An optional one can't be null: headers and queries have no such value. And one that the
    code itself requires is required, although FastAPI must not refuse its absence.
    """
    for path in schema["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
                if parameter["schema"].pop("x-required", False):
                    parameter["required"] = True


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    choices: list[dict[str, Any]] = [
        one for one in schema.get("anyOf", ()) if one != {"type": "null"}
    ]
    if len(choices) != 1:
        return schema
    return {key: value for key, value in schema.items() if key != "anyOf"} | choices[0]


def install(app: FastAPI) -> None:
    """Describe problem details once, and the framework's errors as problem details."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            definitions = ProblemDetails.model_json_schema(
                ref_template="#/components/schemas/{model}"
            )
            schemas.update(definitions.pop("$defs"))
            schemas[ProblemDetails.__name__] = definitions
            _describe_parameters(schema)
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
