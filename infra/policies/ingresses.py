"""Ingresses: a stack uses its own host on the shared load balancer, and no other.

Whoever may create an Ingress of a group can override the rules of the others in it: the
controller's own documentation calls that a security risk of groups. The annotations themselves
are in infra/kubernetes/ingress_annotations.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from contract.kubernetes import ALB, TLS_POLICY
from infra.policies.declared import Declared, each
from infra.policies.rule import Rule

INGRESS = "kubernetes:networking.k8s.io/v1:Ingress"

_ALB = f"{ALB}/"
# With these an Ingress changes what happens to requests of other hosts, or to the balancer.
_FORBIDDEN = ("actions.", "transforms.", "group.order", "load-balancer-name")
# A condition on a header narrows the stack's own rule; one on a host would widen it.
_CONDITIONS = "conditions."
_NARROWING = "http-header"


def outlives_nothing(ingress: Declared) -> Iterator[str]:
    """Require its own deletion, before its Service: the controller's finalizer needs both."""
    if ingress.deleted_with:
        yield f"it is deleted with {ingress.deleted_with.rpartition('::')[2]}"


def own_host(ingress: Declared) -> Iterator[str]:
    """Require the stack's own host in each rule."""
    stack = ingress.stack
    if ingress.get("spec", "defaultBackend"):
        yield "defaultBackend would take the requests of every host"
    for rule in ingress.each("spec", "rules"):
        yield from _strange(str(rule.get("host") or ""), stack.name)
    for tls in ingress.each("spec", "tls"):
        for host in tls.get("hosts") or ():
            yield from _strange(str(host), stack.name)
    for key, value in ingress.below("metadata", "annotations").items():
        name = key.removeprefix(_ALB)
        if key == name:
            continue
        if name.startswith(_FORBIDDEN) or (name.startswith(_CONDITIONS) and _widens(str(value))):
            yield f"annotation {key} reaches beyond its own host"


def has_rules(ingress: Declared) -> Iterator[str]:
    """Require a rule: an Ingress without one serves every host."""
    if not each(ingress.properties, "spec", "rules"):
        yield "it has no rule"


def encrypts(ingress: Declared) -> Iterator[str]:
    """Require the program's TLS policy wherever an Ingress listens for HTTPS, or names another."""
    annotations = ingress.below("metadata", "annotations")
    policy = annotations.get(f"{_ALB}ssl-policy")
    listens = "HTTPS" in str(annotations.get(f"{_ALB}listen-ports", ""))
    if policy != TLS_POLICY and (listens or policy is not None):
        yield f"its TLS policy is {policy}: expected {TLS_POLICY}"


def _widens(conditions: str) -> bool:
    """Return True for conditions on anything else than headers."""
    try:
        fields = {condition["field"] for condition in json.loads(conditions)}
    except (ValueError, TypeError, KeyError):
        return True
    return fields != {_NARROWING}


def _strange(host: str, stack: str) -> Iterator[str]:
    if host.partition(".")[0] != stack:
        yield f"it claims host {host!r}: expected {stack}.<domain>"


RULES = (
    Rule(
        "ingress-goes-first",
        "An Ingress is deleted by itself, before its namespace.",
        outlives_nothing,
        frozenset({INGRESS}),
        in_engine=False,
    ),
    Rule(
        "ingress-own-host",
        "An Ingress uses only its own stack's host.",
        own_host,
        frozenset({INGRESS}),
    ),
    Rule(
        "ingress-tls",
        "An Ingress with HTTPS has the TLS policy without old protocols.",
        encrypts,
        frozenset({INGRESS}),
    ),
    Rule("ingress-has-rules", "An Ingress names its hosts.", has_rules, frozenset({INGRESS})),
)
