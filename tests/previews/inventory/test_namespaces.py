"""Namespaces as a place where something of a preview can be, and how they go."""

from __future__ import annotations

import pytest

from contract.kubernetes import STACK_LABEL
from previews.errors import PreviewsError
from previews.inventory.item import Item
from previews.inventory.namespaces import Namespaces
from tests.previews.memory_cluster import MemoryCluster

INGRESSES = "ingresses.networking.k8s.io"


def cluster() -> MemoryCluster:
    """Two previews, each with an Ingress; one is known by its label alone."""
    made = MemoryCluster()
    made.add("namespaces", "kube-system", "")
    made.add("namespaces", "pr-42", "")
    made.add("namespaces", "odd", "", metadata={"labels": {STACK_LABEL: "pr-43"}})
    for namespace in ("pr-42", "odd"):
        made.add(INGRESSES, f"service-of-{namespace}", namespace)
    return made


def item(id_: str, stack: str, by: str) -> Item:
    said = {"stack": stack, "place": "Kubernetes", "kind": "namespace", "id": id_, "by": by}
    return Item.model_validate(said)


PREVIEW = item("pr-42", "pr-42", "name")


def test_a_namespace_is_a_preview_s_by_its_label_or_its_name() -> None:
    assert list(Namespaces(cluster()).find()) == [PREVIEW, item("odd", "pr-43", "tag")]


def test_its_ingresses_go_before_it_and_nobody_else_s() -> None:
    live = cluster()
    Namespaces(live).remove(PREVIEW)
    assert live.deleted == [(INGRESSES, "service-of-pr-42"), ("namespaces", "pr-42")]
    assert [o.name for o in live.objects] == ["kube-system", "odd", "service-of-odd"]
    Namespaces(live).remove(PREVIEW)


def test_what_is_gone_meanwhile_is_fine() -> None:
    live = cluster()
    gone = live.find("namespaces", "pr-42")
    live.objects.remove(gone)
    live.delete(gone)
    assert live.deleted == []


@pytest.mark.parametrize("name", ["service-of-pr-42", "pr-42"])
def test_what_may_not_be_deleted_is_told(name: str) -> None:
    live = cluster()
    live.refuses = (name,)
    with pytest.raises(PreviewsError, match=f"{name} is forbidden") as caught:
        Namespaces(live).remove(PREVIEW)
    assert caught.value.code == "kubernetes-failed"
    assert "pr-42" in [o.name for o in live.objects]


@pytest.mark.parametrize("name", ["service-of-pr-42", "pr-42"])
def test_what_does_not_go_names_its_finalizers(name: str) -> None:
    live = cluster()
    live.lingers = (name,)
    with pytest.raises(PreviewsError, match="finalizers") as caught:
        Namespaces(live).remove(PREVIEW)
    assert caught.value.code == "kubernetes-deletion"
    assert "pr-42" in [o.name for o in live.objects]


def test_a_cluster_that_does_not_answer_has_deleted_nothing() -> None:
    live = cluster()
    live.answers = False
    with pytest.raises(PreviewsError, match="no answer"):
        Namespaces(live).remove(PREVIEW)
    with pytest.raises(PreviewsError, match="no answer"):
        list(Namespaces(live).find())
    assert len(live.objects) == 5
