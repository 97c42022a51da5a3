"""Minimal program: Starlette, psycopg2, the same pool, the same statements."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from service.database import Database
from service.settings import DatabaseSettings, load

_GET = """
SELECT id, name, email, phone, company, plan, notes, version, created_at, updated_at
FROM customers WHERE id = %s
"""
_LIST = """
SELECT id, name, email, phone, company, plan, notes, created_at, updated_at
FROM customers ORDER BY created_at DESC, id DESC LIMIT %s
"""
_CREATE = """
INSERT INTO customers (id, name, email, plan) VALUES (%s, %s, %s, %s)
RETURNING id, name, email, phone, company, plan, notes, version, created_at, updated_at
"""
database = Database(load(DatabaseSettings))


def _rows(statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(statement, values)
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        connection.commit()
    finally:
        connection.close()
    for row in rows:
        row["id"] = str(row["id"])
        row["created_at"] = row["created_at"].isoformat()
        row["updated_at"] = row["updated_at"].isoformat()
    return rows


def get_customer(request: Request) -> JSONResponse:
    """Return a customer."""
    return JSONResponse(_rows(_GET, (request.path_params["customer_id"],))[0])


def list_customers(request: Request) -> JSONResponse:
    """Return the first page."""
    return JSONResponse({"items": _rows(_LIST, (int(request.query_params["limit"]) + 1,))})


async def create_customer(request: Request) -> JSONResponse:
    """Create a customer."""
    new = await request.json()
    values = (str(uuid.uuid4()), new["name"], new["email"], "free")
    rows = await run_in_threadpool(_rows, _CREATE, values)
    return JSONResponse(rows[0], 201)


app = Starlette(
    routes=[
        Route("/customers", list_customers),
        Route("/customers", create_customer, methods=["POST"]),
        Route("/customers/{customer_id}", get_customer),
    ]
)
