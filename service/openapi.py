"""What the contract says beyond the operations' own types."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from service.problems import MEDIA_TYPE, ProblemDetails

if TYPE_CHECKING:
    from fastapi import FastAPI


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document answers with problem details, for FastAPI's ``responses``.

    Args:
        statuses: The HTTP statuses that an operation can answer with.
    """
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Describe problem details once, and errors of the framework as what is really sent."""
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
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
