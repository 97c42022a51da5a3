"""Annotations of the AWS Load Balancer Controller: one table of those that are supported.

https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/
An annotation that is not in the table, or a value that is not supported, is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "alb.ingress.kubernetes.io/"


class ModelError(Exception):
    """An Ingress is not supported; the message has the expected values."""


@dataclass(frozen=True)
class HealthCheck:
    """Health check of targets, with the controller's defaults."""

    path: str = "/"
    port: int | None = None
    interval: float = 15.0
    timeout: float = 5.0
    healthy_threshold: int = 2
    unhealthy_threshold: int = 2
    codes: str = "200"

    def accepts(self, status: int) -> bool:
        """Return True if a status is among the success codes ("200,202" or "200-299")."""
        for part in self.codes.split(","):
            low, _, high = part.strip().partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


@dataclass(frozen=True)
class Options:
    """Options from an Ingress's annotations.

    Attributes:
        group: Group of Ingresses that share a load balancer.
        order: Order of its rules within the group.
        health: Health check of the targets.
        least_outstanding: True if the least busy target gets a request, instead of the next.
        idle_seconds: Idle timeout of connections.
    """

    group: str | None = None
    order: int = 0
    health: HealthCheck = HealthCheck()
    least_outstanding: bool = False
    idle_seconds: float = 60.0


def _any(_: str) -> None:
    """Accept a value that concerns AWS only, and has no effect on one machine."""


