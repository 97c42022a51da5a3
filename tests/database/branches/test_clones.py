"""Unfinished and orphaned databases are dropped, and no others; spare clones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from unittest import mock

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from database.branches import clones, names, provisioning, registry
from database.branches.clones import SparePool
from database.branches.errors import BranchError, ServerBusyError
from database.branches.provisioning import BranchRequest
from database.branches.registry import DatabaseKind, Session
from tests.database.branches.conftest import LIMITS, PASSWORD, Shared

NewRequest = Callable[..., BranchRequest]


class KilledError(BaseException):
    """Stands for SIGKILL: no cleanup runs."""


STEPS = ["copy_template", "allow_connections", "end_connections"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("first", [True, False], ids=["a first database", "a fresh one"])
def test_a_run_killed_anywhere_leaves_nothing_and_is_made_good(
    shared: Shared, session: Session, new_request: NewRequest, step: str, *, first: bool
) -> None:
    request = new_request()
    if not first:
        provisioning.ensure(session, request, LIMITS)
        request = new_request(int(request.names.namespace.removeprefix("pr-")), reset="again")
    original = getattr(clones, step)

    def killed(*args: object, **kwargs: object) -> None:
        original(*args, **kwargs)
        raise KilledError

    before = shared.databases()
    with mock.patch.object(clones, step, killed), pytest.raises(KilledError):
        provisioning.ensure(session, request, LIMITS)
    assert len(shared.databases()) == len(before) + 1
    assert clones.drop_unfinished(session)
    assert shared.databases() == before
    assert provisioning.ensure(session, request, LIMITS)
    assert shared.databases() == before | {request.names.database}


def test_what_was_displaced_goes_though_the_run_was_killed(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    request = new_request()
    provisioning.ensure(session, request, LIMITS)
    again = new_request(int(request.names.namespace.removeprefix("pr-")), reset="again")
    before = shared.databases()
    with (
        mock.patch.object(clones, "drop", side_effect=KilledError),
        pytest.raises(KilledError),
    ):
        provisioning.ensure(session, again, LIMITS)
    # The fresh one is in its place already; the retired one waits to be dropped.
    assert not provisioning.ensure(session, again, LIMITS)
    (retired,) = clones.drop_unfinished(session)
    assert retired.startswith("branch_retired_")
    assert shared.databases() == before


_CLONE_FOREVER = """
import sys
from pydantic import SecretStr
from database.branches import clones, registry
from database.branches.server import Master
master = Master(sys.argv[1], "boss", SecretStr(sys.argv[2]), sslmode="disable")
with registry.session(master) as session:
    while True:
        clones.copy_template(session)
