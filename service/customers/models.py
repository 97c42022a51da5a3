"""Models of a customer: as stored, as accepted, as shown."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Integer, String, Text, func, text
from sqlmodel import Field, SQLModel

from service.database.naming import NAMING_CONVENTION
from service.inputs import Email, Line, LongText, Phone

SQLModel.metadata.naming_convention = NAMING_CONVENTION


class Plan(StrEnum):
    """Plan that a customer pays for."""

    FREE = "free"
    STARTER = "starter"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


class Customer(SQLModel, table=True):
    """A row of ``customers``.

    Attributes:
        version: Number of changes, from which the ETag is made.
    """

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("plan IN ('free', 'starter', 'business', 'enterprise')", name="plan_known"),
        # One index for each order of the listing, closed by the key that makes it total.
        Index(None, "created_at", "id"),
        Index(None, "name", "id"),
        Index(None, "company", "created_at", "id"),
    )

    id: uuid.UUID = Field(
        default_factory=uuid.uuid4,
        primary_key=True,
        sa_column_kwargs={"server_default": text("gen_random_uuid()")},
    )
    name: str = Field(sa_column=Column(String(200), nullable=False))
    email: str = Field(sa_column=Column(String(254), nullable=False, unique=True))
    phone: str | None = Field(default=None, sa_column=Column(String(16)))
    company: str | None = Field(default=None, sa_column=Column(String(200)))
    plan: str = Field(sa_column=Column(String(20), nullable=False))
    notes: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    version: int = Field(default=1, sa_column=Column(Integer, nullable=False, server_default="1"))
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    updated_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )


class CustomerCreate(SQLModel):
    """A new customer."""

    model_config = {"extra": "forbid"}

    name: Line = Field(description="Full name.")
    email: Email = Field(description="Address, unique among customers; stored in lower case.")
    phone: Phone | None = Field(default=None, description="Number in E.164 form.")
    company: Line | None = Field(default=None, description="Company of the customer.")
    plan: Plan = Field(default=Plan.FREE, description="Plan that the customer pays for.")
    notes: LongText = Field(default="", description="Free text.")


class CustomerUpdate(SQLModel):
    """The members to change (RFC 7396): one that is absent stays as it is."""

    model_config = {"extra": "forbid"}

    # A default factory keeps the default out of the contract: there is none.
    name: Line = Field(default_factory=str, description="Full name.")
    email: Email = Field(default_factory=str, description="Address, unique among customers.")
    phone: Phone | None = Field(default=None, description="Number in E.164 form; null for none.")
    company: Line | None = Field(default=None, description="Company; null for none.")
    plan: Plan = Field(
        default_factory=lambda: Plan.FREE, description="Plan that the customer pays for."
    )
    notes: LongText = Field(default_factory=str, description="Free text.")


class CustomerPublic(SQLModel):
    """A customer as the API shows it."""

    id: uuid.UUID
    name: str
    email: str
    phone: str | None
    company: str | None
    plan: Plan
    notes: str
    created_at: datetime
    updated_at: datetime


class CustomerPage(SQLModel):
    """One page of a listing."""

    items: list[CustomerPublic]
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last one."
    )
