"""References between Kubernetes objects: a dangling one is reported in no log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.policies.declared import Declared, Properties, below, each, get
from infra.policies.ingresses import INGRESS
from infra.policies.ownership import NAMESPACE
from infra.policies.rule import Rule, StackRule
from infra.policies.sizes import AUTOSCALER, DEPLOYMENT
from infra.policies.workloads import TYPES, Container, containers, pod_spec, template

BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
SERVICE = "kubernetes:core/v1:Service"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"

_SSH = 22
_PORT_NAME = re.compile(r"^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$")
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_HOST = "kubernetes.io/hostname"


def ports_found(workload: Declared) -> Iterator[str]:
    """Require that a probe uses a port of its container, and that no port is SSH's."""
    for container in containers(workload):
        named = {port.get("name"): port.get("containerPort") for port in _ports(container)}
        for name, number in named.items():
            if name is not None and not _PORT_NAME.match(str(name)):
                yield f"container {container.name}: {name!r} is no name of a port"
            if number == _SSH:
                yield f"container {container.name} has port {_SSH}, which is SSH's"
        for probe in _PROBES:
            port = get(container.properties, probe, "httpGet", "port") or get(
                container.properties, probe, "tcpSocket", "port"
            )
            if port is not None and port not in named and port not in named.values():
                yield f"container {container.name}: {probe} uses {port}, which it does not have"


def account_by_its_name(workload: Declared) -> Iterator[str]:
    """Reject ``serviceAccount``, the deprecated name."""
    pod = pod_spec(workload)
    old = pod.get("serviceAccount")
    if old is not None and old != pod.get("serviceAccountName"):
        yield f"serviceAccount is {old!r}: expected serviceAccountName"


def variables_once(workload: Declared) -> Iterator[str]:
    """Reject duplicate variables, of which only the last counts."""
    for container in containers(workload):
        names = [str(variable.get("name")) for variable in each(container.properties, "env")]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"container {container.name}: variable {name} is set more than once"


def selects_its_own(workload: Declared) -> Iterator[str]:
    """Require that a controller selects the pods that it creates."""
    wanted = workload.below("spec", "selector", "matchLabels")
    if not _selects(wanted, below(template(workload), "metadata", "labels")):
        yield f"it selects {dict(wanted)}, which its pods are not labelled"


def replicas_spread(deployment: Declared) -> Iterator[str]:
    """Require that replicas are spread over nodes; a single one need not be."""
    if deployment.get("spec", "replicas") == 1:
        return
    pod = pod_spec(deployment)
    spread = {c.get("topologyKey") for c in each(pod, "topologySpreadConstraints")}
    if _HOST not in spread and not get(pod, "affinity", "podAntiAffinity"):
        yield "nothing spreads its pods over nodes"


def lets_nodes_go(budget: Declared) -> Iterator[str]:
    """Require that a node can always be drained, of broken pods too."""
    if budget.get("spec", "minAvailable") is not None:
        yield "minAvailable holds up a node's drain for ever when it is all there is"
    if budget.get("spec", "maxUnavailable") in {None, 0, "0", "0%"}:
        yield "maxUnavailable lets no pod go"
    if budget.get("spec", "unhealthyPodEvictionPolicy") != "AlwaysAllow":
        yield "unhealthyPodEvictionPolicy is not AlwaysAllow: a broken pod would hold up a drain"


def found(resources: Sequence[Declared]) -> Iterator[tuple[Declared, str]]:
    """Require that Services, budgets, autoscalers, Ingresses and pods refer to existing objects.

    A namespace of another stack may hold further objects, so references into it are not checked.
    """
    own = {r.object_name for r in resources if r.type == NAMESPACE}
    workloads = [r for r in resources if r.type in TYPES]
    services = {(r.namespace, r.object_name): r for r in resources if r.type == SERVICE}
    accounts = {(r.namespace, r.object_name) for r in resources if r.type == SERVICE_ACCOUNT}
    for resource in resources:
        match resource.type:
            case t if t == SERVICE:
                complaints = _service(resource, workloads)
            case t if t == BUDGET:
                complaints = _budget(resource, workloads)
            case t if t == AUTOSCALER:
                complaints = _autoscaler(resource, workloads)
            case t if t == INGRESS:
                complaints = _ingress(resource, services)
            case t if t in TYPES:
                complaints = _account(resource, accounts) if resource.namespace in own else ()
            case _:
                continue
        for complaint in complaints:
            yield resource, complaint


