"""Extensions that the app needs, which only the master may be allowed to create."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
from psycopg2.sql import SQL, Identifier

from database.access.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812


def create(cursor: Cursor, names: Sequence[str]) -> bool:
    """Create the extensions that the database does not have.

    Returns:
        True if any are needed.

    Raises:
        AccessError: The server does not have one, or the master may not create it.
    """
    for name in names:
        try:
            cursor.execute(SQL("CREATE EXTENSION IF NOT EXISTS {}").format(Identifier(name)))
        except psycopg2.Error as error:
            msg = (
                f"extension {name} can't be created: {' '.join(str(error).split())}. The server"
                " lists those that it has in pg_available_extensions, and RDS those that its"
                " master may create in `SHOW rds.extensions`. Correct the app's list of"
                " extensions"
            )
            raise AccessError(msg) from error
    return bool(names)
