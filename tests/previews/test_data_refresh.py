"""The swap to newer data: never a moment without a server, nothing removed on no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from previews.clients import Clients
from previews.data_refresh import PUBLICATIONS, refresh
from previews.database_reset import CLAIMS
from previews.errors import PreviewsError
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import PLATFORM, MemoryStacks, clients_of


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
        cluster.add(CLAIMS, "database", namespace.replace("_", "-"), status=status)
    clients = clients_of(stacks)
    clients.__dict__["cluster"] = cast("Any", cluster)
    return clients, stacks, cluster


def changes(stacks: Stacks) -> list[str]:
    return [call for call in stacks.calls if call.split()[0] in {"up", "destroy", "remove"}]


def test_the_new_server_is_up_before_an_old_one_goes() -> None:
    clients, stacks, _ = world("data-8")
    result = refresh(clients)
    assert changes(stacks) == ["up data-9", "destroy data-8", "remove data-8"]
    assert (result.serving, result.retired, result.kept) == ("data-9", ["data-8"], {})
    assert result.snapshot == "rds:data-9"


def test_the_first_one() -> None:
    clients, stacks, _ = world()
    assert refresh(clients).serving == "data-1"
    assert changes(stacks) == ["up data-1"]


def test_a_server_with_previews_stays() -> None:
    clients, stacks, _ = world("data-9", "data-10", pr_42="data-9", pr_7="data-9")
    result = refresh(clients)
    assert changes(stacks) == ["up data-11", "destroy data-10", "remove data-10"]
    assert result.kept == {"data-9": ["pr-42", "pr-7"]}
    assert "data-9 stays for pr-42, pr-7" in result.text()


def test_a_refresh_that_fails_leaves_the_old_one_in_service_and_says_so() -> None:
    clients, stacks, _ = world("data-8", pr_42="data-8")
    stacks.fail_on = "up data-9"
    with pytest.raises(PreviewsError, match="data-8 goes on serving") as caught:
        refresh(clients)
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
        refresh(clients)


def test_no_answer_of_the_cluster_retires_nothing() -> None:
    clients, stacks, cluster = world("data-8")
    cluster.answers = False
    with pytest.raises(PreviewsError, match="no answer"):
        refresh(clients)
    assert changes(stacks) == ["up data-9"]


def test_where_the_mode_is_off_it_says_so_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch, previews: Callable[..., tuple[int, str, str]]
) -> None:
    clients, stacks, _ = world("data-8")
    monkeypatch.setattr("previews.commands.refresh.Clients", lambda: clients)
    code, printed, _ = previews("refresh")
    assert code == 0
    assert "hands out no databases in mode branch" in printed
    assert changes(stacks) == []


def test_where_the_mode_is_on_the_command_refreshes(
    monkeypatch: pytest.MonkeyPatch, previews: Callable[..., tuple[int, str, str]]
) -> None:
    clients, stacks, _ = world("data-8")
    clients.__dict__["platform"] = PLATFORM.model_copy(update={"branches_namespace": "branches"})
    monkeypatch.setattr("previews.commands.refresh.Clients", lambda: clients)
    code, printed, _ = previews("refresh")
    assert code == 0
    assert "clones from data-9" in printed
    assert changes(stacks) == ["up data-9", "destroy data-8", "remove data-8"]
