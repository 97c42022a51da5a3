"""Tables in two schemas."""

from typing import ClassVar

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of the tables."""


class Customer(Base):
    """A customer, known by an email address."""

    __tablename__ = "customers"
    __table_args__: ClassVar = {"schema": "people"}

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(CITEXT, unique=True)


class Order(Base):
    """An order, which the worker confirms."""

    __tablename__ = "orders"
    __table_args__: ClassVar = {"schema": "sales"}

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey(Customer.id))
    item: Mapped[str]
    status: Mapped[str] = mapped_column(default="new")
