"""Content of what CI's limited roles write, which RBAC can't look at.

RBAC says which kinds a role writes, and `infra.ci.cluster_access` in which namespaces. The policies
here hold what is in the objects, for every role of CI that is in a group ``previews:…``: those of
previews, and other apps' staging. Each is about one topic, and the API server evaluates its rules
in CEL. What an object may say follows from its namespace (a host, a label, an IAM role), or from
what the program itself writes, by the functions that write it.

Reasons: docs/decisions/0049-the-cluster-holds-what-ci-writes.md.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pulumi_kubernetes import admissionregistration

from contract.kubernetes import API_GROUP, BRANCHES, PULL_REQUEST_LABEL, STACK_LABEL
from contract.networks import NOT_PUBLIC
from contract.stack_name import PLATFORM_APP, PLATFORM_PROJECT, StackName
from infra.app.preview_namespace import DEFAULT_DENY, namespace_labels
from infra.database.database import PORT as DATABASE_PORT
from infra.kubernetes.ingress_annotations import (
    BYPASS,
    CONDITIONS,
    NO_SIGN_IN,
    TOKEN,
    app_annotations,
    sign_in_annotations,
    target_annotations,
)
from infra.kubernetes.network_rules import DNS_PORT, EVERYWHERE, HOSTS_API
from infra.kubernetes.pod import NOT_AWAITED
from infra.kubernetes.secret_reader import ROLE_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from infra.config.platform import Listener

GROUPS = f"{PLATFORM_PROJECT}:"
"""Beginning of the groups that CI's limited roles are in."""

_OPERATIONS = ("CREATE", "UPDATE")
_ENFORCED = (
    "pod-security.kubernetes.io/enforce",
    "pod-security.kubernetes.io/enforce-version",
)
_BRANCHES = PLATFORM_APP.branches_namespace
_NUMBERED = PLATFORM_APP.preview_pattern
_PREFIX_OF_BRANCHES = f"request.namespace.substring(0, request.namespace.size() - {len(_BRANCHES)})"
_BYPASS_CONDITION = f"{CONDITIONS}{BYPASS}-"
_API_PORT = 443
# What has a meaning in a regular expression outside of brackets.
_SPECIAL = re.compile(r"([][{}()*+?.\\^$|])")


@dataclass(frozen=True)
class Limits:
    """Properties of the platform that objects of a stack refer to.

    Attributes:
        domain: Domain under which each stack has a host.
        ingress_class: IngressClass of the shared load balancer.
        listener: Its listener.
        shared: Annotations of each Ingress that set up the shared load balancer.
        user_pool_arn: User pool that people sign in to; empty where nobody signs in.
        user_pool_domain: Prefix of that user pool's domain.
        bypass: True where tests get past the sign-in by a token.
        sources: Networks of the load balancer.
        services: Networks of the cluster's Services, in which the name server is.
        databases: Networks of the databases.
    """

    domain: str
    ingress_class: str
    listener: Listener
    shared: Mapping[str, str]
    user_pool_arn: str
    user_pool_domain: str
    bypass: bool
    sources: Sequence[str]
    services: Sequence[str]
    databases: Sequence[str]


@dataclass(frozen=True)
class Rule:
    """A condition on an object.

    Attributes:
        expects: Expectation in words, the reason of a refusal.
        holds: The condition in CEL.
        found: What was found instead, in CEL: a text that the reason ends with; empty for nothing.
    """

    expects: str
    holds: str
    found: str = ""