"""


def test_kill_9_in_the_middle_of_cloning(shared: Shared) -> None:
    before = shared.databases()
    process = subprocess.Popen(
        [sys.executable, "-c", _CLONE_FOREVER, shared.server.address, PASSWORD]
    )
    Retrying(
        retry=retry_if_result(lambda made: made < 3),
        stop=stop_after_delay(60),
        wait=wait_fixed(0.01),
    )(lambda: len(shared.databases() - before))
    process.kill()
    process.wait()
    until_free = Retrying(
        retry=retry_if_result(lambda free: not free),
        stop=stop_after_delay(30),
        wait=wait_fixed(0.05),
    )
    until_free(lambda: _is_free(shared))
    with registry.session(shared.master) as session:
        assert len(clones.drop_unfinished(session)) >= 3
    assert shared.databases() == before


def _is_free(shared: Shared) -> bool:
    """The server releases the lock once the statement that was running has ended."""
    try:
        with registry.session(shared.master):
            return True
    except ServerBusyError:
        return False


def test_the_database_of_a_namespace_that_is_gone_goes(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    requests = {state: new_request() for state in ("requested", "namespace lives", "gone")}
    for request in requests.values():
        provisioning.ensure(session, request, LIMITS)
    namespaces = {state: request.names.namespace for state, request in requests.items()}
    others = {e.namespace for e in session.entries() if e.namespace} - set(namespaces.values())
    looked_up: list[str] = []

    def is_gone(namespace: str) -> bool:
        looked_up.append(namespace)
        return namespace == namespaces["gone"]

    before = shared.databases()
    requested = {namespaces["requested"], *others}
    assert clones.drop_orphans(session, requested, is_gone) == [namespaces["gone"]]
    assert looked_up == sorted([namespaces["namespace lives"], namespaces["gone"]], key=_database)
    assert before - shared.databases() == {requests["gone"].names.database}
    assert requests["gone"].names.app not in shared.roles()


def _database(namespace: str) -> str:
    return namespace.replace("-", "_")


def test_no_answer_drops_nothing(shared: Shared, session: Session, new_request: NewRequest) -> None:
    provisioning.ensure(session, new_request(), LIMITS)
    before = shared.databases()

    def is_gone(_: str) -> bool:
        raise ConnectionError("the cluster does not answer")

    with pytest.raises(ConnectionError):
        clones.drop_orphans(session, (), is_gone)
    assert shared.databases() == before


@pytest.mark.parametrize("name", ["pr_999", "branch_pending_0123456789ab", "unrelated", "postgres"])
def test_what_is_not_recorded_is_left_alone(shared: Shared, session: Session, name: str) -> None:
    if name != "postgres":
        shared.server.execute(f"CREATE DATABASE {name} OWNER boss")
    try:
        requested = {e.namespace for e in session.entries() if e.namespace}
        clones.drop_unfinished(session)
        clones.drop_orphans(session, requested, lambda _: True)
        with pytest.raises(BranchError, match="not created by"):
            clones.drop(session, name)
        assert name in shared.databases()
    finally:
        if name != "postgres":
            shared.server.execute(f"DROP DATABASE {name}")


def test_a_name_of_somebody_else_s_is_not_dropped_even_when_recorded(
    shared: Shared, session: Session
) -> None:
    session.record("postgres", DatabaseKind.PENDING)
    try:
        with pytest.raises(BranchError, match="not created by"):
            clones.drop_unfinished(session)
        assert "postgres" in shared.databases()
    finally:
        session.remove_entry("postgres")


def test_spares_are_made_in_advance_and_used_without_a_copy(
    shared: Shared, session: Session, new_request: NewRequest
) -> None:
    pool = SparePool(spares=2, above_bytes=0)
    while clones.add_spare(session, pool):
        pass
    held = {e.name for e in session.entries() if e.kind is DatabaseKind.SPARE}
    assert len(held) == 2
    request = new_request()
    with mock.patch.object(clones, "copy_template", side_effect=AssertionError("copied")):
        assert provisioning.ensure(session, request, LIMITS)
    rows = shared.ask(request.names.database, "SELECT count(*) FROM customers")
    assert rows[0][0] > 0
    assert len(held & shared.databases()) == 1
    assert clones.add_spare(session, pool)
    assert not clones.add_spare(session, pool)
    for name in [e.name for e in session.entries() if e.kind is DatabaseKind.SPARE]:
        clones.drop(session, name)


def test_a_small_template_has_no_spares(session: Session) -> None:
    assert not clones.add_spare(session, SparePool(spares=2, above_bytes=1 << 40))


@pytest.mark.parametrize(
    ("namespace", "database"),
    [("pr-42", "pr_42"), ("pr-999999999", "pr_999999999")],
)
def test_names_are_made_of_the_namespace_s(namespace: str, database: str) -> None:
    found = names.BranchNames.of(namespace)
    assert found is not None
    assert (found.database, found.migrator, found.app) == (
        database,
        f"{database}_migrator",
        f"{database}_app",
    )


@pytest.mark.parametrize("namespace", ["staging", "default", "pr-042", "pr-", "pr-1234567890", ""])
def test_other_namespaces_have_no_names(namespace: str) -> None:
    assert names.BranchNames.of(namespace) is None
