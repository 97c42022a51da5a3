"""Two apps unlike the sample, beside it on one platform, under one pull request's number.

Orders has asyncpg, settings of its own names, several schemas, a worker and one health path; the
board's image is not Python, and it has no migrations. Both bind to all addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.inventory import everything
from tests.e2e.waiting import eventually
from tests.e2e.world import World

ORDERS, BOARD = "tests/apps/orders/backend", "tests/apps/board"
NUMBER = 42
"""Of all three apps' pull requests."""


@pytest.fixture(scope="module")
def apps(world: World) -> Iterator[World]:
    """The previews of both, up."""
    for folder in (ORDERS, BOARD):
        world.sandbox("--app", folder, "preview", str(NUMBER))
    yield world
    for folder in (ORDERS, BOARD):
        world.sandbox("--app", folder, "destroy", str(NUMBER))


@contextmanager
def orders(world: World) -> Iterator[httpx.Client]:
    with world.client(f"orders-pr-{NUMBER}") as client:
        yield client


def test_the_worker_sees_what_the_service_wrote(apps: World) -> None:
    with orders(apps) as client:
        placed = client.post("/orders", json={"email": "ada@example.com", "item": "tea"}).json()
        path = f"/orders/{placed['id']}"
        host = f"orders-pr-{NUMBER}.{apps.settings.domain}:{apps.settings.http_port}"
        assert placed["link"] == f"http://{host}{path}"
        eventually(lambda: client.get(path).json()["status"] == "confirmed", "order confirmed")


def test_staging_s_data_is_there_without_its_people(apps: World) -> None:
    with apps.client(f"board-pr-{NUMBER}") as client:
        note = client.get("/notes/1").json()
    assert note["id"] == 1
    assert "Grace" not in note["text"]
    assert "@example.com" not in note["text"]


def test_a_secret_is_one_preview_s_own_and_stays_over_a_push(apps: World) -> None:
    with orders(apps) as client:
        placed = client.post("/orders", json={"email": "bob@example.com", "item": "ink"}).json()
    source = apps.checkout / ORDERS / "app" / "main.py"
    source.write_text(source.read_text().replace('"pong"', '"pong again"'))
    apps.sandbox("--app", ORDERS, "push", str(NUMBER))
    with orders(apps) as client:
        assert client.get("/ping").json() == {"ping": "pong again"}
        read = client.get(f"/orders/{placed['id']}").json()
    assert read["signature"] == placed["signature"]


def test_one_goes_while_the_other_lives(apps: World) -> None:
    left = f"board-pr-{NUMBER}"
    before = {line for line in everything(apps) if left in line}
    apps.sandbox("--app", ORDERS, "destroy", str(NUMBER))
    assert {line for line in everything(apps) if f"orders-pr-{NUMBER}" in line} == set()
    assert {line for line in everything(apps) if left in line} == before
    with apps.client(left) as client:
        assert client.get("/notes/1").status_code == 200


def test_the_list_of_previews_has_all_apps(apps: World) -> None:
    apps.sandbox("--app", ORDERS, "preview", str(NUMBER), "--database", "branch")
    listed = apps.run("previews", "list")
    assert f"board-pr-{NUMBER}" in listed
    assert f"orders-pr-{NUMBER}" in listed
    assert Path(apps.checkout / "apps/orders/Pulumi.yaml").is_file()
