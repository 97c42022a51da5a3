"""Instances whose servers fail, with fake servers that fail on demand."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.base_backend import BackendDict
from moto.rds.exceptions import RDSClientError

from sandbox.aws.catalogue import without_instance_types
from sandbox.aws.identity import ACCOUNT, REGION
from sandbox.errors import SandboxError
from tests.waiting import eventually

with without_instance_types():
    from moto.rds.models import rds_backends

    from sandbox.aws.rds import backend as module
    from sandbox.aws.rds.backend import INSTANCE_QUOTA, DatabaseBackend
    from sandbox.aws.rds.lifecycle import Lifecycle
    from sandbox.aws.state import AccountState


class Servers:
    """Fake ``DatabaseServers``: no process, but a failure or a delay where a test wants one."""

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self.copies: set[str] = set()
        self.fails: dict[str, Exception] = {}
        self.go_on = threading.Event()
        self.go_on.set()
        self._given = 0

    def _do(self, what: str) -> None:
        self.go_on.wait(10)
        if what in self.fails:
            raise self.fails[what]

    def free_address(self, taken: set[str], port: int) -> str:
        self._given += 1
        return f"127.99.1.{self._given}"

    def create(self, machine: Any, **_: Any) -> None:
        self.alive.add(machine.identifier)
        self._do("create")

    def restore(self, machine: Any, snapshot: str) -> None:
        self._do("restore")
        self.alive.add(machine.identifier)

    def start(self, machine: Any) -> None:
        self._do("start")
        self.alive.add(machine.identifier)

    def stop(self, machine: Any) -> None:
        self.alive.discard(machine.identifier)

    def delete(self, machine: Any) -> None:
        self.alive.discard(machine.identifier)

    def set_password(self, machine: Any, username: str, password: str) -> None:
        self._do("set_password")

    def take_snapshot(self, machine: Any, snapshot: str) -> None:
        self._do("take_snapshot")
        self.copies.add(snapshot)

    def delete_snapshot(self, snapshot: str) -> None:
        self.copies.discard(snapshot)

    def keep_only(self, instances: set[str], snapshots: set[str]) -> None:
        pass


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def lifecycle(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lifecycle]:
    # What other tests of this process left in moto is not this test's.
    BackendDict.reset()
    monkeypatch.setattr(rds_backends, "backend", rds_backends.backend)
    rds_backends.clear()
    made = Lifecycle(servers, AccountState(tmp_path / "state"))  # type: ignore[arg-type] # a fake
    module.install(made)
    yield made
    made.settle()
    BackendDict.reset()


@pytest.fixture
def backend(lifecycle: Lifecycle) -> DatabaseBackend:
    return rds_backends[ACCOUNT][REGION]


def create(backend: DatabaseBackend, name: str = "pr-42", **options: Any) -> Any:
    return backend.create_db_instance(
        {
            "db_instance_identifier": name,
            "db_instance_class": "db.t4g.micro",
            "engine": "postgres",
            "allocated_storage": 20,
            "master_username": "dbadmin",
            "manage_master_user_password": True,
            "backup_retention_period": 0,
            **options,
        }
    )


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FULL, "storage-full"),
        (
            SandboxError("database address 127.0.0.1:5432", why="in use", remedy="wait"),
            "incompatible-network",
        ),
        (SandboxError("PostgreSQL 16", why="initdb ended with 1", remedy="read"), "failed"),
        (RuntimeError("unforeseen"), "failed"),
    ],
)
def test_a_failure_shows_in_the_status_and_leaves_no_half_server(
    backend: DatabaseBackend, lifecycle: Lifecycle, servers: Servers, error: Exception, status: str
) -> None:
    servers.fails["create"] = error

    instance = create(backend)
    lifecycle.settle()

    assert instance.status == status
    assert servers.alive == set()
    backend.delete_db_instance("pr-42", skip_final_snapshot=True)
    lifecycle.settle()
    assert "pr-42" not in backend.databases
    assert backend.secretsmanager.list_secrets([], None, None, False)[0] == []


def test_a_snapshot_that_fails_is_forgotten_and_the_instance_serves(
    backend: DatabaseBackend, lifecycle: Lifecycle, servers: Servers
) -> None:
    instance = create(backend)
    lifecycle.settle()
    servers.fails["take_snapshot"] = FULL

    backend.create_db_snapshot("pr-42", "copy")
    lifecycle.settle()

    assert list(backend.database_snapshots) == []
    assert instance.status == "available"


def test_an_instance_whose_final_snapshot_fails_is_not_deleted(
    backend: DatabaseBackend, lifecycle: Lifecycle, servers: Servers
) -> None:
    instance = create(backend)
    lifecycle.settle()
    servers.fails["take_snapshot"] = FULL

    backend.delete_db_instance("pr-42", final_db_snapshot_identifier="last")
    lifecycle.settle()

    assert servers.alive == {"pr-42"}
    assert instance.status == "storage-full"
    assert "pr-42" in backend.databases


def test_a_deletion_asked_for_during_creation_has_the_last_word(
    backend: DatabaseBackend, lifecycle: Lifecycle, servers: Servers
) -> None:
    servers.go_on.clear()
    create(backend, backup_retention_period=1)
    backend.delete_db_instance("pr-42", skip_final_snapshot=True)

    servers.go_on.set()
    lifecycle.settle()

    assert "pr-42" not in backend.databases
    assert servers.alive == set()
    assert servers.copies == set()


class ReadTogether(dict[str, Any]):
    """A dictionary in which two threads look something up at the same moment, if they can."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(content)
        self._both = threading.Barrier(2)

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key, default)
        meet(self._both)
        return found


