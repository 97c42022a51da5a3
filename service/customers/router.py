"""The API of customers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic_core import to_json
from sqlmodel import Session

from service import conditional
from service.customers import service
from service.customers.listing import CustomerQuery
from service.customers.models import (
    Customer,
    CustomerCreate,
    CustomerPage,
    CustomerPublic,
    CustomerUpdate,
)
from service.database import DatabaseDep
from service.idempotency.service import Answer, IdempotencyKeyHeader, IdempotentRequest, run_once
from service.openapi import problems

router = APIRouter(prefix="/customers", tags=["customers"], responses=problems(422, 429, 500, 503))

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHOWN_NAMES = tuple(CustomerPublic.model_fields)
NOT_MODIFIED = {"description": "The copy that the client holds is current."}
IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        pattern=conditional.CONDITION_PATTERN,
        description="ETag that the change was made on, or * for any.",
        # A missing header is answered with 428 and the remedy, not with 422.
        json_schema_extra={"x-required": True},
    ),
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="ETag of the copy that the client holds.")
]


@router.get("", response_model=CustomerPage)
async def list_customers(
    query: Annotated[CustomerQuery, Query()],
    database: DatabaseDep,
    request: Request,
) -> Response:
    """List customers, a page at a time, in a stable order."""
    rows, cursor = await database.read(lambda connection: service.page(connection, query))
    headers = {}
    if cursor is not None:
        following = request.url.include_query_params(cursor=cursor)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    items = [dict(zip(SHOWN_NAMES, row, strict=True)) for row in rows]
    return _json({"items": items, "next_cursor": cursor}, headers)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=CustomerPublic,
    responses=problems(400, 409, 413),
)
async def create_customer(
    new: CustomerCreate,
    database: DatabaseDep,
    request: Request,
    idempotency_key: IdempotencyKeyHeader = None,
) -> Response:
    """Create a customer; with an `Idempotency-Key`, once however often it is sent."""
    once = idempotency_key and IdempotentRequest.of(
        request, idempotency_key, "create_customer", new.model_dump_json()
    )

    def create(session: Session) -> Answer:
        return run_once(session, once or None, lambda: _created(service.create(session, new)))

    return (await database.run(create)).response()


async def read_customer(
    customer_id: uuid.UUID, database: DatabaseDep, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one customer."""
    row = await database.read(lambda connection: service.read(connection, customer_id))
    headers = {"ETag": conditional.etag(row.version), "Cache-Control": "private, no-cache"}
    if conditional.is_fresh(if_none_match, row.version):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return _json(dict(zip(SHOWN_NAMES, row, strict=False)), headers)


class ReadRoute(APIRoute):
    """A route that skips FastAPI's processing for plain requests.

    Resolving dependencies and parameters takes as long as the database does. A plain id is
    matched by one pattern here; FastAPI checks and refuses everything else.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of a request."""
        checked = super().get_route_handler()

        async def read(request: Request) -> Response:
            key = request.path_params["customer_id"]
            if _UUID.fullmatch(key) is None or "if-none-match" in request.headers:
                return await checked(request)
            return await read_customer(uuid.UUID(key), request.state.database)

        return read


router.add_api_route(
    "/{customer_id}",
    read_customer,
    methods=["GET"],
    response_model=CustomerPublic,
    responses={304: NOT_MODIFIED, **problems(404)},
    route_class_override=ReadRoute,
)


@router.patch("/{customer_id}", responses=problems(400, 404, 409, 412, 413, 428))
async def update_customer(
    customer_id: uuid.UUID,
    changes: CustomerUpdate,
    database: DatabaseDep,
    response: Response,
    if_match: IfMatch = None,
) -> CustomerPublic:
    """Change some members of a customer; needs `If-Match`."""
    versions = conditional.expected_versions(if_match)
    customer = await database.run(
        lambda session: service.change(session, customer_id, changes, versions)
    )
    response.headers["ETag"] = conditional.etag(customer.version)
    return _public(customer)


@router.delete(
    "/{customer_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 412, 428)
)
async def delete_customer(
    customer_id: uuid.UUID, database: DatabaseDep, if_match: IfMatch = None
) -> None:
    """Delete a customer; needs `If-Match`."""
    versions = conditional.expected_versions(if_match)
    await database.run(lambda session: service.remove(session, customer_id, versions))


def _json(content: dict[str, Any], headers: dict[str, str]) -> Response:
    """Return rows as an answer without validation, since they come from typed columns."""
    return Response(to_json(content), headers=headers, media_type="application/json")


def _created(customer: Customer) -> Answer:
    headers = {
        "Location": f"{router.prefix}/{customer.id}",
        "ETag": conditional.etag(customer.version),
    }
    return Answer(HTTPStatus.CREATED, headers, _public(customer).model_dump_json())


def _public(customer: Customer) -> CustomerPublic:
    return CustomerPublic.model_validate(customer, from_attributes=True)
