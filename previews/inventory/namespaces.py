"""Kubernetes: a preview's namespace, and with it everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import kr8s

from contract.kubernetes import STACK_LABEL
from previews.errors import PreviewsError
from previews.inventory.item import Item, preview

if TYPE_CHECKING:
    from previews.kubernetes import Cluster

_WAIT_SECONDS = 300


class Namespaces:
    """Namespaces of the cluster that all previews share."""

    name = "Kubernetes"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def find(self) -> Iterator[Item]:
        """All of them in one list."""
        for namespace in self._cluster.each("namespaces"):
            by_label = preview(dict(namespace.labels).get(STACK_LABEL, ""))
            owner = by_label or preview(namespace.name)
            if owner is not None:
                yield Item(
                    stack=owner,
                    place=self.name,
                    kind="namespace",
                    id=namespace.name,
                    by="tag" if by_label else "name",
                )

    def remove(self, item: Item) -> None:
        """Delete the Ingresses, then the namespace: an Ingress's finalizer needs its Service."""
        for ingress in self._cluster.each("ingresses.networking.k8s.io", namespace=item.id):
            self._delete(ingress)
        for namespace in self._cluster.each("namespaces"):
            if namespace.name == item.id:
                self._delete(namespace)

    def _delete(self, thing: kr8s.objects.APIObject) -> None:
        self._cluster.delete(thing)
        with self._cluster.answered(f"{thing.kind} {thing.name}"), suppress(kr8s.NotFoundError):
            try:
                thing.wait("delete", timeout=_WAIT_SECONDS)
            except TimeoutError as error:
                raise PreviewsError(
                    "kubernetes-deletion",
                    f"{thing.kind} {thing.namespace or ''}/{thing.name}",
                    why=f"it was asked to go and is there after {_WAIT_SECONDS} s",
                    remedy="see its finalizers: `kubectl get -o yaml`; the controller that put"
                    " one there has to run.",
                ) from error