@dataclass(frozen=True)
class Topic:
    """Kinds of objects, and the rules for them.

    Attributes:
        group: API group.
        resources: Resources of that group.
        rules: All of them have to hold.
        variables: Expressions that the rules refer to as ``variables.<name>``, in their order.
        operations: Operations that are looked at.
    """

    group: str
    resources: Sequence[str]
    rules: Sequence[Rule]
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    operations: Sequence[str] = _OPERATIONS

    def spec(self) -> admissionregistration.v1.ValidatingAdmissionPolicySpecArgs:
        """Return the policy that enforces the rules on CI's limited roles."""
        is_ci = f"request.userInfo.groups.exists(group, group.startsWith({text(GROUPS)}))"
        return admissionregistration.v1.ValidatingAdmissionPolicySpecArgs(
            failure_policy="Fail",
            match_constraints=admissionregistration.v1.MatchResourcesArgs(
                resource_rules=[
                    admissionregistration.v1.NamedRuleWithOperationsArgs(
                        api_groups=[self.group],
                        api_versions=["*"],
                        resources=[*self.resources],
                        operations=[*self.operations],
                    )
                ]
            ),
            match_conditions=[
                admissionregistration.v1.MatchConditionArgs(name="is-ci", expression=is_ci)
            ],
            variables=[
                admissionregistration.v1.VariableArgs(name=name, expression=expression)
                for name, expression in self.variables.items()
            ],
            validations=[
                admissionregistration.v1.ValidationArgs(
                    expression=rule.holds,
                    message=rule.expects,
                    message_expression=f"{text(rule.expects + ': ')} + {rule.found}"
                    if rule.found
                    else None,
                )
                for rule in self.rules
            ],
        )


def text(value: str) -> str:
    """Write a text in CEL."""
    return json.dumps(value)


def texts(values: Sequence[str] | Mapping[str, str]) -> str:
    """Write a list or a map of texts in CEL."""
    return json.dumps(values)


_VOLUMES = "variables.pod.?volumes.orValue([])"
_CONTAINERS = (
    "(variables.pod.containers + variables.pod.?initContainers.orValue([])).all(container,"
)
_POD_RULES = (
    Rule(
        "a pod is in no namespace of its host: no hostNetwork, hostPID or hostIPC",
        "!variables.pod.?hostNetwork.orValue(false) && !variables.pod.?hostPID.orValue(false)"
        " && !variables.pod.?hostIPC.orValue(false)",
    ),
    Rule(
        "a container is not privileged",
        f"{_CONTAINERS} !container.?securityContext.?privileged.orValue(false))",
    ),
    Rule(
        "a volume of a pod is an emptyDir or a configMap",
        f"{_VOLUMES}.all(volume, has(volume.emptyDir) || has(volume.configMap))",
    ),
    Rule(
        "a pod has no token for the Kubernetes API",
        # Except for the controller of databases, which uses it.
        "variables.pod.?automountServiceAccountToken.orValue(true) == false"
        f" || request.namespace.endsWith({text(_BRANCHES)})",
    ),
    Rule("the scheduler chooses the node of a pod", "!has(variables.pod.nodeName)"),
)


def namespaces(_limits: Limits) -> Topic:
    """Hold the standards that Kubernetes enforces in a namespace, and whose it is."""
    stack = StackName.parse("pr-1")
    own = {STACK_LABEL: stack.name, PULL_REQUEST_LABEL: str(stack.pull_request)}
    fixed = {key: value for key, value in namespace_labels(stack).items() if key not in own}
    standards = {key: value for key, value in fixed.items() if key in _ENFORCED}
    return Topic(
        "",
        ["namespaces"],
        [
            Rule(
                "a namespace of CI enforces the Pod Security Standard restricted, as its labels"
                f" {sorted(standards)}",
                _has_all("variables.labels", standards),
            ),
            Rule(
                f"a stack's namespace has the labels {sorted(fixed)} with the program's values",
                f"variables.is_of_branches || {_has_all('variables.labels', fixed)}",
            ),
            Rule(
                f"label {STACK_LABEL} of a namespace is its name",
                "variables.is_of_branches"
                f" || variables.labels[?{text(STACK_LABEL)}].orValue('') == object.metadata.name",
            ),
            Rule(
                f"label {PULL_REQUEST_LABEL} of a preview's namespace is its number",
                f"!object.metadata.name.matches({text(f'(^|-){_NUMBERED}$')}) ||"
                f" object.metadata.name.endsWith('pr-' +"
                f" variables.labels[?{text(PULL_REQUEST_LABEL)}].orValue('none'))",
            ),
        ],
        {
            "labels": "object.metadata.?labels.orValue({})",
            "is_of_branches": _is_of_branches("object.metadata.name"),
        },
    )


