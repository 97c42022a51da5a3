"""The service's connections to PostgreSQL."""

from __future__ import annotations

from service.database.connection import connect_arguments, connection_url
from service.database.pool import Database, DatabaseDep

__all__ = ["Database", "DatabaseDep", "connect_arguments", "connection_url"]
