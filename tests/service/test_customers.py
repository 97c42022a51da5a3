from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ANN = {
    "name": "Ann Lee",
    "email": "Ann@Example.com",
    "phone": "+442079460123",
    "company": "Heron Data",
    "plan": "business",
    "notes": "Prefers to be called in the morning.",
}


@pytest.fixture
def ann(client: TestClient) -> dict[str, Any]:
    response = client.post("/customers", json=ANN)
    assert response.status_code == 201, response.text
    return response.json()


def test_a_created_customer_is_read_back(client: TestClient, ann: dict[str, Any]) -> None:
    created = client.post("/customers", json=ANN | {"email": "other@example.com"})
    read = client.get(created.headers["location"])
    assert read.json() == created.json()
    assert read.headers["etag"] == created.headers["etag"] == '"v1"'
    assert ann.items() >= (ANN | {"email": "ann@example.com"}).items()


def test_only_name_and_email_are_needed(client: TestClient) -> None:
    created = client.post("/customers", json={"name": "Bo", "email": "bo@example.com"}).json()
    assert created["plan"] == "free"
    assert created["phone"] is None
    assert created["notes"] == ""


def test_an_address_belongs_to_one_customer(client: TestClient, ann: dict[str, Any]) -> None:
    response = client.post("/customers", json=ANN | {"email": "ANN@example.COM"})
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/email-taken"
    # The refused transaction leaves the connection usable.
    assert client.get(f"/customers/{ann['id']}").status_code == 200


def test_a_change_touches_only_what_it_names(client: TestClient, ann: dict[str, Any]) -> None:
    changed = client.patch(
        f"/customers/{ann['id']}",
        json={"plan": "enterprise", "phone": None},
        headers={"If-Match": '"v1"'},
    )
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"v2"'
    after = changed.json()
    assert after.pop("updated_at") >= ann["updated_at"]
    assert after == {k: v for k, v in ann.items() if k != "updated_at"} | {
        "plan": "enterprise",
        "phone": None,
    }


def test_an_empty_change_changes_nothing(client: TestClient, ann: dict[str, Any]) -> None:
    path = f"/customers/{ann['id']}"
    same = client.patch(path, json={}, headers={"If-Match": '"v1"'})
    assert (same.status_code, same.headers["etag"], same.json()) == (200, '"v1"', ann)
    assert client.patch(path, json={}, headers={"If-Match": '"v2"'}).status_code == 412


def test_a_change_can_not_take_anothers_address(client: TestClient, ann: dict[str, Any]) -> None:
    client.post("/customers", json=ANN | {"email": "bo@example.com"})
    response = client.patch(
        f"/customers/{ann['id']}", json={"email": "bo@example.com"}, headers={"If-Match": "*"}
    )
    assert response.status_code == 409


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_of_two_editors_the_later_is_told(
    client: TestClient, ann: dict[str, Any], method: str
) -> None:
    path = f"/customers/{ann['id']}"
    client.patch(path, json={"name": "First"}, headers={"If-Match": '"v1"'})
    body = {"name": "Second"} if method == "PATCH" else None
    late = client.request(method, path, json=body, headers={"If-Match": '"v1"'})
    assert late.status_code == 412
    assert late.json()["type"] == "/problems/precondition-failed"
    assert client.get(path).json()["name"] == "First"


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        (None, 428),
        ("v1", 422),
        ('W/"v1"', 412),
        ('"other"', 412),
        ('"v7", "v1"', None),
        ("*", None),
    ],
)
def test_a_change_says_which_version_it_was_made_on(
    client: TestClient, ann: dict[str, Any], method: str, if_match: str | None, status: int | None
) -> None:
    response = client.request(
        method,
        f"/customers/{ann['id']}",
        json={"name": "New"} if method == "PATCH" else None,
        headers={} if if_match is None else {"If-Match": if_match},
    )
    assert response.status_code == (status or {"PATCH": 200, "DELETE": 204}[method])


@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [('"v1"', 304), ('W/"v1"', 304), ('"v9", "v1"', 304), ("*", 304), ('"v2"', 200), ("junk", 200)],
)
def test_a_current_copy_is_not_sent_again(
    client: TestClient, ann: dict[str, Any], if_none_match: str, status: int
) -> None:
    response = client.get(f"/customers/{ann['id']}", headers={"If-None-Match": if_none_match})
    assert response.status_code == status
    assert response.headers["etag"] == '"v1"'
    assert (response.content == b"") == (status == 304)


def test_a_deleted_customer_is_gone(client: TestClient, ann: dict[str, Any]) -> None:
    path = f"/customers/{ann['id']}"
    assert client.delete(path, headers={"If-Match": '"v1"'}).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path, headers={"If-Match": "*"}).status_code == 404
    assert client.patch(path, json={"name": "X"}, headers={"If-Match": "*"}).status_code == 404
    assert client.patch(path, json={}, headers={"If-Match": "*"}).status_code == 404


def test_a_missing_customer_is_a_problem(client: TestClient) -> None:
    response = client.get(f"/customers/{uuid.uuid4()}")
    assert response.status_code == 404
    assert response.json() == {
        "type": "/problems/customer-not-found",
        "title": "There is no such customer",
        "status": 404,
    }


def test_an_id_may_be_written_in_any_way_that_a_uuid_may(client: TestClient) -> None:
    """Plain ids take a shorter path in the service; the answer is the same."""
    created = client.post("/customers", json={"name": "Ann", "email": "ann@example.com"}).json()
    plain = client.get(f"/customers/{created['id']}")
    for other in (created["id"].upper(), created["id"].replace("-", "")):
        found = client.get(f"/customers/{other}")
        assert (found.status_code, found.content) == (200, plain.content)
        assert found.headers["etag"] == plain.headers["etag"]
        assert found.headers["cache-control"] == plain.headers["cache-control"]
    for wrong in (f"{created['id']}0", f"{created['id'][:-1]}g", f"{created['id'][:-1]}%0A"):
        refused = client.get(f"/customers/{wrong}")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["location"] == ["path", "customer_id"]
