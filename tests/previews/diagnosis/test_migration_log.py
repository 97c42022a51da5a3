"""What is read of the Job's log; the logs are recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from previews.diagnosis.migration_report import MigrationLog, parse, read
from tests.previews.bringing import MIGRATIONS, logged_cluster, unreachable_cluster
from tests.previews.memory_cluster import MemoryCluster


def recorded(name: str) -> str:
    return (MIGRATIONS / f"{name}.log").read_text()


@pytest.mark.parametrize(
    ("log", "applied", "steps", "refused"),
    [
        ("applied", ("t0: Step 0", "t1: Step 1"), 2, 0),
        ("refused", (), 2, 1),
        ("failed", (), 0, 0),
        ("nothing", (), 0, 0),
    ],
)
def test_a_log_holds_steps_and_report(
    log: str, applied: tuple[str, ...], steps: int, refused: int
) -> None:
    found = parse(recorded(log))
    assert found.applied == applied
    assert found.report is not None
    assert (len(found.report.steps), len(found.report.refused)) == (steps, refused)


def test_what_was_applied_is_told_without_a_report() -> None:
    garbled = recorded("applied").replace('"before"', '"behind"')
    assert parse(garbled) == MigrationLog(applied=("t0: Step 0", "t1: Step 1"))


def test_the_newest_migration_is_read() -> None:
    cluster = MemoryCluster()
    for name, created, log in (
        ("migrate-b", "2030-01-02T00:00:00Z", "refused"),
        ("migrate-a", "2030-01-01T00:00:00Z", "applied"),
        ("service-a", "2030-01-03T00:00:00Z", "nothing"),
    ):
        cluster.add("pods", name, "pr-42", metadata={"creationTimestamp": created})
        cluster.logs[name, False] = recorded(log).splitlines()
    assert read(lambda: cluster, "pr-42") == parse(recorded("refused"))


def test_without_a_migration_there_is_nothing_and_without_a_cluster_nobody_knows() -> None:
    assert read(MemoryCluster, "pr-42") == MigrationLog(ran=False)
    assert read(unreachable_cluster, "pr-42") is None


def test_a_log_that_is_gone_is_one_that_can_not_be_read() -> None:
    cluster = logged_cluster("")
    cluster.logs.clear()
    assert read(lambda: cluster, "pr-42") is None


def test_each_log_is_recorded() -> None:
    assert {path.stem for path in Path(MIGRATIONS).glob("*.log")} == {
        *("applied", "failed", "nothing", "refused"),
    }
