"""Passes of the controller: requests in a cluster kept in memory, databases on a real server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import pytest

from contract.kubernetes import FINALIZER, RESET_ANNOTATION
from database.branches import clones, registry
from database.branches.clones import SparePool
from database.branches.controller import Controller
from database.branches.errors import NotReadyError, ServerBusyError
from database.branches.resources import (
    Branch,
    Generation,
    Object,
    read_branch,
    read_generation,
)
from tests.database.branches.conftest import LIMITS, PASSWORD, ROWS, Shared

NUMBERS = itertools.count(5000)
Item = dict[str, Any]


@dataclass
class MemoryCluster:
    """Objects and namespaces as an API server keeps them."""

    objects: list[Item] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)
    secrets: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    answers: bool = True

    def branches(self) -> list[Branch]:
        return [read_branch(item) for item in self.objects if item["kind"] == "DatabaseBranch"]

    def generations(self) -> list[Generation]:
        found = [item for item in self.objects if item["kind"] == "DatabaseGeneration"]
        return [read_generation(item) for item in found]

    def login(self, namespace: str, secret: str) -> tuple[str, str]:
        if (namespace, secret) not in self.secrets:
            raise NotReadyError(f"Secret {namespace}/{secret} does not exist yet.")
        return self.secrets[namespace, secret]

    def is_gone(self, namespace: str) -> bool:
        if not self.answers:
            raise NotReadyError("the cluster does not answer")
        return namespace not in self.namespaces

    def add_finalizer(self, item: Object) -> None:
        self._metadata(item)["finalizers"] = [*item.finalizers, FINALIZER]

    def remove_finalizer(self, item: Object) -> None:
        self._metadata(item)["finalizers"] = []
        self.objects = [o for o in self.objects if o["metadata"]["uid"] != item.uid]

    def write_status(self, item: Object, status: Mapping[str, Any]) -> None:
        found = next(o for o in self.objects if o["metadata"]["uid"] == item.uid)
        found["status"] = {**found.get("status", {}), **status}

    def _metadata(self, item: Object) -> Item:
        found = next(o for o in self.objects if o["metadata"]["uid"] == item.uid)
        metadata: Item = found["metadata"]
        assert metadata["resourceVersion"] == item.version
        metadata["resourceVersion"] = str(int(item.version) + 1)
        return metadata

    def make(self, kind: str, namespace: str, name: str, **more: Any) -> Item:
        metadata = {
            "namespace": namespace,
            "name": name,
            "uid": f"{kind}-{namespace}-{name}-{next(NUMBERS)}",
            "resourceVersion": "1",
            "generation": 1,
            "annotations": {},
        }
        made = {"kind": kind, "metadata": metadata, **more}
        self.objects.append(made)
        return made

    def request(self, number: int | None = None, *, secrets: bool = True) -> Item:
        namespace = f"pr-{number or next(NUMBERS)}"
        self.namespaces.add(namespace)
        if secrets:
            self.give_secrets(namespace)
        return self.make("DatabaseBranch", namespace, "database")

    def give_secrets(self, namespace: str) -> None:
        for what in ("migrator", "app"):
            role = f"{namespace.replace('-', '_')}_{what}"
            self.secrets[namespace, f"database-{what}"] = (role, PASSWORD)

    def publish(self, shared: Shared, number: int = 1) -> Item:
        name = f"data-{number}"
        self.secrets["branches", name] = ("boss", PASSWORD)
        spec = {
            "number": number,
            "host": shared.server.address,
            "port": 5432,
            "sslMode": "disable",
            "masterSecret": name,
            "snapshot": f"rds:staging-{number}",
            "snapshotCreated": "2030-01-31T03:05:11Z",
        }
        return self.make("DatabaseGeneration", "branches", name, spec=spec)


def ready(item: Item) -> tuple[str, str]:
    (condition,) = item["status"]["conditions"]
    return condition["status"], condition["reason"]


@dataclass
class World:
    cluster: MemoryCluster
    controller: Controller
    shared: Shared

    def settle(self) -> None:
        for _ in range(10):
            if not self.controller.reconcile().waiting:
                return

    def rows(self, request: Item) -> int:
        database = request["status"]["database"]
        found = self.shared.ask(
            database, "SELECT count(*) FROM customers", user=f"{database}_app", password=PASSWORD
        )
        return int(found[0][0])

    def delete(self, item: Item) -> None:
        item["metadata"]["deletionTimestamp"] = "2030-01-31T12:00:00Z"


@pytest.fixture
def world(shared: Shared) -> Iterator[World]:
    """A cluster with one server, in which the namespaces of other tests exist."""
    cluster = MemoryCluster()
    with registry.session(shared.master) as session:
        for entry in session.entries():
            if entry.namespace:
                cluster.namespaces.add(entry.namespace)
    made = World(cluster, Controller(cluster, LIMITS, SparePool(0)), shared)
    yield made
    for item in cluster.branches():
        cluster.namespaces.discard(item.namespace)
    cluster.objects = [o for o in cluster.objects if o["kind"] == "DatabaseGeneration"]
    made.settle()


def test_a_request_gets_a_database(world: World) -> None:
    generation = world.cluster.publish(world.shared)
    request = world.cluster.request()
    world.settle()
    world.settle()
    assert ready(generation) == ("True", "Serving")
    assert ready(request) == ("True", "Provisioned")
    namespace = request["metadata"]["namespace"]
    assert {k: v for k, v in request["status"].items() if k != "conditions"} == {
        "generation": "data-1",
        "host": world.shared.server.address,
        "port": 5432,
        "database": namespace.replace("-", "_"),
        "snapshot": "rds:staging-1",
        "snapshotCreated": "2030-01-31T03:05:11Z",
        "reset": "",
    }
    assert request["metadata"]["finalizers"] == [FINALIZER]
    assert world.rows(request) == ROWS


def test_ten_requests_at_once(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    requests = [world.cluster.request() for _ in range(10)]
    world.settle()
    assert [ready(request) for request in requests] == [("True", "Provisioned")] * 10
    assert [world.rows(request) for request in requests] == [ROWS] * 10


def test_without_a_server_a_request_reports_what_to_do(world: World) -> None:
    request = world.cluster.request()
    world.settle()
    assert ready(request) == ("False", "NoGeneration")
    assert "previews refresh" in request["status"]["conditions"][0]["message"]
    assert "generation" not in request["status"]


def test_a_request_waits_for_its_secrets(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    request = world.cluster.request(secrets=False)
    assert world.controller.reconcile().waiting
    assert ready(request) == ("False", "Waiting")
    world.cluster.give_secrets(request["metadata"]["namespace"])
    world.settle()
    assert ready(request) == ("True", "Provisioned")


def test_a_secret_that_was_made_anew_lets_its_role_in(world: World) -> None:
    """The request is served already: a pass looks at what the Secret has now."""
    world.cluster.publish(world.shared)
    world.settle()
    request = world.cluster.request()
    world.settle()
    namespace, database = request["metadata"]["namespace"], request["status"]["database"]
    user = f"{database}_app"
    world.cluster.secrets[namespace, "database-app"] = (user, "made-anew")
    world.controller.reconcile()
    assert world.shared.ask(database, "SELECT 1", user=user, password="made-anew") == [(1,)]
    assert ready(request) == ("True", "Provisioned")


@pytest.mark.parametrize("namespace", ["default", "staging", "pr-042"])
def test_other_namespaces_get_nothing(world: World, namespace: str) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    before = world.shared.databases()
    request = world.cluster.make("DatabaseBranch", namespace, "database")
    world.settle()
    assert ready(request) == ("False", "Refused")
    assert world.shared.databases() == before


def test_the_login_of_somebody_else_is_refused(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    request = world.cluster.request()
    namespace = request["metadata"]["namespace"]
    world.cluster.secrets[namespace, "database-app"] = ("pr_1_app", PASSWORD)
    world.settle()
    assert ready(request)[0] == "False"
    assert "expected" in request["status"]["conditions"][0]["message"]


def test_one_request_s_failure_is_its_own(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    bad, good = world.cluster.request(secrets=False), world.cluster.request()
    world.settle()
    assert ready(bad)[0] == "False"
    assert ready(good)[0] == "True"


def test_a_deleted_request_takes_its_database_and_roles_along(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    databases, roles = world.shared.databases(), world.shared.roles()
    request = world.cluster.request()
    world.settle()
    assert world.shared.databases() != databases
    world.delete(request)
    world.settle()
    assert (world.shared.databases(), world.shared.roles()) == (databases, roles)
    assert request not in world.cluster.objects


def test_what_outlived_its_namespace_goes_and_nothing_on_no_answer(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    request = world.cluster.request()
    world.settle()
    # Somebody removed the finalizer, and the namespace with everything in it is gone.
    world.cluster.objects.remove(request)
    before = world.shared.databases()
    world.cluster.answers = False
    world.controller.reconcile()
    assert world.shared.databases() == before
    world.cluster.answers = True
    world.controller.reconcile()
    assert world.shared.databases() == before  # The namespace lives: a request may come again.
    world.cluster.namespaces.remove(request["metadata"]["namespace"])
    world.controller.reconcile()
    assert before - world.shared.databases() == {request["status"]["database"]}


def test_a_reset_provisions_a_fresh_clone_at_the_same_address(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    request = world.cluster.request()
    world.settle()
    before = request["status"]
    database = before["database"]
    world.shared.ask(database, "DELETE FROM customers", user=f"{database}_app", password=PASSWORD)
    request["metadata"]["annotations"][RESET_ANNOTATION] = "once"
    world.settle()
    assert world.rows(request) == ROWS
    unchanged = ("host", "port", "database", "generation", "snapshot", "snapshotCreated")
    assert {k: request["status"][k] for k in unchanged} == {k: before[k] for k in unchanged}
    assert request["status"]["reset"] == "once"


def test_living_previews_stay_where_they_are(world: World, fresh: Shared) -> None:
    """A refresh publishes a newer server; provisioned databases stay."""
    from database.branches import template

    world.cluster.publish(world.shared, 1)
    world.settle()
    old = world.cluster.request()
    world.settle()
    template.make(fresh.restored, fresh.scrub, lambda _: None)
    newer = world.cluster.publish(fresh, 2)
    world.settle()
    new = world.cluster.request()
    world.settle()
    assert (old["status"]["generation"], new["status"]["generation"]) == ("data-1", "data-2")
    assert world.rows(old) == ROWS
    # The old server is kept while it has a preview; it does not serve the new one's requests.
    first = next(o for o in world.cluster.objects if o["metadata"]["name"] == "data-1")
    world.delete(first)
    world.controller.reconcile()
    held_by_others = first["status"]["branches"]
    assert ready(first) == ("False", "InUse")
    world.delete(old)
    world.settle()
    assert first["status"]["branches"] == held_by_others - 1 or first not in world.cluster.objects
    world.delete(new)
    world.settle()
    world.delete(newer)
    world.settle()
    assert newer not in world.cluster.objects


def test_a_server_without_a_template_is_never_chosen(world: World, fresh: Shared) -> None:
    registry.install(fresh.master)
    world.cluster.publish(world.shared, 1)
    broken = world.cluster.publish(fresh, 2)
    world.settle()
    request = world.cluster.request()
    world.settle()
    assert ready(broken) == ("False", "Failed")
    assert request["status"]["generation"] == "data-1"


def test_a_server_that_can_not_be_reached_keeps_its_databases(world: World) -> None:
    generation = world.cluster.publish(world.shared)
    world.settle()
    old = world.cluster.request()
    world.settle()
    world.cluster.secrets["branches", "data-1"] = ("boss", "rotated")
    new = world.cluster.request()
    assert world.controller.reconcile().waiting
    assert ready(old) == ("True", "Provisioned")
    assert ready(generation) == ("True", "Serving")
    assert ready(new) == ("False", "Waiting")
    world.cluster.secrets["branches", "data-1"] = ("boss", PASSWORD)
    world.settle()
    assert ready(new) == ("True", "Provisioned")


def test_a_namespace_made_anew_gets_a_fresh_database(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    first = world.cluster.request()
    world.settle()
    database = first["status"]["database"]
    world.shared.ask(database, "DELETE FROM customers", user=f"{database}_app", password=PASSWORD)
    world.cluster.objects.remove(first)
    number = int(first["metadata"]["namespace"].removeprefix("pr-"))
    second = world.cluster.request(number)
    world.settle()
    assert world.rows(second) == ROWS


def test_a_busy_template_is_tried_again(world: World) -> None:
    world.cluster.publish(world.shared)
    world.settle()
    request = world.cluster.request()
    busy = ServerBusyError("the template is in use")
    with mock.patch.object(clones, "copy_template", side_effect=busy):
        assert world.controller.reconcile().waiting
    assert ready(request) == ("False", "Waiting")
    world.settle()
    assert ready(request) == ("True", "Provisioned")


def test_a_second_pass_writes_nothing(world: World) -> None:
    world.cluster.publish(world.shared)
    world.cluster.request()
    world.settle()
    world.settle()
    with mock.patch.object(MemoryCluster, "write_status", side_effect=AssertionError("written")):
        assert not world.controller.reconcile().waiting


def test_a_registry_of_an_older_version_is_upgraded_once(world: World) -> None:
    world.cluster.publish(world.shared)
    request = world.cluster.request()
    with registry.session(world.shared.master) as session:
        session.execute("ALTER TABLE database DROP COLUMN logins")
    with mock.patch.object(registry, "upgrade", wraps=registry.upgrade) as upgrade:
        world.settle()
        world.settle()
    assert ready(request) == ("True", "Provisioned")
    assert upgrade.call_count == 1


def test_spares_are_made_when_nobody_waits(world: World) -> None:
    controller = Controller(world.cluster, LIMITS, SparePool(spares=1, above_bytes=0))
    made = replace(world, controller=controller)
    world.cluster.publish(world.shared)
    made.settle()
    with registry.session(world.shared.master) as session:
        spares = [e.name for e in session.entries() if e.kind.value == "spare"]
        assert len(spares) == 1
        clones.drop(session, spares[0])