def ingresses(limits: Limits) -> Topic:
    """Hold the host, the class, and each annotation of an Ingress, with its value."""
    written = {**app_annotations(limits.listener), **limits.shared}
    sign_in = _sign_in_patterns(limits)
    conditions = sign_in.pop(_BYPASS_CONDITION, "")
    is_condition = f"key.startsWith({text(_BYPASS_CONDITION)})"
    return Topic(
        "networking.k8s.io",
        ["ingresses"],
        [
            Rule(
                f"spec.ingressClassName of an Ingress is {limits.ingress_class}",
                f"object.spec.?ingressClassName.orValue('') == {text(limits.ingress_class)}",
            ),
            Rule(
                f"an Ingress has rules, each with its stack's own host <namespace>.{limits.domain}",
                "object.spec.?rules.orValue([]).size() > 0"
                " && object.spec.rules.all(rule, rule.?host.orValue('') == variables.host)",
            ),
            Rule(
                f"spec.tls of an Ingress has only its stack's own host <namespace>.{limits.domain}",
                "object.spec.?tls.orValue([]).all(tls,"
                " tls.?hosts.orValue([]).all(host, host == variables.host))",
            ),
            Rule(
                "an Ingress has no spec.defaultBackend, which would take every host's requests",
                "!has(object.spec.defaultBackend)",
            ),
            Rule(
                "an Ingress has no annotation but those that the program writes; not",
                "variables.strange.size() == 0",
                found="variables.strange.join(', ')",
            ),
            Rule(
                "these annotations of an Ingress have the program's values",
                "variables.changed.size() == 0",
                found="variables.changed.join(', ')",
            ),
            Rule(
                "the sign-in annotations of an Ingress name the platform's user pool, and require"
                " signing in",
                "variables.sign_in.all(key, !(key in variables.annotations)"
                " || variables.annotations[key].matches(variables.sign_in[key]))",
            ),
            Rule(
                f"{_BYPASS_CONDITION}<service> of an Ingress compares the bypass header with one"
                " token, and nothing else",
                f"variables.annotations.all(key, !{is_condition}"
                f" || variables.annotations[key].matches(variables.condition))",
            ),
        ],
        {
            "host": f"request.namespace + {text(f'.{limits.domain}')}",
            "annotations": "object.metadata.?annotations.orValue({})",
            "written": texts(written),
            "sign_in": texts(sign_in),
            "condition": text(conditions),
            "strange": "variables.annotations.filter(key,"
            " !(key in variables.written) && !(key in variables.sign_in)"
            f" && !(variables.condition != '' && {is_condition}))",
            "changed": "variables.written.filter(key,"
            " variables.annotations[?key].orValue('') != variables.written[key])",
        },
    )


def services(_limits: Limits) -> Topic:
    """Hold that a Service is inside of the cluster, and which of them need no signing in."""
    (no_sign_in,) = NO_SIGN_IN
    known = [*NOT_AWAITED, *target_annotations(""), no_sign_in]
    return Topic(
        "",
        ["services"],
        [
            Rule(
                "spec.type of a Service is ClusterIP",
                "object.spec.type == 'ClusterIP'",
                found="object.spec.type",
            ),
            Rule(
                "a Service has no spec.externalIPs",
                "object.spec.?externalIPs.orValue([]).size() == 0",
            ),
            Rule(
                "a Service has no annotation but those that the program writes; not",
                "variables.strange.size() == 0",
                found="variables.strange.join(', ')",
            ),
            Rule(
                f"no Service but health and {BYPASS}-… is open without signing in, by {no_sign_in}",
                f"!({text(no_sign_in)} in variables.annotations)"
                f" || object.metadata.name.matches({text(f'^(health|{BYPASS}-.+)$')})",
            ),
        ],
        {
            "annotations": "object.metadata.?annotations.orValue({})",
            "strange": f"variables.annotations.filter(key, !(key in {texts(known)}))",
        },
    )


