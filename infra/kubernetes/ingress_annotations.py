"""Settings of the AWS Load Balancer Controller: the one place that declares them.

An annotation belongs to one of five functions, by what it sets:

| function | carried by | sets |
|---|---|---|
| `shared_annotations` | each Ingress without an IngressClassParams | the shared load balancer |
| `inbound_annotations` | each Ingress | the networks that may connect to it |
| `class_parameters` | the IngressClassParams | the shared load balancer |
| `app_annotations` | each Ingress | listener and target group of one app |
| `sign_in_annotations` | an Ingress whose app requires signing in | the rules of one host |

The load balancer is one for all stacks: the controller refuses an Ingress whose shared settings
differ from those of the others in its group. So a shared setting goes into `shared_annotations`
and `class_parameters`, and staging publishes the annotations (``ingress.annotations`` of
contract/platform_outputs.py).
Listener ports, redirect and TLS policy of an Ingress are merged with those of its group; they are
equal in all stacks, since they follow from the listener that staging publishes.

Which keys no Ingress may carry is in infra/policies/ingresses.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from contract.kubernetes import ALB, TLS_POLICY
from contract.platform_outputs import BYPASS_HEADER
from infra.kubernetes.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.config.platform import Listener

CONDITIONS = f"{ALB}/conditions."
"""Beginning of the annotations with conditions on the requests to a Service, before its name."""

BYPASS = "bypass"
"""Service behind the rule that lets requests with the bypass token through."""

NO_SIGN_IN = {f"{ALB}/auth-type": "none"}
"""Annotation of a Service that needs no signing in, whatever its Ingress requires."""

DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}
SCOPES = ("openid", "email")

TOKEN = "[0-9A-Za-z_-]{32,128}"  # noqa: S105  the form of a token, and none
"""Form of the token that lets tests in, as a regular expression.

The load balancer takes `*` and `?` for wildcards, and at most 128 characters.
"""

# A target goes on draining at most this long. It is shorter than what a pod has from the end
# of its preStop to its kill, so that no request is cut off by either.
_DEREGISTRATION_SECONDS = 5

_IDLE_TIMEOUT = "idle_timeout.timeout_seconds"
_SESSION_SECONDS = 8 * 3600


def shared_annotations(
    group: str, scheme: str, cidrs: Sequence[str], idle_timeout_seconds: int
) -> dict[str, str]:
    """Return the annotations needed where there is no IngressClassParams."""
    return {
        f"{ALB}/group.name": group,
        f"{ALB}/scheme": scheme,
        f"{ALB}/load-balancer-attributes": f"{_IDLE_TIMEOUT}={idle_timeout_seconds}",
        **inbound_annotations(cidrs),
    }


def inbound_annotations(cidrs: Sequence[str]) -> dict[str, str]:
    """Return the annotation with the networks that may connect, which every Ingress has.

    Where there is an IngressClassParams that has them too, that one counts. Not every version of
    it does: the field would be dropped, and the load balancer would be open to everybody.
    """
    return {f"{ALB}/inbound-cidrs": ",".join(cidrs)}


def class_parameters(
    group: str,
    scheme: str,
    cidrs: Sequence[str],
    idle_timeout_seconds: int,
    tags: Mapping[str, str],
    namespace_labels: dict[str, str],
) -> dict[str, object]:
    """Return the spec of the IngressClassParams, which no Ingress of the class can override.

    Args:
        group: Name of the group of Ingresses that share the load balancer.
        scheme: ``internal`` or ``internet-facing``.
        cidrs: Networks from which the load balancer can be reached.
        idle_timeout_seconds: Longest silence of a connection.
        tags: Tags of the load balancer.
        namespace_labels: Labels of the namespaces that may use the class.
    """
    tagged = [{"key": key, "value": value} for key, value in sorted(tags.items())]
    return {
        "group": {"name": group},
        "scheme": scheme,
        "inboundCIDRs": list(cidrs),
        "namespaceSelector": {"matchLabels": namespace_labels},
        **({"tags": tagged} if tagged else {}),
        "loadBalancerAttributes": [
            {"key": "routing.http.drop_invalid_header_fields.enabled", "value": "true"},
            {"key": _IDLE_TIMEOUT, "value": str(idle_timeout_seconds)},
        ],
    }


def app_annotations(listener: Listener) -> dict[str, str]:
    """Return the annotations of every stack's Ingress.

    None names a certificate: that is in the class, or the controller finds one by the host name.
    """
    return {
        f"{ALB}/target-type": "ip",
        f"{ALB}/backend-protocol": "HTTP",
        f"{ALB}/target-group-attributes": (
            f"deregistration_delay.timeout_seconds={_DEREGISTRATION_SECONDS}"
        ),
        TIMEOUT: "420",
        **_listen(listener),
    }


def target_annotations(health_path: str) -> dict[str, str]:
    """Return the annotations of a Service behind the load balancer: how its pods are checked.

    Args:
        health_path: Path of the check; as in Kubernetes, 2xx and 3xx are healthy.
    """
    return {
        f"{ALB}/healthcheck-path": health_path,
        f"{ALB}/healthcheck-interval-seconds": "5",
        f"{ALB}/healthcheck-timeout-seconds": "3",
        f"{ALB}/healthy-threshold-count": "2",
        f"{ALB}/unhealthy-threshold-count": "2",
        f"{ALB}/success-codes": "200-399",
    }


def sign_in_annotations(
    pool_arn: str, client: str, domain: str, token: str, bypasses: Sequence[str]
) -> dict[str, str]:
    """Return the annotations that require signing in for all Services without `NO_SIGN_IN`.

    Args:
        pool_arn: ARN of the user pool.
        client: ID of the stack's client of that pool.
        domain: Prefix of the user pool's domain.
        token: Token that lets tests in; empty for none.
        bypasses: Names of the Services that tests with the token reach.
    """
    idp = {"userPoolARN": pool_arn, "userPoolClientID": client, "userPoolDomain": domain}
    annotations = {
        f"{ALB}/auth-type": "cognito",
        f"{ALB}/auth-idp-cognito": json.dumps(idp, sort_keys=True),
        f"{ALB}/auth-on-unauthenticated-request": "authenticate",
        f"{ALB}/auth-scope": " ".join(SCOPES),
        f"{ALB}/auth-session-timeout": str(_SESSION_SECONDS),
    }
    if token:
        condition = {
            "field": "http-header",
            "httpHeaderConfig": {"httpHeaderName": BYPASS_HEADER, "values": [token]},
        }
        for service in bypasses:
            annotations[f"{CONDITIONS}{service}"] = json.dumps([condition], sort_keys=True)
    return annotations


def _listen(listener: Listener) -> dict[str, str]:
    """Listen on the port; plain HTTP on the usual port is redirected to HTTPS."""
    ports = [{listener.protocol: listener.port}]
    if listener.protocol == "HTTP":
        return {f"{ALB}/listen-ports": json.dumps(ports)}
    if listener.port == DEFAULT_PORTS["HTTPS"]:
        ports.insert(0, {"HTTP": DEFAULT_PORTS["HTTP"]})
    return {
        f"{ALB}/listen-ports": json.dumps(ports),
        f"{ALB}/ssl-redirect": str(listener.port),
        f"{ALB}/ssl-policy": TLS_POLICY,
    }
