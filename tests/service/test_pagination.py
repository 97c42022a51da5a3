from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.customers.listing import Sort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient


def add(client: TestClient, number: int, **values: Any) -> dict[str, Any]:
    new = {"name": f"Customer {number % 3}", "email": f"c{number}@example.com"} | values
    response = client.post("/customers", json=new)
    assert response.status_code == 201, response.text
    return response.json()


def pages(client: TestClient, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = None
    while True:
        parameters = query | ({} if cursor is None else {"cursor": cursor})
        response = client.get("/customers", params=parameters)
        assert response.status_code == 200, response.text
        yield response.json()["items"]
        cursor = response.json()["next_cursor"]
        if cursor is None:
            return


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_together_are_the_whole_listing(client: TestClient, sort: Sort, limit: int) -> None:
    # All of them are created in one transaction, so created_at is a tie throughout.
    made = [add(client, number) for number in range(7)]
    listed = [row for page in pages(client, sort=sort, limit=limit) for row in page]
    key = sort.lstrip("-")
    expected = sorted(made, key=lambda row: (row[key], row["id"]), reverse=sort.startswith("-"))
    assert listed == expected


def test_an_empty_listing_is_one_page(client: TestClient) -> None:
    assert list(pages(client)) == [[]]


def test_filters_narrow_the_listing(client: TestClient) -> None:
    for number in range(6):
        add(client, number, plan=("free", "business")[number % 2], company=f"Firm {number % 3}")
    rows = [
        row for page in pages(client, plan="business", company="Firm 1", limit=1) for row in page
    ]
    assert [row["email"] for row in rows] == ["c1@example.com"]
    found = [row for page in pages(client, email="C4@example.com") for row in page]
    assert [row["company"] for row in found] == ["Firm 1"]


def test_a_cursor_is_good_for_its_own_listing_alone(client: TestClient) -> None:
    for number in range(3):
        add(client, number)
    cursor = client.get("/customers", params={"limit": 1}).json()["next_cursor"]
    for other in ({"sort": "name"}, {"plan": "free"}, {"company": "A"}):
        response = client.get("/customers", params={"cursor": cursor, **other})
        assert response.status_code == 422
        assert response.json()["type"] == "/problems/invalid-cursor"
    # The number of rows a page is not part of the listing.
    assert client.get("/customers", params={"cursor": cursor, "limit": 2}).status_code == 200


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("created_at", "2025-01-01T00:00:00"),
        ("created_at", "yesterday"),
        ("created_at", 7),
        ("name", "a\0b"),
        ("name", "\ud800"),
        ("name", ["a"]),
        ("name", None),
    ],
)
def test_a_forged_cursor_is_refused(client: TestClient, sort: str, key: object) -> None:
    for number in range(2):
        add(client, number)
    real = client.get("/customers", params={"sort": sort, "limit": 1}).json()["next_cursor"]
    scope, _, tie = json.loads(base64.urlsafe_b64decode(real + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([scope, key, tie]).encode()).decode()
    response = client.get("/customers", params={"sort": sort, "cursor": forged.rstrip("=")})
    assert response.status_code == 422
    assert response.json()["type"] == "/problems/invalid-cursor"


def test_the_next_page_is_linked(client: TestClient) -> None:
    for number in range(3):
        add(client, number)
    first = client.get("/customers", params={"limit": 2, "sort": "name", "plan": "free"})
    link = first.links["next"]["url"]
    second = client.get(link)
    assert len(second.json()["items"]) == 1
    assert "next" not in second.links


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("page"), st.just(0)),
            st.tuples(st.just("insert"), st.integers(0, 25)),
            st.tuples(st.just("delete"), st.integers(0, 9)),
        ),
        max_size=25,
    ),
    sort=st.sampled_from(list(Sort)),
    limit=st.integers(1, 4),
)
@hypothesis_settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_nothing_twice_and_nothing_lost_while_rows_come_and_go(
    client: TestClient, steps: list[tuple[str, int]], sort: Sort, limit: int
) -> None:
    """Rows that are there all the time are seen exactly once, in order."""
    for row in [row for page in pages(client, limit=200) for row in page]:
        client.delete(f"/customers/{row['id']}", headers={"If-Match": "*"})
    there = [add(client, n, name=f"{'abcdefghijklmnopqrstuvwxyz'[2 * n]}m") for n in range(10)]
    walk = pages(client, sort=sort, limit=limit)
    seen: list[str] = []
    gone: set[str] = set()
    for number, (step, value) in enumerate(steps):
        if step == "insert":
            add(client, 100 + number, name=f"{'abcdefghijklmnopqrstuvwxyz'[value]}i")
        elif step == "delete" and there[value]["id"] not in gone:
            gone.add(there[value]["id"])
            client.delete(f"/customers/{there[value]['id']}", headers={"If-Match": "*"})
        elif step == "page":
            seen += [row["id"] for row in next(walk, [])]
    seen += [row["id"] for page in walk for row in page]
    assert len(seen) == len(set(seen))
    key = sort.lstrip("-")
    stayed = sorted(
        (row for row in there if row["id"] not in gone),
        key=lambda row: (row[key], row["id"]),
        reverse=sort.startswith("-"),
    )
    assert [one for one in seen if one in {row["id"] for row in stayed}] == [
        row["id"] for row in stayed
    ]
