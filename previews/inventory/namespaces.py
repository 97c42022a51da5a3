"""Kubernetes: a preview's namespace, with everything in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from contract.kubernetes import STACK_LABEL
from contract.stack_name import PLATFORM_APP, AppName
from previews.errors import PreviewsError
from previews.inventory.item import Item, preview

if TYPE_CHECKING:
    from previews.kubernetes import Cluster, KubernetesObject

_INGRESSES = "ingresses.v1.networking.k8s.io"
_WAIT_SECONDS = 300
_POLL_SECONDS = 0.5


class Namespaces:
    """Namespaces of an app's previews in the cluster that all apps share."""

    name = "Kubernetes"

    def __init__(self, cluster: Cluster, app: AppName = PLATFORM_APP) -> None:
        self._cluster = cluster
        self._app = app

    def find(self) -> Iterator[Item]:
        """Yield namespaces, with one request."""
        for namespace in self._cluster.each("namespaces"):
            by_label = preview(namespace.labels.get(STACK_LABEL, ""), self._app)
            owner = by_label or preview(namespace.name, self._app)
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
        for ingress in list(self._cluster.each(_INGRESSES, namespace=item.id)):
            self._delete(ingress)
        namespace = self._cluster.find("namespaces", item.id)
        if namespace is not None:
            self._delete(namespace)

    def _delete(self, live: KubernetesObject) -> None:
        self._cluster.delete(live)
        deadline = time.monotonic() + _WAIT_SECONDS
        while self._cluster.find(live.resource, live.name, namespace=live.namespace) is not None:
            if time.monotonic() >= deadline:
                raise PreviewsError(
                    "kubernetes-deletion",
                    str(live),
                    why=f"its deletion was requested, and it still exists after {_WAIT_SECONDS} s",
                    remedy="see its finalizers: `kubectl get -o yaml`; the controller that put"
                    " one there has to run.",
                )
            time.sleep(_POLL_SECONDS)
