"""Attacks on the cluster with CI's rights, as rows: what is tried, as whom, and what happens.

A test makes each of them against the real API server, and the documentation shows the table. A row
either changes an object that the program declares, or is a request of its own.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

PREVIEW = "CI's role for previews"
ORDERS_PREVIEW = "CI's role for previews of the app orders"
ORDERS_STAGING = "CI's role for staging of the app orders"

GROUPS = {
    PREVIEW: "previews:previews-deployer",
    ORDERS_PREVIEW: "previews:orders-previews-deployer",
    ORDERS_STAGING: "previews:orders-previews-stager",
}
"""Group of each role in the cluster."""

ALB = "alb.ingress.kubernetes.io"
_ANNOTATION = "metadata.annotations"
_POD = "spec.template.spec"
_MIGRATE = "migrate-"


class Change(NamedTuple):
    """A change of an object that a stack declares.

    Attributes:
        kind: Its kind.
        name: Its name, or the beginning of it.
        values: The values by their paths, whose parts are keys and indices; None removes one.
    """

    kind: str
    name: str
    values: dict[tuple[str, ...], Any]


class Request(NamedTuple):
    """A request to the API server.

    Attributes:
        method: Its method.
        path: Its path.
        body: Its body, None for none.
    """

    method: str
    path: str
    body: dict[str, Any] | None = None


class Attack(NamedTuple):
    """A row.

    Attributes:
        what: Attempt.
        role: Role that makes it.
        outcome: Reason of the refusal, as the API server gives it.
        tries: The attempt itself.
    """

    what: str
    role: str
    outcome: str
    tries: Change | Request


def _change(kind: str, name: str, at: str, value: Any) -> Change:
    """Change one value; in `at` a dot separates keys, so a key with dots comes by `_annotated`."""
    return Change(kind, name, {tuple(at.split(".")): value})


def _annotated(kind: str, name: str, key: str, value: str) -> Change:
    return Change(kind, name, {(*_ANNOTATION.split("."), key): value})


def _labelled(key: str, value: str | None) -> Change:
    return Change("Namespace", "pr-42", {("metadata", "labels", key): value})


def _ingress(at: str, value: Any) -> Change:
    return _change("Ingress", "service", at, value)


def _on_ingress(key: str, value: str) -> Change:
    return _annotated("Ingress", "service", f"{ALB}/{key}", value)


def _new(path: str, kind: str, name: str, **fields: Any) -> Request:
    version = path.removeprefix("/apis/").removeprefix("/api/").split("/namespaces/")[0]
    version = version if "/namespaces/" in path else version.rpartition("/")[0]
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
    return Request("POST", path, body)


def _config_map(namespace: str) -> Request:
    return _new(f"/api/v1/namespaces/{namespace}/configmaps", "ConfigMap", "probe")


def _token(values: list[str], field: str = "http-header") -> str:
    header = {"httpHeaderName": "x-preview-bypass", "values": values}
    return json.dumps([{"field": field, "httpHeaderConfig": header}])


_OWN = "writes to namespaces pr-<n> alone"
_LABELS = "enforces the Pod Security Standard restricted"
_HOST = "each with its stack's own host"
_STRANGE = "no annotation but those that the program writes; not: "
_VALUES = "have the program's values: "
_ROLE = "is a role of its own stack"
_VOLUME = "a volume of a pod is an emptyDir or a configMap"
_LETS_IN = "lets in pods of its own namespace, and the load balancer"
_REACHES = "lets pods reach their own namespace, the name server, databases, and public addresses"
_HOSTS_POLICY = "ApplicationNetworkPolicy"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_REFERENCE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole"}
_EVERYONE = [{"kind": "Group", "name": "system:authenticated"}]
_POOL = {"userPoolARN": "arn:aws:cognito-idp:eu-west-1:666666666666:userpool/eu-west-1_Evil"}

NAMESPACES = (
    Attack("write into staging's namespace", PREVIEW, _OWN, _config_map("staging")),
    Attack("write into the system's namespace", PREVIEW, _OWN, _config_map("kube-system")),
    Attack("write into another app's preview", PREVIEW, _OWN, _config_map("orders-pr-7")),
    Attack(
        "make a namespace that is no preview's",
        PREVIEW,
        _OWN,
        Change(
            "Namespace",
            "pr-42",
            {
                ("metadata", "name"): "production",
                ("metadata", "labels", "previews/stack"): "production",
            },
        ),
    ),
    Attack(
        "delete staging's namespace", PREVIEW, _OWN, Request("DELETE", "/api/v1/namespaces/staging")
    ),
    Attack(
        "take the restricted standard off the namespace",
        PREVIEW,
        _LABELS,
        _labelled("pod-security.kubernetes.io/enforce", None),
    ),
    Attack(
        "make the namespace privileged",
        PREVIEW,
        _LABELS,
        _labelled("pod-security.kubernetes.io/enforce", "privileged"),
    ),
    Attack(
        "enforce an old version of the standard",
        PREVIEW,
        _LABELS,
        _labelled("pod-security.kubernetes.io/enforce-version", "v1.20"),
    ),
    Attack(
        "name another stack on the namespace",
        PREVIEW,
        "label previews/stack of a namespace is its name",
        _labelled("previews/stack", "staging"),
    ),
    Attack(
        "hide the namespace from the sweep",
        PREVIEW,
        "label previews/stack of a namespace is its name",
        _labelled("previews/stack", None),
    ),
    Attack(
        "name another pull request on the namespace",
        PREVIEW,
        "label previews/pull-request of a preview's namespace is its number",
        _labelled("previews/pull-request", "43"),
    ),
    Attack(
        "take the namespace out of the platform",
        PREVIEW,
        "a stack's namespace has the labels",
        _labelled("app.kubernetes.io/part-of", None),
    ),
)

INGRESSES = (
    Attack(
        "take staging's host",
        PREVIEW,
        _HOST,
        _ingress("spec.rules.0.host", "staging.preview.example.com"),
    ),
    Attack(
        "take another preview's host",
        PREVIEW,
        _HOST,
        _ingress("spec.rules.0.host", "pr-4.preview.example.com"),
    ),
    Attack("take every host", PREVIEW, _HOST, _ingress("spec.rules.0.host", None)),
    Attack(
        "take every host of the domain",
        PREVIEW,
        _HOST,
        _ingress("spec.rules.0.host", "*.preview.example.com"),
    ),
    Attack(
        "take every host by a default backend",
        PREVIEW,
        "no spec.defaultBackend",
        _ingress("spec.defaultBackend", {"service": {"name": "service", "port": {"number": 80}}}),
    ),
    Attack(
        "ask for another host's certificate",
        PREVIEW,
        "spec.tls of an Ingress has only its stack's own host",
        _ingress("spec.tls.0.hosts.0", "staging.preview.example.com"),
    ),
    Attack(
        "use another IngressClass",
        PREVIEW,
        "spec.ingressClassName of an Ingress is previews",
        _ingress("spec.ingressClassName", "alb"),
    ),
    Attack(
        "use another IngressClass by its former annotation",
        PREVIEW,
        _STRANGE,
        _annotated("Ingress", "service", "kubernetes.io/ingress.class", "alb"),
    ),
    Attack(
        "put its rules before those of all others",
        PREVIEW,
        _STRANGE,
        _on_ingress("group.order", "-1000"),
    ),
    Attack(
        "join another load balancer's group", PREVIEW, _STRANGE, _on_ingress("group.name", "other")
    ),
    Attack(
        "redirect requests by an action",
        PREVIEW,
        _STRANGE,
        _on_ingress(
            "actions.service",
            '{"type":"redirect","redirectConfig":{"host":"evil.example","statusCode":"HTTP_302"}}',
        ),
    ),
    Attack(
        "rewrite requests by a transform",
        PREVIEW,
        _STRANGE,
        _on_ingress("transforms.service", '[{"type":"host-header-rewrite"}]'),
    ),
    Attack(
        "widen a rule to other hosts by a condition",
        PREVIEW,
        _STRANGE,
        _on_ingress(
            "conditions.service",
            '[{"field":"host-header","hostHeaderConfig":{"values":["staging.preview.example.com"]}}]',
        ),
    ),
    Attack(
        "let everybody by the sign-in, with a wildcard for the token",
        PREVIEW,
        "compares the bypass header with one token",
        _on_ingress("conditions.bypass-service", _token(["*" * 32])),
    ),
    Attack(
        "let everybody by the sign-in, with a condition on the path",
        PREVIEW,
        "compares the bypass header with one token",
        _on_ingress(
            "conditions.bypass-service",
            '[{"field":"path-pattern","pathPatternConfig":{"values":["/*"]}}]',
        ),
    ),
    Attack(
        "add a second token of its own",
        PREVIEW,
        "compares the bypass header with one token",
        _on_ingress("conditions.bypass-service", _token(["t" * 40, "e" * 40])),
    ),
    Attack(
        "require no signing in",
        PREVIEW,
        "the sign-in annotations of an Ingress",
        _on_ingress("auth-type", "none"),
    ),
    Attack(
        "let people in who have not signed in",
        PREVIEW,
        "the sign-in annotations of an Ingress",
        _on_ingress("auth-on-unauthenticated-request", "allow"),
    ),
    Attack(
        "sign people in with another user pool",
        PREVIEW,
        "the sign-in annotations of an Ingress",
        _on_ingress("auth-idp-cognito", json.dumps(_POOL)),
    ),
    Attack(
        "open the load balancer to everybody",
        PREVIEW,
        f"{_VALUES}{ALB}/inbound-cidrs",
        _on_ingress("inbound-cidrs", "0.0.0.0/0"),
    ),
    Attack(
        "make the load balancer public",
        PREVIEW,
        _STRANGE,
        _on_ingress("scheme", "internet-facing"),
    ),
    Attack(
        "allow TLS 1.0",
        PREVIEW,
        f"{_VALUES}{ALB}/ssl-policy",
        _on_ingress("ssl-policy", "ELBSecurityPolicy-2016-08"),
    ),
    Attack(
        "listen on a port of its own",
        PREVIEW,
        f"{_VALUES}{ALB}/listen-ports",
        _on_ingress("listen-ports", '[{"HTTP":80},{"HTTPS":443},{"HTTP":8080}]'),
    ),
    Attack(
        "make a name of the zone point somewhere else",
        PREVIEW,
        _STRANGE,
        _annotated(
            "Ingress",
            "service",
            "external-dns.alpha.kubernetes.io/hostname",
            "staging.preview.example.com",
        ),
    ),
    Attack(
        "take a preview's host of the platform's own app",
        ORDERS_PREVIEW,
        _HOST,
        _ingress("spec.rules.0.host", "pr-7.preview.example.com"),
    ),
    Attack(
        "take the platform's staging host",
        ORDERS_STAGING,
        _HOST,
        _ingress("spec.rules.0.host", "staging.preview.example.com"),
    ),
)

SERVICES = (
    *(
        Attack(
            f"open a Service of type {kind}",
            PREVIEW,
            f"spec.type of a Service is ClusterIP: {kind}",
            Change("Service", "service", {("spec", "type"): kind, **more}),
        )
        for kind, more in (
            ("LoadBalancer", {}),
            ("NodePort", {}),
            ("ExternalName", {("spec", "externalName"): "169.254.169.254"}),
        )
    ),
    Attack(
        "take over an address",
        PREVIEW,
        "a Service has no spec.externalIPs",
        _change("Service", "service", "spec.externalIPs", ["203.0.113.7"]),
    ),
    Attack(
        "open the service itself without signing in",
        PREVIEW,
        "no Service but health and bypass-",
        _annotated("Service", "service", f"{ALB}/auth-type", "none"),
    ),
    Attack(
        "use an annotation of a Service that the program does not",
        PREVIEW,
        _STRANGE,
        _annotated("Service", "service", f"{ALB}/target-group-attributes", "stickiness.enabled=1"),
    ),
)

_ARN = "arn:aws:iam::123456789012:role"
_ROLE_ARN = "eks.amazonaws.com/role-arn"

ACCOUNTS = (
    *(
        Attack(
            f"assume {whose}", PREVIEW, _ROLE, _annotated("ServiceAccount", "app", _ROLE_ARN, arn)
        )
        for whose, arn in (
            ("staging's role", f"{_ARN}/staging-secrets"),
            ("another preview's role", f"{_ARN}/pr-4-secrets"),
            ("a role of another app", f"{_ARN}/orders-pr-42-secrets"),
            ("CI's own role", f"{_ARN}/previews-deploy-staging"),
        )
    ),
    Attack(
        "use an annotation of a service account that the program does not",
        PREVIEW,
        "a service account has no annotation but eks.amazonaws.com/role-arn",
        _annotated("ServiceAccount", "app", "eks.amazonaws.com/audience", "evil"),
    ),
    Attack(
        "give pods a token for the Kubernetes API",
        PREVIEW,
        "the token of a service account is in no pod",
        _change("ServiceAccount", "service", "automountServiceAccountToken", value=True),
    ),
    Attack(
        "read the secret of another server",
        ORDERS_STAGING,
        _ROLE,
        _annotated("ServiceAccount", "data-8", _ROLE_ARN, f"{_ARN}/data-8-secrets"),
    ),
)

_PROJECTED = [{"serviceAccountToken": {"path": "token", "audience": "sts.amazonaws.com"}}]

PODS = (
    *(
        Attack(
            f"mount a folder of the node in a {kind}",
            PREVIEW,
            _VOLUME,
            # A Job can't be changed: another one is made.
            Change(
                kind,
                name,
                {
                    ("metadata", "name"): "evil",
                    (*pod.split("."), "volumes", "0"): {
                        "name": "scratch-0",
                        "hostPath": {"path": "/"},
                    },
                },
            ),
        )
        for kind, name, pod in (
            ("Deployment", "service", _POD),
            ("Job", _MIGRATE, _POD),
            ("CronJob", "before-destroy", "spec.jobTemplate.spec.template.spec"),
        )
    ),
    Attack(
        "mount a token for AWS",
        PREVIEW,
        _VOLUME,
        _change(
            "Deployment",
            "service",
            f"{_POD}.volumes.0",
            {"name": "scratch-0", "projected": {"sources": _PROJECTED}},
        ),
    ),
    *(
        Attack(
            f"run a pod with {field}",
            PREVIEW,
            "a pod is in no namespace of its host",
            _change("Deployment", "service", f"{_POD}.{field}", value=True),
        )
        for field in ("hostNetwork", "hostPID", "hostIPC")
    ),
    Attack(
        "run a privileged container",
        PREVIEW,
        "a container is not privileged",
        _change(
            "Deployment",
            "service",
            f"{_POD}.containers.0.securityContext",
            {"privileged": True, "allowPrivilegeEscalation": True},
        ),
    ),
    Attack(
        "give a pod a token for the Kubernetes API",
        PREVIEW,
        "a pod has no token for the Kubernetes API",
        _change("Deployment", "service", f"{_POD}.automountServiceAccountToken", value=True),
    ),
    Attack(
        "choose the node of a pod",
        PREVIEW,
        "the scheduler chooses the node of a pod",
        _change("Deployment", "service", f"{_POD}.nodeName", "i-0123456789"),
    ),
)

_JWT = "spec.provider.aws.auth.jwt"

SECRETS = (
    Attack(
        "read secrets as another namespace's service account",
        PREVIEW,
        "as a service account of its own namespace",
        _change("SecretStore", "aws", f"{_JWT}.serviceAccountRef.namespace", "staging"),
    ),
    Attack(
        "read secrets as the operator itself",
        PREVIEW,
        "as a service account of its own namespace",
        _change("SecretStore", "aws", "spec.provider.aws.auth", None),
    ),
    Attack(
        "read secrets as a further role",
        PREVIEW,
        "assumes no role but that of its service account",
        _change("SecretStore", "aws", "spec.provider.aws.role", f"{_ARN}/staging-secrets"),
    ),
    Attack(
        "read Parameter Store",
        PREVIEW,
        "a SecretStore reads AWS Secrets Manager",
        _change("SecretStore", "aws", "spec.provider.aws.service", "ParameterStore"),
    ),
    Attack(
        "read Secrets of a namespace by the operator",
        PREVIEW,
        "a SecretStore reads AWS Secrets Manager",
        _change(
            "SecretStore",
            "aws",
            "spec.provider",
            {
                "kubernetes": {
                    "remoteNamespace": "staging",
                    "auth": {"serviceAccount": {"name": "external-secrets"}},
                }
            },
        ),
    ),
    Attack(
        "read a store of the whole cluster",
        PREVIEW,
        "reads a SecretStore of its own namespace",
        _change(
            "ExternalSecret", "database-master", "spec.secretStoreRef.kind", "ClusterSecretStore"
        ),
    ),
    Attack(
        "read another app's secret",
        PREVIEW,
        "reads a secret of its own app",
        _change(
            "ExternalSecret", "app-secrets", "spec.data.0.remoteRef.key", "previews/orders/stripe"
        ),
    ),
    Attack(
        "read a secret of the account",
        PREVIEW,
        "reads a secret of its own app",
        _change("ExternalSecret", "app-secrets", "spec.data.0.remoteRef.key", "production/root"),
    ),
    Attack(
        "read all that the store finds",
        PREVIEW,
        "not from all that its store can find",
        _change(
            "ExternalSecret", "app-secrets", "spec.dataFrom", [{"find": {"name": {"regexp": ".*"}}}]
        ),
    ),
    Attack(
        "read the platform's own app's secret",
        ORDERS_PREVIEW,
        "reads a secret of its own app",
        _change(
            "ExternalSecret", "app-secrets", "spec.data.0.remoteRef.key", "previews/previews/stripe"
        ),
    ),
    Attack(
        "get a copy of the platform's own app's data",
        ORDERS_PREVIEW,
        "spec.servers of a DatabaseBranch is the namespace of its own app's servers",
        _change("DatabaseBranch", "database", "spec.servers", "branches"),
    ),
    Attack(
        "get a copy of another app's data",
        PREVIEW,
        "spec.servers of a DatabaseBranch is the namespace of its own app's servers",
        _change("DatabaseBranch", "database", "spec.servers", "orders-branches"),
    ),
)

NETWORKS = (
    Attack(
        "allow what is denied to every pod",
        PREVIEW,
        "the policy default-deny denies everything to every pod",
        _change("NetworkPolicy", "default-deny", "spec.ingress", [{}]),
    ),
    Attack(
        "deny nothing",
        PREVIEW,
        "the policy default-deny is deleted with its namespace alone",
        Request(
            "DELETE", "/apis/networking.k8s.io/v1/namespaces/pr-42/networkpolicies/default-deny"
        ),
    ),
    Attack(
        "let in everybody",
        PREVIEW,
        _LETS_IN,
        _change("NetworkPolicy", "allow-load-balancer-service", "spec.ingress.0.from", None),
    ),
    Attack(
        "let in another network",
        PREVIEW,
        _LETS_IN,
        _change(
            "NetworkPolicy",
            "allow-load-balancer-service",
            "spec.ingress.0.from.0.ipBlock.cidr",
            "0.0.0.0/0",
        ),
    ),
    Attack(
        "let in pods of other namespaces",
        PREVIEW,
        _LETS_IN,
        _change(
            "NetworkPolicy",
            "allow-load-balancer-service",
            "spec.ingress.0.from.0",
            {"namespaceSelector": {}},
        ),
    ),
    Attack(
        "reach everything on a port",
        PREVIEW,
        "names the ports of its way out, and where it leads",
        _change("NetworkPolicy", "allow-app-egress", "spec.egress.0.to", None),
    ),
    Attack(
        "reach every port of the internet",
        PREVIEW,
        "names the ports of its way out, and where it leads",
        _change("NetworkPolicy", "allow-app-egress", "spec.egress.0.ports", None),
    ),
    Attack(
        "reach private networks",
        PREVIEW,
        _REACHES,
        _change("NetworkPolicy", "allow-app-egress", "spec.egress.0.to.0.ipBlock.except", None),
    ),
    Attack(
        "reach the credentials of the node",
        PREVIEW,
        _REACHES,
        _change(
            "NetworkPolicy",
            "allow-app-egress",
            "spec.egress.0.to.0.ipBlock",
            {"cidr": "169.254.169.254/32"},
        ),
    ),
    Attack(
        "reach every address of IPv6",
        PREVIEW,
        _REACHES,
        _change(
            "NetworkPolicy", "allow-app-egress", "spec.egress.0.to.0.ipBlock", {"cidr": "::/0"}
        ),
    ),
    Attack(
        "reach pods of other namespaces",
        PREVIEW,
        _REACHES,
        _change(
            "NetworkPolicy", "allow-app-egress", "spec.egress.0.to.0", {"namespaceSelector": {}}
        ),
    ),
    Attack(
        "reach the databases on another port",
        PREVIEW,
        _REACHES,
        _change("NetworkPolicy", "allow-dns-and-database", "spec.egress.1.ports.0.port", 22),
    ),
    Attack(
        "reach any host by a wildcard",
        PREVIEW,
        "leads to hosts without a wildcard",
        _change(_HOSTS_POLICY, "allow-app-egress", "spec.egress.1.to.0.domainNames.0", "*.org"),
    ),
    Attack(
        "reach a private network beside the hosts",
        PREVIEW,
        "leads to hosts without a wildcard",
        _change(_HOSTS_POLICY, "allow-app-egress", "spec.egress.0.to.0.ipBlock.cidr", "10.0.0.0/8"),
    ),
    Attack(
        "let others in beside the hosts",
        PREVIEW,
        "opens a way out alone",
        _change(_HOSTS_POLICY, "allow-app-egress", "spec.policyTypes", ["Ingress", "Egress"]),
    ),
)

RIGHTS = (
    Attack(
        "make a ClusterRole",
        PREVIEW,
        'cannot create resource "clusterroles"',
        _new(f"{_RBAC}/clusterroles", "ClusterRole", "evil", rules=[]),
    ),
    Attack(
        "bind itself to cluster-admin",
        PREVIEW,
        'cannot create resource "clusterrolebindings"',
        _new(
            f"{_RBAC}/clusterrolebindings",
            "ClusterRoleBinding",
            "evil",
            roleRef={**_REFERENCE, "name": "cluster-admin"},
            subjects=_EVERYONE,
        ),
    ),
    Attack(
        "give others rights in its namespace",
        PREVIEW,
        'cannot create resource "rolebindings"',
        _new(
            f"{_RBAC}/namespaces/pr-42/rolebindings",
            "RoleBinding",
            "evil",
            roleRef={**_REFERENCE, "name": "admin"},
            subjects=_EVERYONE,
        ),
    ),
    Attack(
        "give itself rights as the role of another app's staging",
        ORDERS_STAGING,
        'cannot create resource "rolebindings"',
        _new(
            f"{_RBAC}/namespaces/orders-staging/rolebindings",
            "RoleBinding",
            "evil",
            roleRef={**_REFERENCE, "name": "admin"},
            subjects=_EVERYONE,
        ),
    ),
    Attack(
        "take a policy away",
        PREVIEW,
        'cannot delete resource "validatingadmissionpolicies"',
        Request(
            "DELETE",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/previews-ingresses",
        ),
    ),
    Attack(
        "see and change every request by a webhook",
        PREVIEW,
        'cannot create resource "mutatingwebhookconfigurations"',
        _new(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "MutatingWebhookConfiguration",
            "evil",
        ),
    ),
    Attack(
        "use a disk of its choice",
        PREVIEW,
        'cannot create resource "persistentvolumes"',
        _new("/api/v1/persistentvolumes", "PersistentVolume", "evil"),
    ),
    Attack(
        "make a node", PREVIEW, 'cannot create resource "nodes"', _new("/api/v1/nodes", "Node", "e")
    ),
    Attack(
        "ask for a client certificate",
        PREVIEW,
        'cannot create resource "certificatesigningrequests"',
        _new(
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            "CertificateSigningRequest",
            "evil",
        ),
    ),
    Attack(
        "get a token of a service account",
        PREVIEW,
        'cannot create resource "serviceaccounts/token"',
        Request(
            "POST", "/api/v1/namespaces/pr-42/serviceaccounts/external-secrets/token", {"spec": {}}
        ),
    ),
    Attack(
        "get a token of the operator that reads secrets",
        PREVIEW,
        'cannot create resource "serviceaccounts/token"',
        Request(
            "POST",
            "/api/v1/namespaces/external-secrets/serviceaccounts/external-secrets/token",
            {"spec": {}},
        ),
    ),
    Attack(
        "enter a pod",
        PREVIEW,
        'cannot create resource "pods/exec"',
        Request("POST", "/api/v1/namespaces/pr-42/pods/service/exec?command=sh"),
    ),
    Attack(
        "make a pod by itself",
        PREVIEW,
        'cannot create resource "pods"',
        _new("/api/v1/namespaces/pr-42/pods", "Pod", "evil"),
    ),
    Attack(
        "empty its namespace of what guards it at once",
        PREVIEW,
        'cannot deletecollection resource "networkpolicies"',
        Request("DELETE", "/apis/networking.k8s.io/v1/namespaces/pr-42/networkpolicies"),
    ),
)

READS = tuple(
    Attack(f"read {what}", role, f'cannot list resource "{resource}"', Request("GET", path))
    for role, what, resource, path in (
        (PREVIEW, "its own Secrets", "secrets", "/api/v1/namespaces/pr-42/secrets"),
        (PREVIEW, "all Secrets", "secrets", "/api/v1/secrets"),
        (PREVIEW, "staging's pods", "pods", "/api/v1/namespaces/staging/pods"),
        (PREVIEW, "all pods", "pods", "/api/v1/pods"),
        (PREVIEW, "staging's configuration", "configmaps", "/api/v1/namespaces/staging/configmaps"),
        (PREVIEW, "staging's events", "events", "/api/v1/namespaces/staging/events"),
        (
            PREVIEW,
            "staging's environment",
            "deployments",
            "/apis/apps/v1/namespaces/staging/deployments",
        ),
        (PREVIEW, "another app's pods", "pods", "/api/v1/namespaces/orders-pr-7/pods"),
        (PREVIEW, "who may do what", "clusterroles", f"{_RBAC}/clusterroles"),
        (PREVIEW, "the nodes", "nodes", "/api/v1/nodes"),
        (ORDERS_PREVIEW, "another app's pods", "pods", "/api/v1/namespaces/pr-42/pods"),
        (ORDERS_STAGING, "the platform's pods", "pods", "/api/v1/namespaces/staging/pods"),
        (ORDERS_STAGING, "its own Secrets", "secrets", "/api/v1/namespaces/orders-staging/secrets"),
    )
)

OTHER_APPS = (
    Attack(
        "write into a preview of the platform's own app",
        ORDERS_PREVIEW,
        "writes to namespaces orders-pr-",
        _config_map("pr-42"),
    ),
    Attack(
        "write into its own app's staging",
        ORDERS_PREVIEW,
        "writes to namespaces orders-pr-",
        _config_map("orders-staging"),
    ),
    Attack(
        "write into the platform's staging",
        ORDERS_STAGING,
        "writes to namespaces (orders-staging|orders-branches) alone",
        _config_map("staging"),
    ),
    Attack(
        "write into its own app's preview",
        ORDERS_STAGING,
        "writes to namespaces (orders-staging|orders-branches) alone",
        _config_map("orders-pr-7"),
    ),
)

ATTACKS = (
    *NAMESPACES,
    *INGRESSES,
    *SERVICES,
    *ACCOUNTS,
    *PODS,
    *SECRETS,
    *NETWORKS,
    *RIGHTS,
    *READS,
    *OTHER_APPS,
)
"""All rows, in the order in which they are shown."""
