"""Pushes: what they replace, what they leave alone, and what a bad one costs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.e2e import customers
from tests.e2e.databases import both_modes, identity
from tests.e2e.world import World, commit
from tests.waiting import eventually

# What a rollout of a Deployment and a Job of a new image is made of.
ROLLED = {"pods", "replicasets.apps", "jobs.batch"}
KINDS = (
    "namespaces",
    "deployments.apps",
    "services",
    "ingresses.networking.k8s.io",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "networkpolicies.networking.k8s.io",
    "externalsecrets.external-secrets.io",
    "secretstores.external-secrets.io",
    "secrets",
    "serviceaccounts",
    "resourcequotas",
    "limitranges",
    *sorted(ROLLED),
)


@pytest.fixture
def number(standing: Callable[[str], int], mode: str) -> int:
    """One preview of each mode serves all tests: each leaves it as able to serve as it was."""
    return standing(mode)


@pytest.fixture
def preview(number: int) -> str:
    return f"pr-{number}"


@contextmanager
def changed(world: World, name: str, text: str) -> Iterator[str]:
    """A committed change of one file in the checkout, taken back at the end."""
    path = world.checkout / name
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    try:
        yield commit(world.checkout, f"Change {name}")
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before)
        commit(world.checkout, f"Take the change of {name} back")


def objects(world: World, namespace: str) -> dict[str, dict[str, str]]:
    """Of each kind, the objects of a namespace: name to uid."""
    found: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        items = world.kubectl("get", kind, "--all-namespaces")["items"]
        found[kind] = {
            item["metadata"]["name"]: item["metadata"]["uid"]
            for item in items
            if namespace in (item["metadata"].get("namespace"), item["metadata"]["name"])
        }
    return found


class Visitors:
    """A client that asks all the while, and keeps what went wrong."""

    def __init__(self, world: World, stack: str) -> None:
        self._client = world.client(stack)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers = 0
        self.failures: list[str] = []

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            try:
                response = self._client.get("/customers", params={"limit": 1})
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
                continue
            self.answers += 1
            if response.status_code != 200:
                self.failures.append(f"{response.status_code} {response.text[:200]}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()


@both_modes
def test_a_push_replaces_the_pods_and_nothing_else(world: World, preview: str, number: int) -> None:
    with world.client(preview) as client:
        written = customers.create(client)["id"]
    before, database_before = objects(world, preview), identity(world, preview)

    with changed(world, "service/pushed.py", '"""Pushed."""\n') as pushed:
        with Visitors(world, preview) as visitors:
            world.sandbox("push", str(number))
        with world.client(preview) as client:
            assert client.get("/version").json()["commit"] == pushed
            assert customers.exists(client, written)

    after = objects(world, preview)
    replaced = {kind for kind in KINDS if before[kind] != after[kind]}
    assert replaced == ROLLED
    assert identity(world, preview) == database_before
    assert visitors.answers > 20
    assert visitors.failures == []


def test_what_is_not_committed_can_be_pushed(world: World, preview: str, number: int) -> None:
    path = world.checkout / "service" / "uncommitted.py"
    path.write_text('"""Not committed."""\n')
    try:
        world.sandbox("push", str(number))
        image = world.outputs(preview)["image"]
        world.sandbox("push", str(number))
        assert world.outputs(preview)["image"] == image
    finally:
        path.unlink()
    world.sandbox("push", str(number))
    assert world.outputs(preview)["image"] != image


@both_modes
def test_a_newer_snapshot_leaves_a_living_database_alone(
    world: World, preview: str, number: int
) -> None:
    with world.client(preview) as client:
        written = customers.create(client)["id"]
    before = identity(world, preview)
    newer = world.sandbox("snapshot", "staging").splitlines()[-1]
    pinned = world.outputs(preview)["snapshot"]
    assert newer != pinned

    with changed(world, "service/later.py", '"""Later."""\n'):
        world.sandbox("push", str(number))

    assert world.outputs(preview)["snapshot"] == pinned
    assert identity(world, preview) == before
    with world.client(preview) as client:
        assert customers.exists(client, written)


BROKEN_MIGRATION = '''"""A migration that can't work."""

