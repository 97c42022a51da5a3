"""Keyset pagination: a page starts after the last row seen, not at an offset.

Rows that are added or removed meanwhile don't shift pages, and the thousandth page costs as
much as the first. A cursor contains the sort key of the last row, so it needs no storage.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import Mapped

from service.problems import Problem


class InvalidCursorError(Problem):
    """A cursor that this listing did not create."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "invalid-cursor"
    title = "The cursor does not belong to this listing"

    def __init__(self) -> None:
        super().__init__(
            "Send the next_cursor of a page that was listed with the same sort and filters, "
            "or omit it to start over."
        )


@dataclass(frozen=True)
class SortKey:
    """A column to sort by.

    Attributes:
        name: The attribute that is mapped to it.
        column: The column, which is never null.
        dump: Converts its value for a cursor.
        load: Converts it back; raises ValueError for other texts than those of ``dump``.
    """

    name: str
    column: Mapped[Any]
    dump: Callable[[Any], str]
    load: Callable[[str], Any]


@dataclass(frozen=True)
class Order:
    """A total order: a column, then the primary key in the same direction.

    Attributes:
        key: The requested column.
        tie: The primary key, which makes the order total.
        descending: True if the largest comes first.
    """

    key: SortKey
    tie: SortKey
    descending: bool

    def page(
        self, statement: Select[Any], *, limit: int, cursor: str | None, scope: str
    ) -> Select[Any]:
        """Narrow ``statement`` to the rows after ``cursor``, and one more than ``limit``.

        The row beyond the limit only indicates that there is a next page.

        Args:
            statement: A select with its filters.
            limit: Rows per page.
            cursor: Cursor of the page, None for the first.
            scope: Sort and filters; a cursor is only valid for its own.

        Raises:
            InvalidCursorError: ``cursor`` is not one of this order and scope.
        """
        columns = (self.key.column, self.tie.column)
        if cursor is not None:
            after = tuple_(*self._decode(cursor, scope))
            place = tuple_(*columns)
            # A row comparison, unlike its spelled-out form, is one range of the index.
            condition: ColumnElement[bool] = place < after if self.descending else place > after
            statement = statement.where(condition)
        ordered = (column.desc() if self.descending else column.asc() for column in columns)
        return statement.order_by(*ordered).limit(limit + 1)

    def next_cursor(self, rows: Sequence[Any], *, limit: int, scope: str) -> str | None:
        """Return the cursor after the ``limit``th of ``rows``, None if there are no more."""
        if len(rows) <= limit:
            return None
        last = rows[limit - 1]
        values = [part.dump(getattr(last, part.name)) for part in (self.key, self.tie)]
        text = json.dumps([scope, *values], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _decode(self, cursor: str, scope: str) -> tuple[Any, Any]:
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            found, key, tie = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if found != scope:
                raise InvalidCursorError
            return self.key.load(key), self.tie.load(tie)
        except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
            raise InvalidCursorError from None