def service_accounts(_limits: Limits) -> Topic:
    """Hold the IAM role that a service account assumes: one of its own stack."""
    stack = StackName.parse("pr-1")
    suffixes = [
        role.removeprefix(stack.name)
        for role in (stack.secrets_role, stack.app_secrets_role, stack.app_role)
    ]
    [secrets_suffix, *_] = suffixes
    return Topic(
        "",
        ["serviceaccounts"],
        [
            Rule(
                f"{ROLE_ANNOTATION} of a service account is a role of its own stack:"
                f" <namespace>{', <namespace>'.join(suffixes)}",
                f"!({text(ROLE_ANNOTATION)} in variables.annotations)"
                f" || variables.roles.exists(role, variables.annotations[{text(ROLE_ANNOTATION)}]"
                f".endsWith(':role/' + role))",
            ),
            Rule(
                f"a service account has no annotation but {ROLE_ANNOTATION}",
                f"variables.annotations.all(key, key == {text(ROLE_ANNOTATION)})",
            ),
            Rule(
                "the token of a service account is in no pod",
                "object.?automountServiceAccountToken.orValue(true) == false",
            ),
        ],
        {
            "annotations": "object.metadata.?annotations.orValue({})",
            # There, an account reads the secret of one shared server: data-8 that of orders-data-8.
            "roles": f"{_is_of_branches('request.namespace')} ? [{_PREFIX_OF_BRANCHES}"
            f" + object.metadata.name + {text(secrets_suffix)}]"
            f" : {texts(suffixes)}.map(suffix, request.namespace + suffix)",
        },
    )


def deployments(_limits: Limits) -> Topic:
    """Hold the pods of a Deployment."""
    return Topic("apps", ["deployments"], _POD_RULES, {"pod": "object.spec.template.spec"})


def jobs(_limits: Limits) -> Topic:
    """Hold the pods of a Job."""
    return Topic("batch", ["jobs"], _POD_RULES, {"pod": "object.spec.template.spec"})


def cron_jobs(_limits: Limits) -> Topic:
    """Hold the pods of a CronJob's Jobs."""
    pod = "object.spec.jobTemplate.spec.template.spec"
    return Topic("batch", ["cronjobs"], _POD_RULES, {"pod": pod})


def secret_stores(_limits: Limits) -> Topic:
    """Hold as whom, and what, the External Secrets Operator reads for a stack."""
    return Topic(
        "external-secrets.io",
        ["secretstores"],
        [
            Rule(
                "a SecretStore reads AWS Secrets Manager",
                "has(object.spec.provider.aws)"
                " && object.spec.provider.aws.service == 'SecretsManager'",
            ),
            Rule(
                "a SecretStore reads as a service account of its own namespace",
                "variables.auth.hasValue() && has(variables.auth.value().serviceAccountRef)"
                " && !has(variables.auth.value().serviceAccountRef.namespace)",
            ),
            Rule(
                "a SecretStore assumes no role but that of its service account",
                "!has(object.spec.provider.aws.role)"
                " && object.spec.provider.aws.?additionalRoles.orValue([]).size() == 0",
            ),
        ],
        {"auth": "object.spec.provider.?aws.?auth.?jwt"},
    )


