"""The API of customers."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
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
from service.idempotency.service import Answer, IdempotencyKeyHeader, Once, carry_out
from service.openapi import problems

router = APIRouter(prefix="/customers", tags=["customers"], responses=problems(422, 429, 500, 503))

NOT_MODIFIED = {"description": "The copy that the client holds is current."}
IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        pattern=conditional.CONDITION_PATTERN,
        description="ETag that the change was made on, or * for any.",
        # What is missing is answered with 428 and how to mend it, not with 422.
        json_schema_extra={"x-required": True},
    ),
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="ETag of the copy that the client holds.")
]


@router.get("")
async def list_customers(
    query: Annotated[CustomerQuery, Query()],
    database: DatabaseDep,
    request: Request,
    response: Response,
) -> CustomerPage:
    """List customers, a page at a time, in a stable order."""
    rows, cursor = await database.run(lambda session: service.page(session, query))
    if cursor is not None:
        following = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return CustomerPage(items=[_public(row) for row in rows], next_cursor=cursor)


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
    once = idempotency_key and Once.of(
        request, idempotency_key, "create_customer", new.model_dump_json()
    )

    def create(session: Session) -> Answer:
        return carry_out(session, once or None, lambda: _created(service.create(session, new)))

    return (await database.run(create)).response()


@router.get("/{customer_id}", responses={304: NOT_MODIFIED, **problems(404)})
async def read_customer(
    customer_id: uuid.UUID,
    database: DatabaseDep,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> CustomerPublic:
    """Read one customer."""
    customer = await database.run(lambda session: service.read(session, customer_id))
    tag = {"ETag": conditional.etag(customer.version), "Cache-Control": "private, no-cache"}
    if conditional.is_fresh(if_none_match, customer.version):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=tag)  # type: ignore[return-value]
    response.headers.update(tag)
    return _public(customer)


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


def _created(customer: Customer) -> Answer:
    headers = {
        "Location": f"{router.prefix}/{customer.id}",
        "ETag": conditional.etag(customer.version),
    }
    return Answer(HTTPStatus.CREATED, headers, _public(customer).model_dump_json())


def _public(customer: Customer) -> CustomerPublic:
    return CustomerPublic.model_validate(customer, from_attributes=True)
