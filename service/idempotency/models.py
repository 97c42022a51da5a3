"""The table of stored answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, Index, SmallInteger, String, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class IdempotencyKey(SQLModel, table=True):
    """A row of ``idempotency_keys``.

    Attributes:
        caller: Hash of the caller's credential, so that nobody reads another's answer.
        operation: Name of the operation.
        key: The key that the client chose.
        fingerprint: Hash of the request, which distinguishes a repetition from a mistake.
        status: HTTP status of the answer; null only inside the transaction that creates it.
        headers: Headers of the answer.
        body: Body of the answer.
        created_at: Time of the first use; the row is deleted a day later.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    caller: str = Field(sa_column=Column(String(64), primary_key=True))
    operation: str = Field(sa_column=Column(String(100), primary_key=True))
    key: str = Field(sa_column=Column(String(255), primary_key=True))
    fingerprint: str = Field(sa_column=Column(String(64), nullable=False))
    status: int | None = Field(default=None, sa_column=Column(SmallInteger))
    headers: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    body: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
