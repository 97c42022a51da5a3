"""From Ingresses, Services and EndpointSlices to rules and the targets behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.balancer import ingress_options
from sandbox.balancer.ingress_options import HealthCheck, ModelError, Options

Object = dict[str, Any]
"""A Kubernetes object, as its JSON says."""

INGRESS_CLASS = "alb"
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


@dataclass(frozen=True)
class ServicePort:
    """A Service's port, which is a target group.

    Attributes:
        namespace: The Service's.
        service: Its name.
        port: Name or number of its port, as the Ingress gives it.
    """

    namespace: str
    service: str
    port: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"


@dataclass(frozen=True)
class Rule:
    """One rule of the listener.

    Attributes:
        host: Lower case, may begin with ``*.``; None is every host.
        path: The path, read by ``path_type``.
        path_type: ``Exact``, ``Prefix`` or ``ImplementationSpecific``.
        backend: Where matching requests go.
        ingress: ``namespace/name`` of the Ingress.
        options: The Ingress's.
    """

    host: str | None
    path: str
    path_type: str
    backend: ServicePort
    ingress: str
    options: Options

    def matches(self, host: str, path: str) -> bool:
        """Whether a request to this host (lower case, without port) and path is meant."""
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
        # The ALB's own patterns: * is any text, ? one character, and "/" is "/" alone.
        pattern = re.escape(self.path).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(pattern, path) is not None


@dataclass(frozen=True)
class TargetGroup:
    """What stands behind a ServicePort.

    Attributes:
        targets: ``(address, port)`` of each ready endpoint.
        health: How they are checked.
    """

    targets: frozenset[tuple[str, int]]
    health: HealthCheck


@dataclass
class Model:
    """Everything that the load balancer is to do.

    Attributes:
        rules: In the order in which they are tried.
        groups: Target groups of all rules.
        problems: Why an Ingress is not, or not wholly, served, by ``namespace/name``.
        served: Ingresses that are, by ``namespace/name``.
    """

    rules: list[Rule] = field(default_factory=list)
    groups: dict[ServicePort, TargetGroup] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    served: dict[str, Options] = field(default_factory=dict)

    def find(self, host: str, path: str) -> Rule | None:
        """The first rule that matches."""
        return next((rule for rule in self.rules if rule.matches(host, path)), None)


def key_of(item: Object) -> str:
    """``namespace/name``."""
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def is_ours(ingress: Object) -> bool:
    """Whether the Ingress is of the class ``alb``."""
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
    """Build the model anew from what is.

    Args:
        ingresses: Those of the class that are not being deleted.
        services: By ``namespace/name``.
        slices: All EndpointSlices.
        port: Where the balancer listens.
    """
    model = Model()
    endpoints = _by_service(slices)
    ranked: list[tuple[tuple[object, ...], Rule]] = []
    for ingress in ingresses:
        key = key_of(ingress)
        try:
            given = ingress_options.read(ingress["metadata"].get("annotations") or {}, port=port)
            rules = _rules(ingress, given)
        except ModelError as error:
            model.problems[key] = str(error)
            continue
        ranked += [((given.order, key, *rank), rule) for rank, rule in rules]
        missing = {
            problem
            for _, rule in rules
            if (problem := _add_group(model, rule, ingress, services, endpoints))
        }
        if missing:
            model.problems[key] = "; ".join(sorted(missing))
        else:
            model.served[key] = given
    model.rules = [rule for _, rule in sorted(ranked, key=lambda pair: pair[0])]
    return model


_Rank = tuple[int, ...]


def _rules(ingress: Object, given: Options) -> list[tuple[_Rank, Rule]]:
    found: list[tuple[_Rank, Rule]] = []
    spec = ingress["spec"]
    if spec.get("tls"):
        raise ModelError("spec.tls: the sandbox's load balancer speaks HTTP; leave it out")
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
                options=given,
            )
            # As the controller sorts them: exact paths, then the longest prefix; else as given.
            rank = (index, rule.path_type != "Exact", -len(rule.path))
            found.append((rank, rule))
    if default := spec.get("defaultBackend"):
        last = (len(entries),)
        backend = _backend(ingress, default)
        found.append((last, Rule(None, "/", "Prefix", backend, key_of(ingress), given)))
    return found


def _backend(ingress: Object, backend: Object) -> ServicePort:
    service = backend.get("service")
    if service is None:
        raise ModelError("a backend that is no Service is not implemented here")
    port = service["port"]
    if port.get("name") == "use-annotation":
        raise ModelError("actions in annotations (port name use-annotation) are not implemented")
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
    """Add the rule's target group; say what is missing for it to have targets."""
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
    # What the Service says of its target group wins over what the Ingress says.
    said = {
        **(ingress["metadata"].get("annotations") or {}),
        **(service["metadata"].get("annotations") or {}),
    }
    try:
        health = ingress_options.health_check(said)
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
