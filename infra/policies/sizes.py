"""Bounds of a stack's size, beyond which a typing error costs money."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from contract.bounds import BOUNDS, MOST_CPU, MOST_MEMORY
from infra.policies.databases import CLUSTER_INSTANCE, INSTANCE
from infra.policies.declared import Declared, get
from infra.policies.rule import Rule
from infra.policies.workloads import TYPES, containers

AUTOSCALER = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"

_SUFFIXES = {
    "": Decimal(1),
    "m": Decimal(1) / 1000,
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
}
_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)([A-Za-z]*)$")


def database_bounded(database: Declared) -> Iterator[str]:
    """Limit class and storage of an RDS instance."""
    bounds = BOUNDS[database.stack.kind]
    if not bounds.has_class(str(database.get("instanceClass") or "")):
        yield f"class {database.get('instanceClass')}: expected at most {bounds.database_class}"
    for key in ("allocatedStorage", "maxAllocatedStorage"):
        storage = database.get(key) or 0
        if storage > bounds.storage:
            yield f"{key} is {storage:g}: expected at most {bounds.storage}"


def pod_bounded(workload: Declared) -> Iterator[str]:
    """Require requests and limits of every container, within bounds."""
    for container in containers(workload):
        for resource, most in (("cpu", MOST_CPU), ("memory", MOST_MEMORY)):
            for kind in ("requests", "limits"):
                given = get(container.properties, "resources", kind, resource)
                if given is None:
                    yield f"container {container.name} sets no {resource} in {kind}"
                elif quantity(str(given)) > quantity(most):
                    yield (
                        f"container {container.name} has {given} {resource} in {kind}: "
                        f"expected at most {most}"
                    )


def replicas_bounded(scaled: Declared) -> Iterator[str]:
    """Limit the number of pods."""
    most = BOUNDS[scaled.stack.kind].replicas
    for key in ("replicas", "minReplicas", "maxReplicas"):
        given = scaled.get("spec", key) or 0
        if given > most:
            yield f"{key} is {given:g}: expected at most {most}"


def quantity(text: str) -> Decimal:
    """Return a quantity of Kubernetes as a number; infinity for one that can't be parsed."""
    match = _QUANTITY.match(text)
    if match is None or match[2] not in _SUFFIXES:
        return Decimal("Infinity")
    return Decimal(match[1]) * _SUFFIXES[match[2]]


RULES = (
    Rule(
        "database-bounded",
        "A database's size is within bounds.",
        database_bounded,
        frozenset({INSTANCE, CLUSTER_INSTANCE}),
    ),
    Rule(
        "pod-bounded",
        "A container's CPU and memory are set, and within bounds.",
        pod_bounded,
        TYPES,
    ),
    Rule(
        "replicas-bounded",
        "The number of pods is within bounds.",
        replicas_bounded,
        frozenset({AUTOSCALER, DEPLOYMENT}),
    ),
)
