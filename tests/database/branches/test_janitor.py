"""What is left behind goes, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from unittest import mock

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from database.branches import copying, handing, janitor, names, registry, spares
from database.branches.handing import Claim
from database.branches.registry import Kind, Session
from database.branches.spares import Pool
from tests.database.branches.conftest import LIMITS, PASSWORD, Shared

NewClaim = Callable[..., Claim]


class KilledError(BaseException):
    """What ends a process at once."""


STEPS = ["copy_template", "allow_connections", "end_connections"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("first", [True, False], ids=["a first database", "a fresh one"])
def test_a_run_killed_anywhere_leaves_nothing_and_is_made_good(
    shared: Shared, session: Session, new_claim: NewClaim, step: str, *, first: bool
) -> None:
    claim = new_claim()
    if not first:
        handing.ensure(session, claim, LIMITS)
        claim = new_claim(int(claim.names.namespace.removeprefix("pr-")), reset="again")
    original = getattr(copying, step)

    def killed(*args: object, **kwargs: object) -> None:
        original(*args, **kwargs)
        raise KilledError

    before = shared.databases()
    with mock.patch.object(copying, step, killed), pytest.raises(KilledError):
        handing.ensure(session, claim, LIMITS)
    assert len(shared.databases()) == len(before) + 1
    assert janitor.clear_unfinished(session)
    assert shared.databases() == before
    assert handing.ensure(session, claim, LIMITS)
    assert shared.databases() == before | {claim.names.database}


def test_what_was_displaced_goes_though_the_run_was_killed(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claim = new_claim()
    handing.ensure(session, claim, LIMITS)
    again = new_claim(int(claim.names.namespace.removeprefix("pr-")), reset="again")
    before = shared.databases()
    with (
        mock.patch.object(copying, "drop", side_effect=KilledError),
        pytest.raises(KilledError),
    ):
        handing.ensure(session, again, LIMITS)
    # The fresh one is in its place already; the former waits to be dropped.
    assert not handing.ensure(session, again, LIMITS)
    (former,) = janitor.clear_unfinished(session)
    assert former.startswith("branch_former_")
    assert shared.databases() == before


_CLONE_FOREVER = """
import sys
from pydantic import SecretStr
from database.branches import copying, registry
from database.branches.server import Master
master = Master(sys.argv[1], "boss", SecretStr(sys.argv[2]), sslmode="disable")
with registry.session(master) as session:
    while True:
        copying.copy_template(session)
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
        assert len(janitor.clear_unfinished(session)) >= 3
    assert shared.databases() == before


def _is_free(shared: Shared) -> bool:
    """The lock is the server's: it goes when the statement that was begun has ended."""
    try:
        with registry.session(shared.master):
            return True
    except registry.BusyError:
        return False


def test_the_database_of_a_namespace_that_is_gone_goes(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    claims = {state: new_claim() for state in ("claimed", "namespace lives", "gone")}
    for claim in claims.values():
        handing.ensure(session, claim, LIMITS)
    namespaces = {state: claim.names.namespace for state, claim in claims.items()}
    others = {e.namespace for e in session.entries() if e.namespace} - set(namespaces.values())
    asked: list[str] = []

    def is_gone(namespace: str) -> bool:
        asked.append(namespace)
        return namespace == namespaces["gone"]

    before = shared.databases()
    claimed = {namespaces["claimed"], *others}
    assert janitor.drop_orphans(session, claimed, is_gone) == [namespaces["gone"]]
    assert asked == sorted([namespaces["namespace lives"], namespaces["gone"]], key=_database)
    assert before - shared.databases() == {claims["gone"].names.database}
    assert claims["gone"].names.app not in shared.roles()


def _database(namespace: str) -> str:
    return namespace.replace("-", "_")


def test_no_answer_drops_nothing(shared: Shared, session: Session, new_claim: NewClaim) -> None:
    handing.ensure(session, new_claim(), LIMITS)
    before = shared.databases()

    def is_gone(_: str) -> bool:
        raise ConnectionError("the cluster does not answer")

    with pytest.raises(ConnectionError):
        janitor.drop_orphans(session, (), is_gone)
    assert shared.databases() == before


@pytest.mark.parametrize("name", ["pr_999", "branch_making_0123456789ab", "unrelated", "postgres"])
def test_what_is_not_written_down_is_left_alone(
    shared: Shared, session: Session, name: str
) -> None:
    if name != "postgres":
        shared.server.execute(f"CREATE DATABASE {name} OWNER boss")
    try:
        claimed = {e.namespace for e in session.entries() if e.namespace}
        janitor.clear_unfinished(session)
        janitor.drop_orphans(session, claimed, lambda _: True)
        with pytest.raises(copying.BranchError, match="not made here"):
            copying.drop(session, name)
        assert name in shared.databases()
    finally:
        if name != "postgres":
            shared.server.execute(f"DROP DATABASE {name}")


def test_a_name_of_somebody_else_s_is_not_dropped_even_when_written_down(
    shared: Shared, session: Session
) -> None:
    session.note("postgres", Kind.MAKING)
    try:
        with pytest.raises(copying.BranchError, match="not made here"):
            janitor.clear_unfinished(session)
        assert "postgres" in shared.databases()
    finally:
        session.forget("postgres")


def test_spares_are_made_ahead_and_handed_out_without_a_copy(
    shared: Shared, session: Session, new_claim: NewClaim
) -> None:
    pool = Pool(spares=2, above_bytes=0)
    while spares.add_one(session, pool):
        pass
    held = {e.name for e in session.entries() if e.kind is Kind.SPARE}
    assert len(held) == 2
    claim = new_claim()
    with mock.patch.object(copying, "copy_template", side_effect=AssertionError("copied")):
        assert handing.ensure(session, claim, LIMITS)
    rows = shared.ask(claim.names.database, "SELECT count(*) FROM customers")
    assert rows[0][0] > 0
    assert len(held & shared.databases()) == 1
    assert spares.add_one(session, pool)
    assert not spares.add_one(session, pool)
    for name in [e.name for e in session.entries() if e.kind is Kind.SPARE]:
        copying.drop(session, name)


def test_a_small_template_has_no_spares(session: Session) -> None:
    assert not spares.add_one(session, Pool(spares=2, above_bytes=1 << 40))


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