def external_secrets(_limits: Limits) -> Topic:
    """Hold which secrets a stack's Secrets are made from."""
    rds = r"^arn:aws[a-z-]*:secretsmanager:[^:]*:[^:]*:secret:rds!"
    prefix = PLATFORM_APP.secrets_prefix.partition("/")[0]
    app = "data.remoteRef.key.split('/')[1]"
    # The platform's own app has no prefix in front of its namespaces.
    whose = (
        f"request.namespace.matches('^' + ({app} == {text(PLATFORM_PROJECT)} ? '' : {app} + '-')"
        f" + '(staging|{_NUMBERED})$')"
    )
    return Topic(
        "external-secrets.io",
        ["externalsecrets"],
        [
            Rule(
                "an ExternalSecret reads a SecretStore of its own namespace",
                "object.spec.?secretStoreRef.?kind.orValue('SecretStore') == 'SecretStore'"
                " && object.spec.?data.orValue([]).all(data, !has(data.sourceRef))",
            ),
            Rule(
                f"an ExternalSecret reads a secret of its own app, {prefix}/<app>/…, or one that"
                " RDS keeps",
                "object.spec.?data.orValue([]).all(data,"
                f" data.remoteRef.key.matches({text(rds)})"
                f" || (data.remoteRef.key.matches({text(f'^{prefix}/[^/]+/[^/]+$')}) && {whose}))",
            ),
            Rule(
                "an ExternalSecret is made from named secrets or a Password, not from all that its"
                " store can find",
                "object.spec.?dataFrom.orValue([]).all(from,"
                " from.?sourceRef.?generatorRef.?kind.orValue('') == 'Password')",
            ),
        ],
    )


def network_policies(limits: Limits) -> Topic:
    """Hold from where a stack is reached, and what it reaches."""
    dns = _only_on(DNS_PORT)
    return Topic(
        "networking.k8s.io",
        ["networkpolicies"],
        [
            Rule(
                f"the policy {DEFAULT_DENY} denies everything to every pod",
                f"!object.metadata.name.endsWith({text(DEFAULT_DENY)})"
                " || (object.spec.?podSelector.?matchLabels.orValue({}).size() == 0"
                " && object.spec.?podSelector.?matchExpressions.orValue([]).size() == 0"
                " && ['Ingress', 'Egress'].all(one, one in object.spec.policyTypes)"
                " && object.spec.?ingress.orValue([]).size() == 0"
                " && object.spec.?egress.orValue([]).size() == 0)",
            ),
            Rule(
                "a NetworkPolicy lets in pods of its own namespace, and the load balancer",
                "object.spec.?ingress.orValue([]).all(rule,"
                " rule.?from.orValue([]).size() > 0 && rule.from.all(peer,"
                " !has(peer.namespaceSelector)"
                f" && (!has(peer.ipBlock) || peer.ipBlock.cidr in {texts(limits.sources)})))",
            ),
            Rule(
                "a NetworkPolicy names the ports of its way out, and where it leads",
                "object.spec.?egress.orValue([]).all(rule,"
                " rule.?ports.orValue([]).size() > 0"
                " && rule.ports.all(port, has(port.port) && !has(port.endPort))"
                f" && (rule.?to.orValue([]).size() > 0 || ({_is_of_branches('request.namespace')}"
                f" && {_only_on(_API_PORT)})))",
            ),
            Rule(
                "a NetworkPolicy lets pods reach their own namespace, the name server, databases,"
                f" and public addresses ({EVERYWHERE} except all that are not public)",
                "object.spec.?egress.orValue([]).all(rule,"
                " rule.?to.orValue([]).all(peer,"
                " (!has(peer.namespaceSelector) || (peer.namespaceSelector.?matchLabels"
                f"[?'kubernetes.io/metadata.name'].orValue('') == 'kube-system' && {dns}))"
                " && (!has(peer.ipBlock)"
                f" || (peer.ipBlock.cidr in {texts(limits.services)} && {dns})"
                f" || (peer.ipBlock.cidr in {texts(limits.databases)}"
                f" && {_only_on(DATABASE_PORT)})"
                f" || (peer.ipBlock.cidr == {text(EVERYWHERE)}"
                f" && {texts(NOT_PUBLIC)}.all(one,"
                " one in peer.ipBlock.?except.orValue([]))))))",
            ),
        ],
    )