def meet(both: threading.Barrier) -> bool:
    """Return True if another thread comes while this one waits."""
    try:
        both.wait(0.5)
    except threading.BrokenBarrierError:
        return False
    return True


def test_a_server_that_ends_is_started_again_after_what_runs_already(
    backend: DatabaseBackend,
    lifecycle: Lifecycle,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = create(backend)
    lifecycle.settle()
    copy = lifecycle.add_snapshot(instance, "copy")
    lifecycle._last = ReadTogether(lifecycle._last)
    both, met = threading.Barrier(2), dict[str, bool]()
    monkeypatch.setattr(servers, "_do", lambda what: met.update({what: meet(both)}))

    lifecycle.server_died("pr-42")  # In a thread of its own, without the state's lock.
    lifecycle.snapshot(instance, copy)

    eventually(lambda: len(met) == 2, "both jobs to run")
    assert met == {"start": False, "take_snapshot": False}


def test_a_snapshot_in_use_can_not_be_deleted(
    backend: DatabaseBackend, lifecycle: Lifecycle, servers: Servers
) -> None:
    create(backend)
    lifecycle.settle()
    backend.create_db_snapshot("pr-42", "copy")
    lifecycle.settle()
    servers.go_on.clear()
    backend.restore_db_instance_from_db_snapshot("copy", {"db_instance_identifier": "pr-43"})

    with pytest.raises(RDSClientError, match="being restored"):
        backend.delete_db_snapshot("copy")

    servers.go_on.set()
    lifecycle.settle()
    backend.delete_db_snapshot("copy")
    assert servers.copies == set()


def test_a_snapshot_that_is_being_made_can_not_be_restored(
    backend: DatabaseBackend, lifecycle: Lifecycle, servers: Servers
) -> None:
    create(backend)
    lifecycle.settle()
    servers.go_on.clear()
    backend.create_db_snapshot("pr-42", "copy")

    with pytest.raises(RDSClientError, match="copy is creating: expected available"):
        backend.restore_db_instance_from_db_snapshot("copy", {"db_instance_identifier": "pr-43"})

    servers.go_on.set()


@pytest.mark.parametrize("action", ["modify", "reboot", "stop", "snapshot"])
def test_an_instance_that_is_being_created_is_left_in_peace(
    backend: DatabaseBackend, servers: Servers, action: str
) -> None:
    servers.go_on.clear()
    create(backend)
    actions = {
        "modify": lambda: backend.modify_db_instance("pr-42", {"backup_retention_period": 1}),
        "reboot": lambda: backend.reboot_db_instance("pr-42"),
        "stop": lambda: backend.stop_db_instance("pr-42"),
        "snapshot": lambda: backend.create_db_snapshot("pr-42", "copy"),
    }

    with pytest.raises(RDSClientError, match="is creating"):
        actions[action]()

    servers.go_on.set()


def test_the_quota_is_that_of_aws(backend: DatabaseBackend, lifecycle: Lifecycle) -> None:
    for number in range(INSTANCE_QUOTA):
        create(
            backend, f"pr-{number}", manage_master_user_password=False, master_user_password="x" * 8
        )

    with pytest.raises(RDSClientError, match="quota exceeded") as refused:
        create(backend, "one-too-many")

    assert refused.value.code == "InstanceQuotaExceeded"
    assert len(backend.databases) == INSTANCE_QUOTA


def test_a_snapshots_record_holds_no_password(
    backend: DatabaseBackend, lifecycle: Lifecycle, tmp_path: Path
) -> None:
    instance = create(backend)
    lifecycle.settle()
    password = instance.master_user_secret.password
    backend.create_db_snapshot("pr-42", "copy")
    lifecycle.settle()
    assert password.encode() in (tmp_path / "state").read_bytes()

    backend.delete_db_instance("pr-42", skip_final_snapshot=True)
    lifecycle.settle()

    assert password.encode() not in (tmp_path / "state").read_bytes()


def test_a_password_chosen_by_the_caller_is_forgotten_once_the_server_has_it(
    backend: DatabaseBackend, lifecycle: Lifecycle, tmp_path: Path
) -> None:
    create(backend, manage_master_user_password=False, master_user_password="chosen-by-hand")
    lifecycle.settle()

    assert b"chosen-by-hand" not in (tmp_path / "state").read_bytes()
