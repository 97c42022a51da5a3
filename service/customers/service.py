"""Operations on customers, each inside the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg2.errors import UniqueViolation
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from service.conditional import PreconditionFailedError
from service.customers import listing
from service.customers.errors import CustomerNotFoundError, EmailTakenError
from service.customers.models import Customer

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Row
    from sqlmodel import Session

    from service.customers.listing import CustomerQuery
    from service.customers.models import CustomerCreate, CustomerUpdate


def create(session: Session, new: CustomerCreate) -> Customer:
    """Store a new customer.

    Raises:
        EmailTakenError: Another customer has the address.
    """
    statement = insert(Customer).values(**new.model_dump(mode="json")).returning(Customer)
    created: Customer = _unique_email(session, statement)
    return created


def read(connection: Connection | Session, customer_id: uuid.UUID) -> Row[Any]:
    """Find one customer, with its version.

    Raises:
        CustomerNotFoundError: There is no customer with that id.
    """
    row = connection.execute(_READ, {"customer_id": customer_id}).one_or_none()
    if row is None:
        raise CustomerNotFoundError
    return row


_READ = select(*listing.SHOWN, col(Customer.version)).where(
    col(Customer.id) == bindparam("customer_id")
)


def page(connection: Connection, query: CustomerQuery) -> tuple[Sequence[Row[Any]], str | None]:
    """Return one page of a listing, and the cursor of the next.

    Raises:
        InvalidCursorError: The query's cursor belongs to another listing.
    """
    rows = connection.execute(listing.statement(query)).all()
    return rows[: query.limit], listing.next_cursor(query, rows)


def change(
    session: Session,
    customer_id: uuid.UUID,
    changes: CustomerUpdate,
    versions: Collection[int] | None,
) -> Customer:
    """Apply ``changes`` to a customer.

    Args:
        session: The transaction.
        customer_id: The customer.
        changes: New values; members that were not set stay as they are.
        versions: Versions that it may be applied to; None for any.

    Raises:
        CustomerNotFoundError: There is no customer with that id.
        PreconditionFailedError: It has another version.
        EmailTakenError: Another customer has the new address.
    """
    values: dict[str, Any] = changes.model_dump(mode="json", exclude_unset=True)
    if not values:
        found = read(session, customer_id)
        if versions is not None and found.version not in versions:
            raise PreconditionFailedError
        return session.get_one(Customer, customer_id)
    statement = (
        update(Customer)
        .where(col(Customer.id) == customer_id)
        .values(**values, version=col(Customer.version) + 1, updated_at=func.now())
        .returning(Customer)
    )
    if versions is not None:
        statement = statement.where(col(Customer.version).in_(versions))
    changed: Customer | None = _unique_email(session, statement)
    if changed is None:
        read(session, customer_id)
        raise PreconditionFailedError
    return changed


def remove(session: Session, customer_id: uuid.UUID, versions: Collection[int] | None) -> None:
    """Delete a customer.

    Raises:
        CustomerNotFoundError: There is no customer with that id.
        PreconditionFailedError: It has another version.
    """
    statement = delete(Customer).where(col(Customer.id) == customer_id)
    if versions is not None:
        statement = statement.where(col(Customer.version).in_(versions))
    if session.scalar(statement.returning(col(Customer.id))) is None:
        read(session, customer_id)
        raise PreconditionFailedError


def _unique_email(session: Session, statement: Any) -> Any:
    try:
        return session.scalars(statement).one_or_none()
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise EmailTakenError from error
        raise