def network_policies_that_stay(_limits: Limits) -> Topic:
    """Hold that what denies everything else goes with its namespace alone."""
    return Topic(
        "networking.k8s.io",
        ["networkpolicies"],
        [
            Rule(
                f"the policy {DEFAULT_DENY} is deleted with its namespace alone",
                f"!oldObject.metadata.name.endsWith({text(DEFAULT_DENY)})",
            )
        ],
        operations=("DELETE",),
    )


def hosts_policies(limits: Limits) -> Topic:
    """Hold the ways out by name, of EKS Auto Mode: hosts without a wildcard, the name server."""
    return Topic(
        HOSTS_API.partition("/")[0],
        ["applicationnetworkpolicies"],
        [
            Rule(
                "an ApplicationNetworkPolicy opens a way out alone",
                "!has(object.spec.ingress) && object.spec.policyTypes == ['Egress']",
            ),
            Rule(
                "an ApplicationNetworkPolicy leads to hosts without a wildcard, and to the name"
                " server",
                "object.spec.?egress.orValue([]).all(rule,"
                " rule.?to.orValue([]).size() > 0 && rule.to.all(peer,"
                " has(peer.domainNames) ? peer.domainNames.all(name, !name.contains('*'))"
                " : has(peer.ipBlock)"
                f" && peer.ipBlock.cidr in {texts(limits.services)} && {_only_on(DNS_PORT)}))",
            ),
        ],
    )


def database_branches(_limits: Limits) -> Topic:
    """Hold whose data a preview gets a copy of."""
    own = f"object.spec.servers.substring(0, object.spec.servers.size() - {len(_BRANCHES)})"
    return Topic(
        API_GROUP,
        [BRANCHES],
        [
            Rule(
                "spec.servers of a DatabaseBranch is the namespace of its own app's servers",
                f"object.spec.servers.endsWith({text(_BRANCHES)})"
                f" && request.namespace.matches('^' + {own} + {text(f'{_NUMBERED}$')})",
            )
        ],
    )


TOPICS: Mapping[str, Callable[[Limits], Topic]] = {
    "namespaces": namespaces,
    "ingresses": ingresses,
    "services": services,
    "service-accounts": service_accounts,
    "deployments": deployments,
    "jobs": jobs,
    "cron-jobs": cron_jobs,
    "secret-stores": secret_stores,
    "external-secrets": external_secrets,
    "network-policies": network_policies,
    "network-policies-that-stay": network_policies_that_stay,
    "hosts-policies": hosts_policies,
    "database-branches": database_branches,
}
"""Topics by the name of their policy, without the platform's own prefix."""


def _is_of_branches(namespace: str) -> str:
    """Return the condition for a namespace of shared servers; no stack's name ends like that."""
    return f"{namespace}.endsWith({text(_BRANCHES)})"


def _only_on(port: int) -> str:
    return f"rule.?ports.orValue([]).all(port, port.?port.orValue(0) == {port})"


def _has_all(labels: str, expected: Mapping[str, str]) -> str:
    return f"{texts(expected)}.all(key, {labels}[?key].orValue('') == {texts(expected)}[key])"


def _sign_in_patterns(limits: Limits) -> dict[str, str]:
    """Return a regular expression of the value of each annotation that requires signing in.

    They are made by the function that makes the values, from marks in place of what differs
    between stacks.
    """
    if not limits.user_pool_arn:
        return {}
    marks = {"client-mark": "[0-9A-Za-z_+-]+", "token-mark": TOKEN, "service-mark": ""}
    client, token, service = marks
    made = sign_in_annotations(
        limits.user_pool_arn,
        client,
        limits.user_pool_domain,
        token if limits.bypass else "",
        [f"{BYPASS}-{service}"],
    )
    return {key.replace(service, ""): _pattern(value, marks) for key, value in made.items()}


def _pattern(value: str, marks: Mapping[str, str]) -> str:
    pattern = _SPECIAL.sub(r"\\\1", value)
    for mark, expression in marks.items():
        pattern = pattern.replace(mark, expression)
    return f"^{pattern}$"
