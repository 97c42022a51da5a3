"""Two apps unlike the sample, beside it on one platform, under one pull request's number.

Orders has asyncpg, settings of its own names, several schemas, a worker, Redis, mail and one health
path; the board's image is not Python, and it has no migrations. Both bind to all addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.asking import DENIED, OPEN, ask
from tests.e2e.inventory import everything
from tests.e2e.lifecycle import REPOSITORY, Lifecycle
from tests.e2e.world import World
from tests.github import LocalGitHub
from tests.waiting import eventually

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


def order(client: httpx.Client, email: str, item: str) -> dict[str, Any]:
    """Place an order, and wait until the worker has got it by Redis and has mailed."""
    placed = dict(client.post("/orders", json={"email": email, "item": item}).json())
    path = f"/orders/{placed['id']}"
    eventually(lambda: client.get(path).json()["status"] == "confirmed", "order confirmed")
    eventually(lambda: mail_to(client, email) != [], f"mail to {email}")
    return placed


def mail_to(client: httpx.Client, email: str) -> list[dict[str, Any]]:
    """Return the mail to an address, by the API of the page."""
    found = client.get("/_mail/api/v1/messages").raise_for_status().json()
    return [one for one in found["messages"] if email in {to["Address"] for to in one["To"]}]


def test_an_order_goes_to_the_worker_and_its_mail_is_shown(apps: World) -> None:
    with orders(apps) as client:
        placed = order(client, "ada@example.com", "tea")
        host = f"orders-pr-{NUMBER}.{apps.settings.domain}:{apps.settings.http_port}"
        assert placed["link"] == f"http://{host}/orders/{placed['id']}"
        (mail,) = mail_to(client, "ada@example.com")
        assert mail["Subject"] == f"Your order {placed['id']}"
        text = client.get(f"/_mail/api/v1/message/{mail['ID']}").json()["Text"]
        assert "Thank you for ordering tea." in text
        page = client.get("/_mail/")
        assert 'data-webroot="/_mail/"' in page.text
        (script,) = re.findall(r'<script src="([^"]+)"', page.text)
        assert len(client.get(script).raise_for_status().content) > 100_000
    status = apps.run("previews", "--app", ORDERS, "status", str(NUMBER))
    assert f"http://{host}/_mail" in status


def test_only_the_app_s_own_pods_reach_redis_and_mail_and_these_reach_nothing(
    apps: World,
) -> None:
    own, other = f"orders-pr-{NUMBER}", f"board-pr-{NUMBER}"
    service = apps.kubectl("get", "deployment", "service", "--namespace", own)
    image = service["spec"]["template"]["spec"]["containers"][0]["image"]
    redis, smtp = "redis:6379", "mail:1025"
    assert ask(apps, own, "probe", image, redis, smtp, "mail:80") == {
        redis: OPEN,
        smtp: OPEN,
        "mail:80": DENIED,
    }
    outside = "192.0.2.1:443"
    for name in ("redis", "mail", "prepare"):
        assert set(ask(apps, own, name, image, redis, smtp, outside).values()) == {DENIED}
    far = [
        f"{host}.{own}.svc.cluster.local:{port}" for host, port in (("redis", 6379), ("mail", 1025))
    ]
    assert ask(apps, other, "probe", image, *far) == dict.fromkeys(far, DENIED)


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


def reset(apps: World, mode: str) -> None:
    """Reset the database of orders, as CI does."""
    through = f"http://127.0.0.1:{apps.settings.http_port}"
    with LocalGitHub(REPOSITORY) as hub:
        ci = Lifecycle(apps, hub)
        ci.pull(NUMBER)
        fresh = ci.previews("--app", ORDERS, "reset-db", str(NUMBER), "--through", through)
        (comment,) = hub.state.comments_of(NUMBER)
    assert (fresh["stack"], fresh["mode"]) == (f"orders-pr-{NUMBER}", mode)
    assert "/_mail" in comment.body


def has_fresh_data_after_a_reset(apps: World, mode: str) -> None:
    """Reset the database, and prove that the app works on data without what was written."""
    with orders(apps) as client:
        placed = order(client, f"eve-{mode}@example.com", "jam")
    reset(apps, mode)
    with orders(apps) as client:
        assert client.get(f"/orders/{placed['id']}").status_code == 404
        order(client, f"eve-again-{mode}@example.com", "jam")


def test_a_reset_gives_fresh_data_and_an_empty_redis(apps: World) -> None:
    before = pod_of(apps, "redis")
    has_fresh_data_after_a_reset(apps, "snapshot")
    assert pod_of(apps, "redis") != before


def pod_of(apps: World, name: str) -> str:
    """Return the UID of a pod of orders."""
    selector = f"app.kubernetes.io/name={name}"
    pods = apps.kubectl("get", "pods", "--namespace", f"orders-pr-{NUMBER}", "--selector", selector)
    (pod,) = [p for p in pods["items"] if "deletionTimestamp" not in p["metadata"]]
    return str(pod["metadata"]["uid"])


def test_one_goes_while_the_other_lives(apps: World) -> None:
    left = f"board-pr-{NUMBER}"
    before = {line for line in everything(apps) if left in line}
    apps.sandbox("--app", ORDERS, "destroy", str(NUMBER))
    assert {line for line in everything(apps) if f"orders-pr-{NUMBER}" in line} == set()
    assert {line for line in everything(apps) if left in line} == before
    with apps.client(left) as client:
        assert client.get("/notes/1").status_code == 200


def test_in_mode_branch_it_works_too_and_the_list_of_previews_has_all_apps(apps: World) -> None:
    apps.sandbox("--app", ORDERS, "preview", str(NUMBER), "--database", "branch")
    has_fresh_data_after_a_reset(apps, "branch")
    listed = apps.run("previews", "list")
    assert f"board-pr-{NUMBER}" in listed
    assert f"orders-pr-{NUMBER}" in listed
    assert Path(apps.checkout / "apps/orders/Pulumi.yaml").is_file()
