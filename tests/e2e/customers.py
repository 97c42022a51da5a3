"""The previewed service's API as a client sees it."""

from __future__ import annotations

import uuid
from typing import Any

import httpx


def create(client: httpx.Client, name: str = "Ada Lovelace") -> dict[str, Any]:
    """Create a customer that no other test uses."""
    new = {"name": name, "email": f"{uuid.uuid4().hex}@example.com"}
    response = client.post("/customers", json=new)
    assert response.status_code == 201, response.text
    return dict(response.json())


def rename(client: httpx.Client, customer_id: str, name: str) -> dict[str, Any]:
    """Change a customer's name, on the version that is there."""
    etag = client.get(f"/customers/{customer_id}").headers["ETag"]
    response = client.patch(
        f"/customers/{customer_id}", json={"name": name}, headers={"If-Match": etag}
    )
    assert response.status_code == 200, response.text
    return dict(response.json())


def remove(client: httpx.Client, customer_id: str) -> None:
    """Delete a customer, on the version that is there."""
    etag = client.get(f"/customers/{customer_id}").headers["ETag"]
    response = client.delete(f"/customers/{customer_id}", headers={"If-Match": etag})
    assert response.status_code == 204, response.text


def oldest(client: httpx.Client, count: int = 50) -> list[str]:
    """Ids of the first page: staging's rows, since they are the oldest."""
    response = client.get("/customers", params={"limit": count, "sort": "created_at"})
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()["items"]]


def exists(client: httpx.Client, customer_id: str) -> bool:
    """Return True if the customer exists."""
    response = client.get(f"/customers/{customer_id}")
    assert response.status_code in {200, 404}, response.text
    return response.status_code == 200


def crud_round_trip(client: httpx.Client) -> None:
    """Create, read, update, list and delete one customer."""
    customer = create(client)
    path = f"/customers/{customer['id']}"
    assert client.get(path).json() == customer
    assert rename(client, customer["id"], "Grace Hopper")["name"] == "Grace Hopper"
    newest = client.get("/customers", params={"limit": 1, "sort": "-created_at"}).json()["items"]
    assert [row["id"] for row in newest] == [customer["id"]]
    remove(client, customer["id"])
    assert client.get(path).status_code == 404
