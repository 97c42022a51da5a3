from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

GOOD = {"name": "Ann", "email": "ann@example.com"}
BAD = {
    "unknown field": GOOD | {"admin": True},
    "id is not the client's": GOOD | {"id": "3f8a3f0e-0000-4000-a000-000000000000"},
    "no name": {"email": "ann@example.com"},
    "empty name": GOOD | {"name": ""},
    "blank name": GOOD | {"name": " "},
    "long name": GOOD | {"name": "a" * 201},
    "line break in a name": GOOD | {"name": "a\nb"},
    "NUL in a name": GOOD | {"name": "a\0b"},
    "NUL in notes": GOOD | {"notes": "a\0b"},
    "long notes": GOOD | {"notes": "a" * 4001},
    "number for a name": GOOD | {"name": 7},
    "null name": GOOD | {"name": None},
    "not an address": GOOD | {"email": "ann"},
    "address with a space": GOOD | {"email": "ann lee@example.com"},
    "long address": GOOD | {"email": "a@" + "b" * 60 + ("." + "c" * 60) * 4},
    "not a number": GOOD | {"phone": "020 7946 0123"},
    "unknown plan": GOOD | {"plan": "platinum"},
    "a list": [GOOD],
    "null": None,
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_a_wrong_customer_is_refused(client: TestClient, body: Any) -> None:
    response = client.post("/customers", json=body)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"]


RAW = {
    "lone surrogate": rb'{"name":"\ud800","email":"ann@example.com"}',
    "lone surrogate in a field's name": rb'{"\udfff":1,"name":"Ann","email":"ann@example.com"}',
    "not UTF-8": b'{"name":"\xff","email":"ann@example.com"}',
    "not JSON": b"{",
    "nothing": b"",
    "very deep": b"[" * 30_000,
    "not a number": b'{"name":NaN,"email":"ann@example.com"}',
    "a number without end": b'{"name":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("content", RAW.values(), ids=RAW)
def test_what_can_not_be_read_is_refused(client: TestClient, content: bytes) -> None:
    response = client.post(
        "/customers", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in {400, 422}, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_a_refusal_echoes_nothing(client: TestClient) -> None:
    secret = "hunter2-not-to-be-seen"
    for body in (GOOD | {"name": secret + "\0"}, GOOD | {"plan": secret}, GOOD | {"phone": secret}):
        assert secret not in client.post("/customers", json=body).text


@pytest.mark.parametrize("field", ["name", "email", "plan", "notes"])
def test_what_is_needed_can_not_be_set_to_null(client: TestClient, field: str) -> None:
    created = client.post("/customers", json=GOOD).json()
    response = client.patch(
        f"/customers/{created['id']}", json={field: None}, headers={"If-Match": "*"}
    )
    assert response.status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "sort=notes",
        "plan=gold",
        "company=%00",
        "email=ann",
        "unknown=1",
        "cursor=",
        "cursor=!",
        "cursor=W10",
        "cursor=bnVsbA",
        "cursor=" + "A" * 2001,
    ],
)
def test_a_wrong_listing_is_refused(client: TestClient, query: str) -> None:
    response = client.get(f"/customers?{query}")
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/customers/1", "/customers/%00", "/customers/%ff", "/customers/x"]
)
def test_a_wrong_id_is_refused(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 422


def test_a_body_is_bounded(client: TestClient) -> None:
    content = json.dumps(GOOD | {"notes": "a" * 70_000}).encode()
    sized = client.post("/customers", content=content, headers={"Content-Type": "application/json"})
    streamed = client.post(
        "/customers",
        content=iter([content[:1000], content[1000:]]),
        headers={"Content-Type": "application/json"},
    )
    for response in (sized, streamed):
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/customers", 405), ("POST", "/health", 405)],
)
def test_the_frameworks_own_errors_are_problems(
    client: TestClient, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert ("allow" in response.headers) == (status == 405)


def test_another_media_type_is_refused(client: TestClient) -> None:
    response = client.post("/customers", content="name=Ann", headers={"Content-Type": "text/plain"})
    assert response.status_code in {415, 422}
    assert response.headers["content-type"] == "application/problem+json"
