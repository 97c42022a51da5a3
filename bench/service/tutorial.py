"""FastAPI and SQLModel as in their tutorials."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from sqlmodel import Field, Session, SQLModel, create_engine, desc, select

from service.database import connect_arguments, connection_url
from service.settings import DatabaseSettings, load

_settings = load(DatabaseSettings)
engine = create_engine(
    connection_url(_settings), connect_args=connect_arguments(_settings, application="tutorial")
)


class CustomerBase(SQLModel):
    """Shared fields."""

    name: str
    email: str
    phone: str | None = None
    company: str | None = None
    plan: str = "free"
    notes: str = ""


class Customer(CustomerBase, table=True):
    """Table of customers."""

    __tablename__ = "customers"

    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    version: int = 1
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class CustomerPublic(CustomerBase):
    """Fields of a response."""

    id: uuid.UUID
    created_at: datetime
    updated_at: datetime


def get_session() -> Iterator[Session]:
    """Yield a session for each request."""
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
app = FastAPI()


@app.get("/customers", response_model=list[CustomerPublic])
def list_customers(
    session: SessionDep, limit: Annotated[int, Query(le=200)] = 100
) -> list[Customer]:
    """Return the first page."""
    statement = select(Customer).order_by(desc(Customer.created_at), desc(Customer.id))
    return list(session.exec(statement.limit(limit)).all())


@app.post("/customers", response_model=CustomerPublic, status_code=201)
def create_customer(new: CustomerBase, session: SessionDep) -> Customer:
    """Create a customer."""
    customer = Customer.model_validate(new)
    session.add(customer)
    session.commit()
    session.refresh(customer)
    return customer


@app.get("/customers/{customer_id}", response_model=CustomerPublic)
def get_customer(customer_id: uuid.UUID, session: SessionDep) -> Customer:
    """Return a customer."""
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise HTTPException(status_code=404, detail="Customer not found")
    return customer
