"""Pod templates in each kind of Kubernetes object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.policies.declared import Declared, Properties, below, each, get

_TEMPLATE_AT: dict[str, tuple[str, ...]] = {
    "kubernetes:apps/v1:DaemonSet": ("spec", "template"),
    "kubernetes:apps/v1:Deployment": ("spec", "template"),
    "kubernetes:apps/v1:ReplicaSet": ("spec", "template"),
    "kubernetes:apps/v1:StatefulSet": ("spec", "template"),
    "kubernetes:batch/v1:CronJob": ("spec", "jobTemplate", "spec", "template"),
    "kubernetes:batch/v1:Job": ("spec", "template"),
    "kubernetes:core/v1:Pod": (),
}

TYPES = frozenset(_TEMPLATE_AT)
"""Type tokens of everything that creates pods."""

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Container:
    """A container of a pod.

    Attributes:
        name: Name.
        properties: Its spec.
        pod: Spec of its pod.
    """

    name: str
    properties: Properties
    pod: Properties

    def secured(self, key: str) -> object:
        """Return a setting of its security context, or of its pod's where it has none."""
        own = get(self.properties, "securityContext", key)
        return get(self.pod, "securityContext", key) if own is None else own


def template(workload: Declared) -> Properties:
    """Return the pod template: metadata and spec."""
    return workload.below(*_TEMPLATE_AT[workload.type])


def pod_spec(workload: Declared) -> Properties:
    """Return the spec of the pods."""
    return below(template(workload), "spec")


def containers(workload: Declared) -> Iterator[Container]:
    """Yield every container of the pods, init and ephemeral ones included."""
    pod = pod_spec(workload)
    for key in _CONTAINERS:
        for properties in each(pod, key):
            yield Container(str(properties.get("name")), properties, pod)
