"""Two apps on one platform: each finds its own, by tag, by label and by name."""

from __future__ import annotations

import re

import pytest

from contract.kubernetes import STACK_LABEL
from contract.stack_name import PLATFORM_APP, AppName
from previews.inventory.item import AwsFinder, owner_by_database, owner_by_name, preview
from previews.inventory.load_balancer import target_group_pattern
from previews.inventory.namespaces import Namespaces
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import Named

ORDERS = AppName("orders")
NAMES = ("pr-42", "orders-pr-42", "orders-eu-pr-42")


@pytest.mark.parametrize(
    ("app", "own"),
    [(PLATFORM_APP, "pr-42"), (ORDERS, "orders-pr-42"), (AppName("orders-eu"), "orders-eu-pr-42")],
)
def test_a_name_and_a_tag_are_of_one_app(app: AppName, own: str) -> None:
    assert [name for name in NAMES if preview(name, app)] == [own]
    assert [n for n in NAMES if owner_by_name(f"{n}-database", "-database", app=app)] == [own]
    arn = "arn:aws:rds:eu-west-1:123456789012:db"
    assert [name for name in NAMES if owner_by_database(f"{arn}:{name}", app)] == [own]
    finder = AwsFinder(Named("acme/shop"), app)
    finder.name = "AWS"
    found = [
        item.stack
        for name in NAMES
        for item in finder.item("x", name, {"stack": name, "repository": "acme/shop"}, None)
    ]
    assert found == [own]


@pytest.mark.parametrize("app", [PLATFORM_APP, ORDERS])
def test_one_apps_namespaces_are_none_of_the_others(app: AppName) -> None:
    """Neither their labels nor their names: a sweep took the other's before."""
    cluster = MemoryCluster()
    for name in NAMES:
        labels = {STACK_LABEL: name}
        cluster.add("namespaces", name, "", metadata={"labels": labels})
    cluster.add("namespaces", "orders-staging", "")
    cluster.add("namespaces", "orders-branches", "")
    (found,) = Namespaces(cluster, app).find()  # type: ignore[arg-type]  it has the same methods
    assert found.stack == found.id == f"{app.prefix}pr-42"


@pytest.mark.parametrize(
    ("app", "group"),
    [
        ("", "k8s-pr42-service-0123456789"),
        ("a", "k8s-apr42-service-0123456789"),
        ("orders", "k8s-orderspr-service-0123456789"),
        ("my-shop", "k8s-myshoppr-service-0123456789"),
        ("long-name-of-app", "k8s-longname-service-0123456789"),
    ],
)
def test_a_target_groups_short_name_is_recognized(app: str, group: str) -> None:
    pattern = target_group_pattern(AppName(app))
    assert pattern.match(group)
    assert not pattern.match("k8s-staging-service-0123456789")
    shortened = re.sub("[^a-z0-9]", "", f"{AppName(app).prefix}pr-42")[:8]
    assert group.startswith(f"k8s-{shortened}-")
