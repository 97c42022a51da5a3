from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from contract.preview import Preview
from contract.stack_name import PLATFORM_APP
from previews.clients import Clients
from previews.errors import PreviewsError
from previews.inventory import Item
from previews.lifecycle import destroy as module
from previews.lifecycle.destroy import DestroyReport
from previews.pull_request.comment import marker
from tests.github import LocalGitHub
from tests.github.state import Comment, now
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.world import (
    MemoryPlace,
    MemoryStacks,
    clients_of,
    thing,
)

PREVIEW = Preview(42)
INSTANCE = {
    "urn": "urn:pulumi:pr-42::previews::aws:rds/instance:Instance::instance",
    "type": "aws:rds/instance:Instance",
    "id": "pr-42",
    "custom": True,
}


def destroy(clients: Clients, *, leftovers: bool = False) -> DestroyReport:
    return clients.destroy(PREVIEW, leftovers=leftovers)


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.pull(42)
        yield hub


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again without waiting; how long in all stays a matter of the clock."""
    monkeypatch.setattr(module, "_LOOK_AGAIN_SECONDS", 0)
    monkeypatch.setattr(module, "_LATE_SECONDS", 0.05)


@pytest.fixture
def stacks() -> MemoryStacks:
    stacks = MemoryStacks()
    stacks.add("pr-42", resources=[INSTANCE])
    return stacks


def test_the_stack_goes_when_nothing_is_left(stacks: MemoryStacks) -> None:
    place = MemoryPlace([thing("pr-42"), thing("pr-420")])
    stacks.on_destroy = lambda _: place.items.pop(0) and None
    report = destroy(clients_of(stacks, place))
    assert report.complete
    assert report.stack_removed
    assert report.deleted == ["aws:rds/instance:Instance pr-42"]
    assert report.looked_in == ["RDS"]
    assert stacks.known == {}
    assert [item.stack for item in place.items] == ["pr-420"]
    assert "nothing is left in RDS" in report.text()


def test_the_state_is_kept_when_something_is_left(stacks: MemoryStacks) -> None:
    place = MemoryPlace([thing("pr-42")])
    report = destroy(clients_of(stacks, place))
    assert report.left == ["RDS instance pr-42"]
    assert not report.complete
    assert not report.stack_removed
    assert "pr-42" in stacks.known
    assert place.removed == []
    assert "left: RDS instance pr-42" in report.text()


def test_leftovers_go_when_they_are_asked_to(stacks: MemoryStacks) -> None:
    place = MemoryPlace([thing("pr-42"), thing("pr-43")])
    report = destroy(clients_of(stacks, place), leftovers=True)
    assert report.leftovers_deleted == ["RDS instance pr-42"]
    assert place.removed == ["pr-42"]
    assert report.complete


def test_without_stagings_outputs_the_resources_go_before_it_fails() -> None:
    stacks = MemoryStacks()
    stacks.add("pr-42", resources=[INSTANCE])
    clients = clients_of(stacks)
    for made in ("platform", "places"):
        del clients.__dict__[made]
    clients.__dict__["_current_cluster"] = MemoryCluster()
    with pytest.raises(PreviewsError, match="ConfigMap staging/platform-outputs"):
        destroy(clients)
    assert "destroy pr-42" in stacks.calls
    assert "pr-42" in stacks.known


def test_twice_is_as_good_as_once(stacks: MemoryStacks) -> None:
    clients = clients_of(stacks, MemoryPlace())
    assert destroy(clients).had_stack
    again = destroy(clients)
    assert not again.had_stack
    assert again.complete


def test_what_goes_a_little_later_is_waited_for(
    stacks: MemoryStacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LATE_SECONDS", 30)

    class Late(MemoryPlace):
        def find(self) -> list:  # type: ignore[type-arg]
            self.looks += 1
            return [thing("pr-42", keep="RDS deletes it")] if self.looks < 3 else []

    place = Late()
    assert destroy(clients_of(stacks, place)).complete
    assert place.looks == 3


def test_what_is_kept_on_purpose_is_told_and_stops_nothing(stacks: MemoryStacks) -> None:
    place = MemoryPlace([thing("pr-42", keep="someone took it", counts=False)])
    report = destroy(clients_of(stacks, place))
    assert report.complete
    assert report.kept == ["RDS instance pr-42: someone took it"]
    assert place.removed == []


@pytest.mark.parametrize("fail_on", ["destroy pr-42", "state pr-42", "remove pr-42"])
def test_when_pulumi_fails_the_state_is_kept(stacks: MemoryStacks, fail_on: str) -> None:
    stacks.fail_on = fail_on
    with pytest.raises(PreviewsError, match="it broke"):
        destroy(clients_of(stacks, MemoryPlace()))
    assert "pr-42" in stacks.known


def test_when_nobody_can_look_the_state_is_kept(stacks: MemoryStacks) -> None:
    with pytest.raises(PreviewsError, match="RDS"):
        destroy(clients_of(stacks, MemoryPlace(fails=True)))
    assert "pr-42" in stacks.known


def test_a_state_that_still_has_resources_is_kept(stacks: MemoryStacks) -> None:
    stacks.stays = [INSTANCE]
    with pytest.raises(PreviewsError, match="still has resources"):
        destroy(clients_of(stacks, MemoryPlace()))
    assert "pr-42" in stacks.known


def test_a_leftover_that_is_refused_keeps_the_state_and_goes_the_next_time(
    stacks: MemoryStacks,
) -> None:
    items = [thing("pr-42", kind="snapshot"), thing("pr-42")]
    place = MemoryPlace(items, refuses=("pr-42",))
    with pytest.raises(PreviewsError, match="RDS pr-42"):
        destroy(clients_of(stacks, place), leftovers=True)
    assert place.removed == []
    assert "pr-42" in stacks.known
    place.refuses = ()
    again = destroy(clients_of(stacks, place), leftovers=True)
    assert again.leftovers_deleted == ["RDS instance pr-42", "RDS snapshot pr-42"]
    assert again.stack_removed


def test_a_leftover_that_lingers_is_left_and_keeps_the_state(stacks: MemoryStacks) -> None:
    place = MemoryPlace([thing("pr-42")], lingers=("pr-42",))
    report = destroy(clients_of(stacks, place), leftovers=True)
    assert (report.left, report.complete) == (["RDS instance pr-42"], False)
    assert not report.stack_removed
    assert "pr-42" in stacks.known


def test_leftovers_go_in_the_order_of_their_places(stacks: MemoryStacks) -> None:
    order: list[str] = []

    class Noted(MemoryPlace):
        def remove(self, item: Item) -> None:
            order.append(str(item))
            super().remove(item)

    cluster = Noted([thing("pr-42", place="Kubernetes")], name="Kubernetes")
    databases = Noted([thing("pr-42"), thing("pr-43")])
    report = destroy(clients_of(stacks, cluster, databases), leftovers=True)
    assert order == ["Kubernetes instance pr-42", "RDS instance pr-42"]
    assert report.looked_in == ["Kubernetes", "RDS"]
    assert databases.items == [thing("pr-43")]


def test_what_github_shows_of_it_goes_last_and_only_when_all_else_is_gone(
    stacks: MemoryStacks,
) -> None:
    shown = thing("pr-42", place="GitHub", counts=False)
    github = MemoryPlace([shown], name="GitHub")
    databases = MemoryPlace([thing("pr-42")])
    report = destroy(clients_of(stacks, databases, github))
    assert github.removed == []
    assert report.left == ["RDS instance pr-42"]
    databases.items.clear()
    report = destroy(clients_of(stacks, databases, github))
    assert github.removed == ["pr-42"]
    assert (report.leftovers_deleted, report.kept) == (["GitHub instance pr-42"], [])
    assert report.stack_removed


def test_without_a_stack_none_is_removed(stacks: MemoryStacks) -> None:
    stacks.known.clear()
    report = destroy(clients_of(stacks, MemoryPlace()))
    assert (report.had_stack, report.stack_removed) == (False, False)
    assert not [call for call in stacks.calls if call.startswith(("destroy", "remove"))]


def comment_of(hub: LocalGitHub) -> str:
    [found] = hub.state.comments_of(42)
    return found.body


@pytest.fixture
def commented(hub: LocalGitHub) -> LocalGitHub:
    """A pull request whose comment shows a preview that is up."""
    body = f"{marker(PLATFORM_APP)}\n\n### ✅ pr-42 is up\n"
    hub.state.comments[7] = Comment(7, 42, "github-actions[bot]", body, now(), now())
    return hub


@pytest.mark.parametrize("fail_on", ["exists pr-42", "destroy pr-42", "remove pr-42"])
def test_a_removal_that_fails_says_so_in_the_comment(
    commented: LocalGitHub, stacks: MemoryStacks, fail_on: str
) -> None:
    stacks.fail_on = fail_on
    run = "https://github.test/acme/orders/actions/runs/7"
    with pytest.raises(PreviewsError):
        clients_of(stacks, MemoryPlace()).destroy(PREVIEW, leftovers=False, run_url=run)
    text = comment_of(commented)
    assert "### ⚠️ `pr-42` was not removed" in text
    assert f"It stopped at {fail_on} ([run]({run})); `some-failure` in" in text
    assert "```text\nit broke\n```\n\nMend it. The hourly sweep tries again, too." in text


def test_a_removal_that_is_stopped_says_so_in_the_comment(
    commented: LocalGitHub, stacks: MemoryStacks
) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    stacks.on_destroy = stop
    with pytest.raises(KeyboardInterrupt):
        destroy(clients_of(stacks, MemoryPlace()))
    assert "`interrupted` in" in comment_of(commented)


def test_a_removal_that_fails_makes_no_comment(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    stacks.fail_on = "destroy pr-42"
    with pytest.raises(PreviewsError):
        destroy(clients_of(stacks, MemoryPlace()))
    assert hub.state.comments_of(42) == []


def resource(name: str) -> dict[str, Any]:
    urn = f"urn:pulumi:pr-42::previews::kubernetes:core/v1:Secret::{name}"
    return {"urn": urn, "type": "kubernetes:core/v1:Secret", "id": name, "custom": True}


BOTH = ["aws:rds/instance:Instance pr-42", "kubernetes:core/v1:Secret a"]


def test_the_second_run_reports_what_the_first_deleted(stacks: MemoryStacks) -> None:
    stacks.add("pr-42", resources=[INSTANCE, resource("a")])
    place = MemoryPlace(fails=True)
    with pytest.raises(PreviewsError, match="RDS"):
        destroy(clients_of(stacks, place))
    place.fails = False
    report = destroy(clients_of(stacks, place))
    assert (report.deleted, report.stack_removed) == (BOTH, True)
    assert "2 deleted" in report.text()


def test_what_is_deleted_only_by_the_second_run_is_reported_once(stacks: MemoryStacks) -> None:
    stacks.add("pr-42", resources=[INSTANCE, resource("a")])
    stacks.stays = [resource("a")]
    with pytest.raises(PreviewsError, match="still has resources"):
        destroy(clients_of(stacks, MemoryPlace()))
    stacks.stays = []
    assert destroy(clients_of(stacks, MemoryPlace())).deleted == BOTH


def test_an_incomplete_removal_is_no_less_in_the_report_of_the_next(stacks: MemoryStacks) -> None:
    place = MemoryPlace([thing("pr-42")])
    assert destroy(clients_of(stacks, place)).left == ["RDS instance pr-42"]
    report = destroy(clients_of(stacks, place), leftovers=True)
    assert report.deleted == ["aws:rds/instance:Instance pr-42"]
    assert report.leftovers_deleted == ["RDS instance pr-42"]


def test_as_many_as_a_preview_has_are_kept_in_tags_that_pulumi_takes(stacks: MemoryStacks) -> None:
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(60)]
    stacks.add("pr-42", resources=list(map(resource, names)))
    place = MemoryPlace(fails=True)
    with pytest.raises(PreviewsError):
        destroy(clients_of(stacks, place))
    tags = stacks.tags("pr-42")
    assert len(tags) > 10
    assert all(len(name) <= 40 and len(value) <= 256 for name, value in tags.items())
    place.fails = False
    assert destroy(clients_of(stacks, place)).deleted == [
        f"kubernetes:core/v1:Secret {name}" for name in names
    ]


def test_a_preview_that_was_deployed_again_has_nothing_of_an_earlier_removal(
    stacks: MemoryStacks,
) -> None:
    place = MemoryPlace(fails=True)
    with pytest.raises(PreviewsError):
        destroy(clients_of(stacks, place))
    place.fails = False
    stacks.add("pr-42", resources=[resource("a")])
    stacks.updates.insert(0, {"kind": "update"})
    assert destroy(clients_of(stacks, place)).deleted == ["kubernetes:core/v1:Secret a"]


def test_a_receipt_can_be_read_by_a_script(stacks: MemoryStacks) -> None:
    report = destroy(clients_of(stacks, MemoryPlace()))
    assert DestroyReport.model_validate_json(report.model_dump_json()) == report