def _only(*values: str, why: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in values:
            raise ValueError(f"expected {' or '.join(values)}: {why}")

    return check


def _codes(value: str) -> str:
    HealthCheck(codes=value).accepts(0)
    return value


def _seconds(value: str) -> float:
    if float(value) <= 0:
        raise ValueError("expected seconds above 0")
    return float(value)


def _port(value: str) -> int | None:
    return None if value == "traffic-port" else int(value)


_TARGET_GROUP_ATTRIBUTES: dict[str, Callable[[str], object]] = {
    "deregistration_delay.timeout_seconds": _any,  # Requests end when their Pod does.
    "load_balancing.algorithm.type": _only(
        "round_robin", "least_outstanding_requests", why="there are no others here"
    ),
    "load_balancing.cross_zone.enabled": _any,
    "slow_start.duration_seconds": _only("0", why="targets get their full share at once"),
    "stickiness.enabled": _only("false", why="there are no sticky sessions here"),
}
_LOAD_BALANCER_ATTRIBUTES: dict[str, Callable[[str], object]] = {
    "idle_timeout.timeout_seconds": _seconds,
    "access_logs.s3.enabled": _any,
    "access_logs.s3.bucket": _any,
    "access_logs.s3.prefix": _any,
    "deletion_protection.enabled": _any,
    "routing.http2.enabled": _any,
    "routing.http.drop_invalid_header_fields.enabled": _any,
    "routing.http.desync_mitigation_mode": _any,
}


def _pairs_of(checks: Mapping[str, Callable[[str], object]]) -> Callable[[str], None]:
    def check(value: str) -> None:
        for name, item in pairs(value).items():
            if name not in checks:
                raise ValueError(f"attribute {name} is not implemented here")
            try:
                checks[name](item)
            except ValueError as error:
                raise ValueError(f"attribute {name}={item}: {error}") from error

    return check


_NO_TLS = _only(why="the sandbox's load balancer supports HTTP only; remove it")
# Fields of ``HealthCheck`` with their parsers.
_HEALTH: dict[str, tuple[str, Callable[[str], Any]]] = {
    "healthcheck-path": ("path", str),
    "healthcheck-port": ("port", _port),
    "healthcheck-interval-seconds": ("interval", _seconds),
    "healthcheck-timeout-seconds": ("timeout", _seconds),
    "healthy-threshold-count": ("healthy_threshold", int),
    "unhealthy-threshold-count": ("unhealthy_threshold", int),
    "success-codes": ("codes", _codes),
}
_TABLE: dict[str, Callable[[str], object]] = {
    **{name: read for name, (_, read) in _HEALTH.items()},
    "group.name": _any,
    "group.order": int,
    "listen-ports": json.loads,
    "target-type": _only("ip", why="there are no node ports here"),
    "backend-protocol": _only("HTTP", why="Pods are reached by HTTP here"),
    "backend-protocol-version": _only("HTTP1", why="Pods are reached by HTTP/1.1 here"),
    "healthcheck-protocol": _only("HTTP", why="Pods are reached by HTTP here"),
    "target-group-attributes": _pairs_of(_TARGET_GROUP_ATTRIBUTES),
    "load-balancer-attributes": _pairs_of(_LOAD_BALANCER_ATTRIBUTES),
    "certificate-arn": _NO_TLS,
    "ssl-policy": _NO_TLS,
    "ssl-redirect": _NO_TLS,
    # These concern AWS only: the listener is on this machine's loopback address in any case.
    "load-balancer-name": _any,
    "scheme": _any,
    "ip-address-type": _any,
    "subnets": _any,
    "security-groups": _any,
    "manage-backend-security-group-rules": _any,
    "inbound-cidrs": _any,
    "security-group-prefix-lists": _any,
    "tags": _any,
}


def read(annotations: Mapping[str, str], *, port: int) -> Options:
    """Parse an Ingress's annotations.

    Args:
        annotations: All annotations; those with other prefixes are ignored.
        port: Port of the listener.

    Raises:
        ModelError: The message names each annotation that is not supported.
    """
    own = _honoured(annotations)
    _require_listener(own.get("listen-ports"), port)
    attributes = pairs(own.get("load-balancer-attributes", ""))
    algorithm = pairs(own.get("target-group-attributes", "")).get("load_balancing.algorithm.type")
    return Options(
        group=own.get("group.name"),
        order=int(own.get("group.order", "0")),
        health=health_check(annotations),
        least_outstanding=algorithm == "least_outstanding_requests",
        idle_seconds=float(attributes.get("idle_timeout.timeout_seconds", "60")),
    )


def health_check(annotations: Mapping[str, str]) -> HealthCheck:
    """Parse the health check in annotations.

    Raises:
        ModelError: The message names each annotation that is not supported.
    """
    own = _honoured(annotations)
    return HealthCheck(
        **{field: read(own[name]) for name, (field, read) in _HEALTH.items() if name in own}
    )


def pairs(value: str) -> dict[str, str]:
    """Parse ``a=b,c=d`` into a mapping."""
    items = (item.strip().partition("=") for item in value.split(",") if item.strip())
    return {name: item for name, _, item in items}


def _honoured(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return the controller's annotations, each of which must be in the table."""
    own = {
        name.removeprefix(PREFIX): value
        for name, value in annotations.items()
        if name.startswith(PREFIX)
    }
    problems = [problem for name, value in own.items() if (problem := _problem(name, value))]
    if problems:
        raise ModelError("; ".join(problems))
    return own


def _problem(name: str, value: str) -> str | None:
    if name not in _TABLE:
        return f"{PREFIX}{name}: the sandbox's load balancer does not implement it"
    try:
        _TABLE[name](value)
    except ValueError as error:
        return f"{PREFIX}{name}: {value!r} is not supported: {error}"
    return None


def _require_listener(value: str | None, port: int) -> None:
    wanted = f'[{{"HTTP": {port}}}]'
    listeners = json.loads(value) if value else [{"HTTP": 80}]
    try:
        found = [(protocol, number) for entry in listeners for protocol, number in entry.items()]
    except (AttributeError, TypeError) as error:
        raise ModelError(f"{PREFIX}listen-ports: expected {wanted}, found {value}") from error
    if found != [("HTTP", port)]:
        raise ModelError(
            f"{PREFIX}listen-ports: the sandbox's load balancer listens for HTTP on port {port} "
            f"and nowhere else: expected {wanted}, found {value or 'no such annotation'}"
        )
