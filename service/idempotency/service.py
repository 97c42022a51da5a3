"""Idempotent requests: run once, however often they are sent.

The key is inserted in the same transaction as the work: both are stored or neither is. A
second request with the key waits for the first in PostgreSQL (no longer than
``lock_timeout``), then gets its answer. A request that failed leaves no key behind.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Header
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from starlette.responses import Response

from service.idempotency.errors import KeyReusedError
from service.idempotency.models import IdempotencyKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement
    from sqlmodel import Session
    from starlette.requests import Request

IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7E]+$",
        description="Sent again with the same request, it returns the first answer for a day.",
    ),
]
KEPT = text("interval '24 hours'")
# Each insert deletes a few old keys, so that the table stays as small as a day's keys.
FORGOTTEN_AT_ONCE = 5


@dataclass(frozen=True)
class Answer:
    """A stored response, which is sent again for a request with the same key.

    Attributes:
        status: HTTP status.
        headers: Its headers.
        body: JSON.
    """

    status: int
    headers: dict[str, str]
    body: str

    def response(self) -> Response:
        """Return the answer as a response of Starlette."""
        return Response(self.body, self.status, headers=self.headers, media_type="application/json")


@dataclass(frozen=True)
class IdempotentRequest:
    """The identity of a request that has an idempotency key.

    Attributes:
        caller: Hash of the credential.
        operation: Name of the operation.
        key: The key that the client chose.
        fingerprint: Hash of the request.
    """

    caller: str
    operation: str
    key: str
    fingerprint: str

    @classmethod
    def of(cls, request: Request, key: str, operation: str, body: str) -> IdempotentRequest:
        """Make the identity of a request.

        Args:
            request: The request, whose credential identifies the caller.
            key: The header's value.
            operation: Name of the operation.
            body: The request in a canonical form.
        """
        credential = request.headers.get("authorization", "")
        return cls(_hash(credential), operation, key, _hash(body))


def run_once(
    session: Session, once: IdempotentRequest | None, work: Callable[[], Answer]
) -> Answer:
    """Run ``work``, or return the stored answer of an earlier run.

    Args:
        session: The transaction.
        once: The request; None to run the work in any case.
        work: Part of the transaction; if it raises, the key is rolled back too.

    Raises:
        KeyReusedError: The key was sent with another request.
    """
    if once is None:
        return work()
    if not _insert_key(session, once):
        return _recall(session, once)
    answer = work()
    session.execute(
        update(IdempotencyKey)
        .where(*_is(once))
        .values(status=answer.status, headers=answer.headers, body=answer.body)
    )
    _forget_some(session)
    return answer


def _insert_key(session: Session, once: IdempotentRequest) -> bool:
    new = insert(IdempotencyKey).values(
        caller=once.caller, operation=once.operation, key=once.key, fingerprint=once.fingerprint
    )
    statement = new.on_conflict_do_update(
        index_elements=["caller", "operation", "key"],
        set_={"fingerprint": new.excluded.fingerprint, "created_at": func.now(), "status": None},
        where=col(IdempotencyKey.created_at) < func.now() - KEPT,
    ).returning(col(IdempotencyKey.key))
    return session.scalar(statement) is not None


def _recall(session: Session, once: IdempotentRequest) -> Answer:
    kept = session.scalars(select(IdempotencyKey).where(*_is(once))).one()
    if kept.fingerprint != once.fingerprint:
        raise KeyReusedError
    headers = {**(kept.headers or {}), "Idempotency-Replayed": "true"}
    return Answer(kept.status or 0, headers, kept.body or "")


def _forget_some(session: Session) -> None:
    old = (
        select(col(IdempotencyKey.caller), col(IdempotencyKey.operation), col(IdempotencyKey.key))
        .where(col(IdempotencyKey.created_at) < func.now() - KEPT)
        .limit(FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    session.execute(
        delete(IdempotencyKey).where(
            col(IdempotencyKey.caller) == old.c.caller,
            col(IdempotencyKey.operation) == old.c.operation,
            col(IdempotencyKey.key) == old.c.key,
        )
    )


def _is(once: IdempotentRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        col(IdempotencyKey.caller) == once.caller,
        col(IdempotencyKey.operation) == once.operation,
        col(IdempotencyKey.key) == once.key,
    )


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