def _service(service: Declared, workloads: Sequence[Declared]) -> Iterator[str]:
    selector = service.below("spec", "selector")
    if not selector:
        return
    behind = _selected(service, selector, workloads)
    if not behind:
        yield f"no pod is labelled {dict(selector)}"
        return
    ports = [port for pod in behind for c in containers(pod) for port in _ports(c)]
    known = {port.get(key) for port in ports for key in ("name", "containerPort")}
    for port in service.each("spec", "ports"):
        target = port.get("targetPort", port.get("port"))
        if target not in known:
            yield f"targetPort {target} is none of its pods' ports"


def _budget(budget: Declared, workloads: Sequence[Declared]) -> Iterator[str]:
    selector = budget.below("spec", "selector", "matchLabels")
    if not _selected(budget, selector, workloads):
        yield f"no pod is labelled {dict(selector)}"


def _autoscaler(scaler: Declared, workloads: Sequence[Declared]) -> Iterator[str]:
    target = scaler.below("spec", "scaleTargetRef")
    if not any(
        w.type.endswith(f":{target.get('kind')}")
        and (w.namespace, w.object_name) == (scaler.namespace, target.get("name"))
        for w in workloads
    ):
        yield f"there is no {target.get('kind')} {target.get('name')} to scale"


def _ingress(ingress: Declared, services: Mapping[tuple[str, str], Declared]) -> Iterator[str]:
    for rule in ingress.each("spec", "rules"):
        for path in each(rule, "http", "paths"):
            backend = below(path, "backend", "service")
            service = services.get((ingress.namespace, str(backend.get("name"))))
            port = below(backend, "port")
            if service is None:
                yield f"there is no Service {backend.get('name')}"
            elif not any(_is(port, other) for other in service.each("spec", "ports")):
                yield f"Service {backend.get('name')} has no port {dict(port)}"


def _is(port: Properties, of_service: Properties) -> bool:
    """Compare by name where there is one, otherwise by number."""
    if "name" in port:
        return port["name"] == of_service.get("name")
    return port.get("number") == of_service.get("port")


def _account(workload: Declared, accounts: set[tuple[str, str]]) -> Iterator[str]:
    name = pod_spec(workload).get("serviceAccountName")
    if name is None:
        yield "its pods run as the namespace's default service account"
    elif (workload.namespace, name) not in accounts:
        yield f"there is no service account {name}"


def _selected(
    by: Declared, labels: Mapping[str, Any], workloads: Sequence[Declared]
) -> list[Declared]:
    return [
        w
        for w in workloads
        if w.namespace == by.namespace
        and _selects(labels, below(template(w), "metadata", "labels"))
    ]


def _selects(wanted: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _ports(container: Container) -> list[Properties]:
    return each(container.properties, "ports")


RULES = (
    Rule("ports-found", "A probe uses a port that its container declares.", ports_found, TYPES),
    Rule(
        "account-by-its-name",
        "Pods set `serviceAccountName`, not the former field `serviceAccount`.",
        account_by_its_name,
        TYPES,
    ),
    Rule("variables-once", "No environment variable is set twice.", variables_once, TYPES),
    Rule(
        "selects-its-own",
        "The selector of a Deployment or Job matches its own pods.",
        selects_its_own,
        frozenset({DEPLOYMENT, STATEFUL_SET, "kubernetes:apps/v1:DaemonSet"}),
    ),
    Rule(
        "replicas-spread",
        "Replicas are spread over nodes.",
        replicas_spread,
        frozenset({DEPLOYMENT, STATEFUL_SET}),
    ),
    Rule(
        "lets-nodes-go",
        "A PodDisruptionBudget always allows a node to be drained.",
        lets_nodes_go,
        frozenset({BUDGET}),
    ),
)
STACK_RULES = (
    StackRule(
        "objects-found",
        "Every object that another one refers to exists.",
        found,
        frozenset({*TYPES, AUTOSCALER, BUDGET, INGRESS, NAMESPACE, SERVICE, SERVICE_ACCOUNT}),
    ),
)
