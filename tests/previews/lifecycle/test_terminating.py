"""A namespace that can't end is named with its condition, by a destroy and by an `up`."""

from __future__ import annotations

from typing import Any

import pytest

from contract.preview import Preview
from previews.clients import Clients
from previews.errors import PreviewsError
from previews.lifecycle import deploy
from previews.lifecycle.smoke import SmokeCheck, SmokeReport
from previews.lifecycle.terminating import obstacles, termination_error
from previews.pull_request.presenter import Presenter
from tests.previews.bringing import RecordedStacks, resource
from tests.previews.memory_cluster import MemoryCluster
from tests.previews.pull_request.test_terminal_presenter import Silent
from tests.previews.world import MemoryPlace, MemoryStacks, clients_of, failure

SINCE = "2026-11-27T00:00:00Z"
# As Kubernetes 1.36 words them.
DISCOVERY = {
    "type": "NamespaceDeletionDiscoveryFailure",
    "status": "True",
    "message": "Discovery failed for some groups, 1 failing: unable to retrieve the complete list"
    " of server APIs: stale.example.com/v1: stale GroupVersion discovery: stale.example.com/v1",
}
FINALIZERS = {
    "type": "NamespaceFinalizersRemaining",
    "status": "True",
    "message": "Some content in the namespace has finalizers remaining:"
    " example.com/held in 1 resource instances",
}
FINE = {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All deleted"}
NAMESPACE = resource("kubernetes:core/v1:Namespace")
INGRESS = resource("kubernetes:networking.k8s.io/v1:Ingress")


def cluster(*conditions: dict[str, str], ending: bool = True) -> MemoryCluster:
    made = MemoryCluster()
    metadata = {"deletionTimestamp": SINCE} if ending else {}
    made.add("namespaces", "pr-42", "", metadata=metadata, status={"conditions": list(conditions)})
    return made


def on(cluster: MemoryCluster, stacks: MemoryStacks) -> Clients:
    clients = clients_of(stacks, MemoryPlace(), local=True)
    clients.__dict__["cluster"] = cluster
    return clients


def test_conditions_that_hold_are_told_the_most_telling_first() -> None:
    live = cluster(FINE, FINALIZERS, DISCOVERY).find("namespaces", "pr-42")
    assert live is not None
    assert list(obstacles(live.raw)) == [DISCOVERY["type"], FINALIZERS["type"]]
    assert obstacles(live.raw)[DISCOVERY["type"]] == DISCOVERY["message"]


@pytest.mark.parametrize(
    ("condition", "remedy"),
    [(DISCOVERY, "kubectl get apiservices"), (FINALIZERS, "start the controller"), (FINE, "wait")],
)
def test_a_destroy_names_what_keeps_the_namespace(condition: dict[str, str], remedy: str) -> None:
    stacks = MemoryStacks(fail_on="destroy pr-42")
    stacks.add("pr-42", resources=[NAMESPACE])
    with pytest.raises(PreviewsError) as raised:
        on(cluster(condition), stacks).destroy(Preview(42), leftovers=False)
    error = raised.value
    assert (error.code, error.what) == ("namespace-ending", "namespace pr-42")
    assert (condition["message"] in error.why) is (condition["status"] == "True")
    assert SINCE in error.why
    assert remedy in error.remedy
    assert "pr-42" in stacks.known


def unanswered() -> MemoryCluster:
    made = cluster(DISCOVERY)
    made.answers = False
    return made


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(cluster(DISCOVERY, ending=False), id="it is not asked to go"),
        pytest.param(MemoryCluster(), id="it is gone"),
        pytest.param(unanswered(), id="nobody answers"),
    ],
)
def test_where_the_namespace_is_not_to_blame_the_failure_stays_as_it_is(
    live: MemoryCluster,
) -> None:
    stacks = MemoryStacks(fail_on="destroy pr-42")
    stacks.add("pr-42", resources=[NAMESPACE])
    with pytest.raises(PreviewsError) as raised:
        on(live, stacks).destroy(Preview(42), leftovers=False)
    assert raised.value.code == failure("").code


@pytest.fixture
def smoked(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = SmokeReport(url="u", checks=(SmokeCheck(what="health"),))
    monkeypatch.setattr(deploy, "smoke", lambda *_, **__: passed)
    monkeypatch.setattr(deploy.migration_report, "read", lambda *_: None)
    # No account has this platform's load balancer; test_inbound.py looks at one.
    monkeypatch.setattr(Clients, "check_inbound", lambda _: None)


def run_up(live: MemoryCluster, *resources: dict[str, Any]) -> RecordedStacks:
    stacks = RecordedStacks()
    stacks.add("pr-42", resources=list(resources))
    clients = on(live, stacks)
    presenter: Presenter = Silent()
    clients.deployment(Preview(42), clients.pulls.read(42), presenter).run(images=None)
    return stacks


def test_an_up_makes_nothing_while_the_namespace_is_being_removed() -> None:
    with pytest.raises(PreviewsError) as raised:
        run_up(cluster(FINALIZERS), NAMESPACE)
    assert raised.value.code == "namespace-ending"
    assert FINALIZERS["message"] in raised.value.why


@pytest.mark.usefixtures("smoked")
def test_an_up_notices_that_the_namespace_is_gone_with_what_was_in_it() -> None:
    stacks = run_up(MemoryCluster(), NAMESPACE)
    assert "refresh pr-42" in stacks.calls
    assert len(stacks.ups) == 1


@pytest.mark.usefixtures("smoked")
@pytest.mark.parametrize("resources", [[], [NAMESPACE, INGRESS]], ids=["new", "whole"])
def test_a_preview_that_no_destroy_was_at_is_not_looked_at(resources: list[Any]) -> None:
    stacks = run_up(unanswered(), *resources)
    assert "refresh pr-42" not in stacks.calls
    assert len(stacks.ups) == 1


def test_what_kubernetes_does_not_say_is_not_made_up() -> None:
    live = cluster().find("namespaces", "pr-42")
    assert live is not None
    assert termination_error(live.raw).why == f"it has been terminating since {SINCE}"
