"""Handlers that turn errors of operations into problem details."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service.problems import Problem, problem_response

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error with problem details."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)


async def _problem(_: Request, error: Exception) -> Response:
    return cast("Problem", error).response()


async def _invalid_request(_: Request, error: Exception) -> Response:
    # The input stays out of the answer: it may be a secret, and need not be encodable.
    errors = [
        {"location": list(part["loc"]), "message": part["msg"], "code": part["type"]}
        for part in cast("RequestValidationError", error).errors()
    ]
    return problem_response(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        kind="invalid-request",
        title="The request is not valid",
        detail="See errors for each part that was refused.",
        extensions={"errors": errors},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    found = cast("HTTPException", error)
    phrase = HTTPStatus(found.status_code).phrase
    detail = found.detail if found.detail != phrase else None
    headers = dict(found.headers or {})
    if found.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request, headers.get("Allow", ""))
    return problem_response(found.status_code, detail=detail, headers=headers)


def _allowed(request: Request, first: str) -> str:
    """Return all methods of a path, while Starlette names those of its first route only."""
    path = getattr(request.scope.get("route"), "path", None)
    operations = request.app.openapi()["paths"].get(path, {})
    return ", ".join(sorted(method.upper() for method in operations)) or first
