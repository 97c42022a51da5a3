"""The swap to newer data: never a moment without a server, nothing removed on no answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from previews.clients import Clients
from previews.errors import PreviewsError
from previews.lifecycle.branch_reset import BRANCH_RESOURCES
from previews.lifecycle.refresh import PUBLICATIONS
from previews.pulumi.locks import TAG, LockOwner
from tests.contract.platform import PLATFORM, platform_with
from tests.github import LocalGitHub
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import NOW, MemoryStacks, clients_of


class Stacks(MemoryStacks):
    def create(self, stack: str) -> None:
        self.add(stack)

    def up(self, stack: str) -> None:
        self._called(f"up {stack}")

    def outputs(self, stack: str) -> dict[str, Any]:
        return {"snapshot": f"rds:{stack}", "snapshotCreated": "2030-01-31T03:05:11Z"}


def world(*servers: str, **users: str) -> tuple[Clients, Stacks, MemoryCluster]:
    stacks, cluster = Stacks(), MemoryCluster()
    for name in ("staging", "pr-42", "unrelated", *servers):
        stacks.add(name)
    for server in servers:
        cluster.add(PUBLICATIONS, server, "branches")
    for namespace, server in users.items():
        status = {"generation": server}
        cluster.add(BRANCH_RESOURCES, "database", namespace.replace("_", "-"), status=status)
    clients = clients_of(stacks)
    clients.__dict__["cluster"] = cast("Any", cluster)
    return clients, stacks, cluster


def changes(stacks: Stacks) -> list[str]:
    return [call for call in stacks.calls if call.split()[0] in {"up", "destroy", "remove"}]


def test_the_new_server_is_up_before_an_old_one_goes() -> None:
    clients, stacks, _ = world("data-8")
    result = clients.refresh().run()
    assert changes(stacks) == ["up data-9", "destroy data-8", "remove data-8"]
    assert (result.serving, result.retired, result.kept) == ("data-9", ["data-8"], {})
    assert result.snapshot == "rds:data-9"


def test_the_first_one() -> None:
    clients, stacks, _ = world()
    assert clients.refresh().run().serving == "data-1"
    assert changes(stacks) == ["up data-1"]


def test_a_server_with_previews_stays() -> None:
    clients, stacks, _ = world("data-9", "data-10", pr_42="data-9", pr_7="data-9")
    result = clients.refresh().run()
    assert changes(stacks) == ["up data-11", "destroy data-10", "remove data-10"]
    assert result.kept == {"data-9": ["pr-42", "pr-7"]}
    assert "data-9 is kept for pr-42, pr-7" in result.text()


def test_a_refresh_that_fails_leaves_the_old_one_in_service_and_says_so() -> None:
    clients, stacks, _ = world("data-8", pr_42="data-8")
    stacks.fail_on = "up data-9"
    with pytest.raises(PreviewsError, match="data-8 stays in use") as caught:
        clients.refresh().run()
    assert "it broke" in caught.value.why
    assert changes(stacks) == ["up data-9", "destroy data-9", "remove data-9"]
    assert "data-8" in stacks.known


def test_what_can_not_be_removed_after_a_failure_is_told_too() -> None:
    clients, stacks, _ = world("data-8")
    stacks.fail_on = "up data-9"

    def destroy(_: str) -> None:
        raise PreviewsError("some-failure", "data-9", why="it is stuck", remedy="look.")

    stacks.on_destroy = destroy
    with pytest.raises(PreviewsError, match=r"data-9 could not be removed either: it is stuck"):
        clients.refresh().run()


def test_no_answer_of_the_cluster_retires_nothing() -> None:
    clients, stacks, cluster = world("data-8")
    cluster.answers = False
    with pytest.raises(PreviewsError, match="no answer"):
        clients.refresh().run()
    assert changes(stacks) == ["up data-9"]


def test_where_the_mode_is_off_it_says_so_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch, previews: Callable[..., tuple[int, str, str]]
) -> None:
    clients, stacks, _ = world("data-8")
    monkeypatch.setattr("previews.commands.refresh.Clients", lambda: clients)
    code, printed, _ = previews("refresh")
    assert code == 0
    assert "has no databases in mode branch" in printed
    assert changes(stacks) == []


def test_where_the_mode_is_on_the_command_refreshes(
    monkeypatch: pytest.MonkeyPatch, previews: Callable[..., tuple[int, str, str]]
) -> None:
    clients, stacks, _ = world("data-8")
    clients.__dict__["platform"] = platform_with(branches={"namespace": "branches"})
    monkeypatch.setattr("previews.commands.refresh.Clients", lambda: clients)
    code, printed, _ = previews("refresh")
    assert code == 0
    assert "clones from data-9" in printed
    assert changes(stacks) == ["up data-9", "destroy data-8", "remove data-8"]


def leave_locked(stacks: Stacks, folder: Path, server: str) -> Path:
    """What a run of a workflow leaves that was killed at a server: a note, and its lock."""
    stacks.backend = f"file://{folder}"
    note = LockOwner(run=9, attempt=1, host="runner-1", at=NOW - timedelta(minutes=6))
    stacks.kept_tags[server] = {TAG: str(note)}
    file = folder / f".pulumi/locks/organization/previews/{server}/a.json"
    file.parent.mkdir(parents=True)
    at = (NOW - timedelta(minutes=5)).isoformat()
    maker = {"pid": 7, "username": "runner", "hostname": "runner-1", "timestamp": at}
    file.write_text(json.dumps(maker))
    return file


def test_a_killed_refresh_is_cleared_away_by_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.run(9, "completed", "cancelled")
        clients, stacks, _ = world("data-8", "data-9", pr_42="data-8")
        lock = leave_locked(stacks, tmp_path, "data-9")
        result = clients.refresh().run()
    assert not lock.exists()
    assert changes(stacks) == ["up data-10", "destroy data-9", "remove data-9"]
    assert (result.serving, result.kept) == ("data-10", {"data-8": ["pr-42"]})


def test_while_another_refresh_runs_nothing_is_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.run(9)
        clients, stacks, _ = world("data-8", "data-9")
        lock = leave_locked(stacks, tmp_path, "data-9")
        with pytest.raises(PreviewsError, match="belongs to run 9, which is in_progress"):
            clients.refresh().run()
    assert lock.exists()
    assert changes(stacks) == []


def test_what_another_refresh_makes_at_the_same_time_is_not_removed() -> None:
    clients, stacks, _ = world("data-8")

    def up(stack: str) -> None:
        raise PreviewsError("stack-locked", stack, why="another run holds it", remedy="wait.")

    stacks.__dict__["up"] = up
    with pytest.raises(PreviewsError, match="another run holds it"):
        clients.refresh().run()
    assert changes(stacks) == []
    assert "data-9" in stacks.known


@mock_aws
def test_an_instance_that_nobody_wrote_down_is_taken_over_before_its_server_goes() -> None:
    boto3.client("rds", region_name=PLATFORM.region).create_db_instance(
        DBInstanceIdentifier="data-9",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        MasterUsername="master",
        MasterUserPassword="only-for-tests",
        AllocatedStorage=20,
    )
    clients, stacks, _ = world("data-8", "data-9", pr_42="data-8")
    urn = "urn:pulumi:data-9::previews::aws:rds/instance:Instance::database"
    instance = {"urn": urn, "type": "aws:rds/instance:Instance", "custom": True}
    begun = {"type": "creating", "resource": {**instance, "inputs": {"identifier": "data-9"}}}
    stacks.add("data-9", resources=[], pending_operations=[begun])

    held: list[str] = []
    stacks.on_destroy = lambda stack: held.extend(r.id for r in stacks.state(stack).resources)
    clients.refresh().run()
    assert held == ["data-9"]
    assert changes(stacks) == ["up data-10", "destroy data-9", "remove data-9"]
