"""What is read of the Job's log; the logs are recorded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from previews.diagnosis.migration_log import MigrationLog, parse, read
from tests.previews.bringing import MIGRATIONS, LoggedCluster


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
    def pod(name: str, created: str, log: str) -> Any:
        raw = {"metadata": {"name": name, "creationTimestamp": created}}
        lines = recorded(log).splitlines()
        return SimpleNamespace(raw=raw, logs=lambda *, tail_lines: iter(lines[-tail_lines:]))

    pods = [
        pod("migrate-b", "2030-01-02T00:00:00Z", "refused"),
        pod("migrate-a", "2030-01-01T00:00:00Z", "applied"),
        pod("service-a", "2030-01-03T00:00:00Z", "nothing"),
    ]
    api = SimpleNamespace(get=lambda kind, namespace: iter(pods))
    assert read(lambda: api, "pr-42") == parse(recorded("refused"))


def test_without_a_migration_there_is_nothing_and_without_a_cluster_nobody_knows() -> None:
    empty = SimpleNamespace(get=lambda kind, namespace: iter(()))
    assert read(lambda: empty, "pr-42") == MigrationLog()

    def unreachable() -> Any:
        msg = "no route"
        raise OSError(msg)

    assert read(unreachable, "pr-42") is None


def test_a_log_that_is_gone_is_one_that_can_not_be_read() -> None:
    def gone(*, tail_lines: int) -> Any:
        msg = f"no {tail_lines} lines: the container is not there"
        raise ValueError(msg)

    cluster = LoggedCluster("")
    [pod] = cluster.api.get("pods", namespace="pr-42")
    pod.logs = gone
    api = SimpleNamespace(get=lambda kind, namespace: iter([pod]))
    assert read(lambda: api, "pr-42") is None


def test_each_log_is_recorded() -> None:
    assert {path.stem for path in Path(MIGRATIONS).glob("*.log")} == {
        *("applied", "failed", "nothing", "refused"),
    }
