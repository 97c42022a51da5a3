"""Model of the load balancer: rules and targets from Ingresses, Services and EndpointSlices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.balancer import ingress_options
from sandbox.balancer.ingress_options import HealthCheck, ModelError, Options

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

INGRESS_CLASS = "alb"
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


@dataclass(frozen=True)
class ServicePort:
    """A Service's port, to which a target group belongs.

    Attributes:
        namespace: Namespace of the Service.
        service: Name of the Service.
        port: Name or number of the port, as in the Ingress.
    """

    namespace: str
    service: str
    port: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"


@dataclass(frozen=True)
class Rule:
    """A rule of the listener.

    Attributes:
        host: Host in lower case, which may begin with ``*.``; None matches every host.
        path: The path, interpreted by ``path_type``.
        path_type: ``Exact``, ``Prefix`` or ``ImplementationSpecific``.
        backend: Service port that receives matching requests.
        ingress: ``namespace/name`` of the Ingress.
        options: Options of the Ingress.
    """

    host: str | None
    path: str
    path_type: str
    backend: ServicePort
    ingress: str
    options: Options

    def matches(self, host: str, path: str) -> bool:
        """Return True if the rule matches a host (lower case, without port) and path."""
        return self._matches_host(host) and self._matches_path(path)

    def _matches_host(self, host: str) -> bool:
        if self.host is None:
            return True
        if self.host.startswith("*."):
            return host.endswith(self.host[1:]) and host != self.host[1:]
        return host == self.host

    def _matches_path(self, path: str) -> bool:
        if self.path_type == "Exact":
            return path == self.path
        if self.path_type == "Prefix":
            prefix = self.path.rstrip("/")
            return path == prefix or path.startswith(f"{prefix}/")
        # The ALB's patterns: * is any text, ? one character, and "/" only "/".
        pattern = re.escape(self.path).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(pattern, path) is not None


@dataclass(frozen=True)
class TargetGroup:
    """Target group of a ServicePort.

    Attributes:
        targets: ``(address, port)`` of each ready endpoint.
        health: Their health check.
    """

    targets: frozenset[tuple[str, int]]
    health: HealthCheck


@dataclass
class Model:
    """Configuration of the load balancer.

    Attributes:
        rules: Rules in the order of evaluation.
        groups: Target groups of all rules.
        problems: Reason why an Ingress is not (fully) served, by ``namespace/name``.
        served: Options of the served Ingresses, by ``namespace/name``.
    """

    rules: list[Rule] = field(default_factory=list)
    groups: dict[ServicePort, TargetGroup] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    served: dict[str, Options] = field(default_factory=dict)

    def find(self, host: str, path: str) -> Rule | None:
        """Return the first matching rule, or None."""
        return next((rule for rule in self.rules if rule.matches(host, path)), None)


def key_of(item: Object) -> str:
    """Return ``namespace/name``; ``/name`` if it is in no namespace."""
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def is_ours(ingress: Object) -> bool:
    """Return True if the Ingress is of the class ``alb``."""
    named = ingress["spec"].get("ingressClassName")
    if named is None:
        named = (ingress["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    return bool(named == INGRESS_CLASS)


def build(
    ingresses: Iterable[Object],
    services: Mapping[str, Object],
    slices: Iterable[Object],
    *,
    port: int,
) -> Model:
    """Build the model from all objects.

    Args:
        ingresses: Ingresses of the class that are not being deleted.
        services: Services by ``namespace/name``.
        slices: All EndpointSlices.
        port: Port of the listener.
    """
    model = Model()
    endpoints = _by_service(slices)
    ranked: list[tuple[tuple[object, ...], Rule]] = []
    for ingress in ingresses:
        key = key_of(ingress)
        try:
            options = ingress_options.read(ingress["metadata"].get("annotations") or {}, port=port)
            rules = _rules(ingress, options)
        except ModelError as error:
            model.problems[key] = str(error)
            continue
        ranked += [((options.order, key, *rank), rule) for rank, rule in rules]
        missing = {
            problem
            for _, rule in rules
            if (problem := _add_group(model, rule, ingress, services, endpoints))
        }
        if missing:
            model.problems[key] = "; ".join(sorted(missing))
        else:
            model.served[key] = options
    model.rules = [rule for _, rule in sorted(ranked, key=lambda pair: pair[0])]
    return model


_Rank = tuple[int, ...]


def _rules(ingress: Object, options: Options) -> list[tuple[_Rank, Rule]]:
    found: list[tuple[_Rank, Rule]] = []
    spec = ingress["spec"]
    if spec.get("tls"):
        raise ModelError("spec.tls: the sandbox's load balancer supports HTTP only; remove it")
    entries = spec.get("rules") or ()
    for index, entry in enumerate(entries):
        host = entry.get("host") or None
        for path in (entry.get("http") or {}).get("paths") or ():
            rule = Rule(
                host=host.lower() if host else None,
                path=path.get("path") or "/",
                path_type=path["pathType"],
                backend=_backend(ingress, path["backend"]),
                ingress=key_of(ingress),
                options=options,
            )
            # In the controller's order: exact paths, the longest prefix, the Ingress's order.
            rank = (index, rule.path_type != "Exact", -len(rule.path))
            found.append((rank, rule))
    if default := spec.get("defaultBackend"):
        last = (len(entries),)
        backend = _backend(ingress, default)
        found.append((last, Rule(None, "/", "Prefix", backend, key_of(ingress), options)))
    return found


def _backend(ingress: Object, backend: Object) -> ServicePort:
    service = backend.get("service")
    if service is None:
        raise ModelError("a backend that is not a Service is not supported here")
    port = service["port"]
    if port.get("name") == "use-annotation":
        raise ModelError("actions in annotations (port name use-annotation) are not supported")
    return ServicePort(
        ingress["metadata"]["namespace"],
        service["name"],
        str(port.get("name") or port.get("number")),
    )


def _add_group(
    model: Model,
    rule: Rule,
    ingress: Object,
    services: Mapping[str, Object],
    endpoints: Mapping[str, list[Object]],
) -> str | None:
    """Add the rule's target group; return the reason if it can't have targets."""
    backend = rule.backend
    key = f"{backend.namespace}/{backend.service}"
    service = services.get(key)
    model.groups.setdefault(backend, TargetGroup(frozenset(), rule.options.health))
    if service is None:
        return f"Service {key} not found"
    port = next(
        (
            entry
            for entry in service["spec"].get("ports") or ()
            if backend.port in {entry.get("name"), str(entry["port"])}
        ),
        None,
    )
    if port is None:
        return f"Service {key} has no port {backend.port}"
    # The Service's annotations override the Ingress's.
    annotations = {
        **(ingress["metadata"].get("annotations") or {}),
        **(service["metadata"].get("annotations") or {}),
    }
    try:
        health = ingress_options.health_check(annotations)
    except ModelError as error:
        return f"Service {key}: {error}"
    targets = {
        target
        for item in endpoints.get(key, ())
        for target in _ready(item, str(port.get("name") or ""))
    }
    model.groups[backend] = TargetGroup(frozenset(targets), health)
    return None


def _by_service(slices: Iterable[Object]) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for item in slices:
        labels = item["metadata"].get("labels") or {}
        service = labels.get("kubernetes.io/service-name")
        if service and item.get("addressType") == "IPv4":
            found.setdefault(f"{item['metadata']['namespace']}/{service}", []).append(item)
    return found


def _ready(item: Object, port_name: str) -> Iterable[tuple[str, int]]:
    for port in item.get("ports") or ():
        if str(port.get("name") or "") != port_name or not port.get("port"):
            continue
        for endpoint in item.get("endpoints") or ():
            # Unset means ready (EndpointConditions); a terminating one is not ready.
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                for address in endpoint.get("addresses") or ():
                    yield address, int(port["port"])
