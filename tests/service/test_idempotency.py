from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from service.app import create_app
from service.database import Database
from service.idempotency.service import FORGOTTEN_AT_ONCE
from service.settings import Settings
from tests.service.conftest import PreparedDatabase, RolledBackDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

ANN = {"name": "Ann", "email": "ann@example.com"}
KEY = {"Idempotency-Key": "order-7"}


@pytest.fixture
def connection(
    migrated: PreparedDatabase,
) -> Iterator[tuple[TestClient, Connection]]:
    """A client, and the connection of its requests."""
    opened: list[RolledBackDatabase] = []

    def connect(settings: object) -> Database:
        opened.append(RolledBackDatabase(settings))  # type: ignore[arg-type]
        return opened[0]

    with TestClient(create_app(Settings(), migrated.app(pool_size=1), connect=connect)) as client:
        yield client, opened[0].connection


def test_what_is_sent_twice_is_created_once(client: TestClient) -> None:
    first = client.post("/customers", json=ANN, headers=KEY)
    again = client.post("/customers", json=ANN | {"plan": "free"}, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(client.get("/customers").json()["items"]) == 1


def test_another_request_needs_another_key(client: TestClient) -> None:
    client.post("/customers", json=ANN, headers=KEY)
    reused = client.post("/customers", json=ANN | {"name": "Bo"}, headers=KEY)
    assert reused.status_code == 422
    assert reused.json()["type"] == "/problems/idempotency-key-reused"


def test_a_key_belongs_to_its_caller(client: TestClient) -> None:
    client.post("/customers", json=ANN, headers=KEY | {"Authorization": "Bearer one"})
    other = client.post("/customers", json=ANN, headers=KEY | {"Authorization": "Bearer two"})
    assert other.status_code == 409


def test_a_failure_is_not_remembered(client: TestClient) -> None:
    taken = client.post("/customers", json=ANN).json()
    assert client.post("/customers", json=ANN, headers=KEY).status_code == 409
    client.delete(f"/customers/{taken['id']}", headers={"If-Match": "*"})
    assert client.post("/customers", json=ANN, headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_a_wrong_key_is_refused(client: TestClient, key: str) -> None:
    response = client.post("/customers", json=ANN, headers={b"Idempotency-Key": key.encode()})
    assert response.status_code == 422


def test_keys_are_forgotten_after_a_day(connection: tuple[TestClient, Connection]) -> None:
    client, database = connection
    for number in range(FORGOTTEN_AT_ONCE + 2):
        headers = {"Idempotency-Key": f"k{number}"}
        client.post("/customers", json=ANN | {"email": f"{number}@example.com"}, headers=headers)
    database.execute(text("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'"))
    # An old key is as good as a new one.
    response = client.post("/customers", json=ANN, headers={"Idempotency-Key": "k0"})
    assert response.status_code == 201
    assert "idempotency-replayed" not in response.headers
    left = database.scalars(text("SELECT key FROM idempotency_keys ORDER BY key")).all()
    assert len(left) == 2
    assert "k0" in left


def test_the_same_request_at_the_same_time_is_carried_out_once(migrated: PreparedDatabase) -> None:
    body = {"name": "Ann", "email": "at-once@example.com"}
    app = create_app(Settings(), migrated.app(pool_size=5))
    with TestClient(app) as client:
        try:
            with ThreadPoolExecutor(5) as threads:
                answers = list(
                    threads.map(
                        lambda _: client.post("/customers", json=body, headers=KEY), range(5)
                    )
                )
        finally:
            found = client.get("/customers", params={"email": body["email"]}).json()["items"]
            for row in found:
                client.delete(f"/customers/{row['id']}", headers={"If-Match": "*"})
            migrated.server.execute("DELETE FROM idempotency_keys", database=migrated.name)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(found) == 1