from alembic import op

revision = "ffff00000000"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE nobody_has_made_this ADD COLUMN x int")


def downgrade() -> None:
    op.execute("SELECT 1")
'''


def head_revision(checkout: Path) -> str:
    """The newest revision of the checkout's migrations."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(checkout / "service" / "migrations"))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert head is not None
    return head


@both_modes
def test_a_failed_migration_leaves_the_old_version_serving(
    world: World, preview: str, number: int
) -> None:
    with world.client(preview) as client:
        version = client.get("/version").json()
    name = "service/migrations/versions/ffff00000000_broken.py"
    broken = BROKEN_MIGRATION.format(head=head_revision(world.checkout))

    with changed(world, name, broken), Visitors(world, preview) as visitors:
        process = world.start("push", str(number))
        output, _ = process.communicate()

    assert process.returncode == 1, output
    assert 'relation "nobody_has_made_this" does not exist' in output
    assert visitors.failures == []
    with world.client(preview) as client:
        assert client.get("/version").json() == version

    world.sandbox("push", str(number))
    with world.client(preview) as client:
        customers.crud_round_trip(client)


def test_an_image_whose_process_exits_at_once_shows_its_last_lines(
    world: World, preview: str, number: int
) -> None:
    broken = "raise SystemExit('the flux capacitor is missing')\n"
    # On a cluster a pod may wait minutes for its node; here it is known to fail by then.
    seconds = ("--stack", preview, "--path", "previews:service.startSeconds")
    world.run("pulumi", "config", "set", *seconds, "10")
    try:
        with changed(world, "service/__main__.py", broken):
            output = world.sandbox("push", str(number), fails=True)
    finally:
        world.run("pulumi", "config", "rm", *seconds)
    assert "the flux capacitor is missing" in output
    with world.client(preview) as client:
        customers.crud_round_trip(client)
    world.sandbox("push", str(number))


def test_a_dockerfile_that_fails_is_named_with_its_line(
    world: World, preview: str, number: int
) -> None:
    dockerfile = (world.checkout / "Dockerfile").read_text()
    with changed(world, "Dockerfile", f"{dockerfile}\nRUN echo no such luck >&2; exit 3\n"):
        output = world.sandbox("push", str(number), fails=True)
    assert "no such luck" in output
    assert "Dockerfile" in output
    assert "exited with 3" in output
    with world.client(preview) as client:
        assert client.get("/health/ready").status_code == 200


def test_a_push_to_no_preview_says_how_to_make_one(world: World) -> None:
    assert "make preview PR=4545" in world.sandbox("push", "4545", fails=True)


def test_load_is_measured_and_answered_with_another_pod(world: World, preview: str) -> None:
    def ask(kind: str, *name: str) -> Any:
        return world.kubectl("get", kind, *name, "--namespace", preview)

    def has_pods(count: int) -> bool:
        return bool(ask("deployments", "service")["status"].get("readyReplicas") == count)

    def utilization() -> int | None:
        status = ask("horizontalpodautoscalers", "service")["status"]
        states = {one["type"]: one["status"] for one in status.get("conditions", ())}
        if states.get("ScalingActive") != "True":
            return None
        (cpu,) = (one["resource"] for one in status["currentMetrics"])
        return int(cpu["current"]["averageUtilization"])

    eventually(lambda: utilization() is not None, "the autoscaler has figures")
    # An earlier test's visitors may have been load enough.
    eventually(lambda: has_pods(1), "there is one pod")
    with ExitStack() as stack:
        visitors = [stack.enter_context(Visitors(world, preview)) for _ in range(4)]
        eventually(lambda: has_pods(2), "there is a second pod")
    assert [visitor.failures for visitor in visitors] == [[]] * 4

    used = {
        c["name"]: c["usage"] for p in ask("pods.metrics.k8s.io")["items"] for c in p["containers"]
    }
    assert used["service"].keys() == {"cpu", "memory"}
