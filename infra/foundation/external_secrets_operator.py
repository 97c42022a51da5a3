"""The External Secrets Operator, for which AWS has no add-on, without Helm.

Its definitions are pinned in infra/controllers/, its version and image in infra/versions.toml.
It has no permission in AWS of its own: for each SecretStore it assumes the role of the service
account that the store names. It has the same permissions in the cluster as the sandbox's operator,
of the same version. Its webhook, which only reports errors a little earlier than an object's
status does, would need a third Deployment that may write Secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions, apps, core, meta, networking, rbac

from infra.controllers.definitions import read_definitions
from infra.foundation.controller_nodes import NODE_SELECTOR, tolerations
from infra.kubernetes.pod import NAME_LABEL, TIMEOUT, container_confinement
from infra.versions import pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "external-secrets"
_LABELS = {NAME_LABEL: NAME}
_USER = 65532
_LIVE_PORT = 8082
_WEB_PORTS = (443, 6443)

ARGUMENTS = (
    "--enable-leader-election=false",
    "--enable-cluster-store-reconciler=false",
    "--enable-cluster-external-secret-reconciler=false",
    "--enable-cluster-push-secret-reconciler=false",
    "--enable-push-secret-reconciler=false",
    # Nothing here scrapes metrics.
    "--metrics-addr=0",
    f"--live-addr=:{_LIVE_PORT}",
    "--loglevel=info",
    "--zap-time-encoding=iso8601",
)

_READ = ["get", "list", "watch"]
RULES: tuple[dict[str, list[str]], ...] = (
    {
        "apiGroups": ["external-secrets.io"],
        "resources": ["externalsecrets", "secretstores", "clustersecretstores"],
        "verbs": [*_READ, "update", "patch"],
    },
    {
        "apiGroups": ["external-secrets.io"],
        "resources": [
            "externalsecrets/status",
            "externalsecrets/finalizers",
            "secretstores/status",
            "secretstores/finalizers",
            "clustersecretstores/status",
            "clustersecretstores/finalizers",
        ],
        "verbs": ["get", "update", "patch"],
    },
    {
        "apiGroups": ["generators.external-secrets.io"],
        "resources": ["generatorstates"],
        "verbs": [*_READ, "create", "update", "patch", "delete", "deletecollection"],
    },
    {
        "apiGroups": ["generators.external-secrets.io"],
        "resources": [
            "clustergenerators",
            "ecrauthorizationtokens",
            "fakes",
            "passwords",
            "stssessiontokens",
            "uuids",
        ],
        "verbs": _READ,
    },
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        "verbs": [*_READ, "create", "update", "patch", "delete"],
    },
    {
        "apiGroups": [""],
        "resources": ["namespaces", "serviceaccounts", "configmaps"],
        "verbs": _READ,
    },
    # To assume the IAM role of the service account that a store names.
    {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
    {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
)
"""Permissions in the cluster; a test compares them with those of the sandbox's operator."""


class ExternalSecretsOperator(pulumi.ComponentResource):
    """Definitions, permissions and one pod.

    Attributes:
        ready: Resources that an ExternalSecret depends on.
    """

    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        image: str | None,
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the operator.

        Args:
            image: Copy of its image, by digest, where the published one can't be reached.
            depends_on: Resources that its pod depends on.
        """
        super().__init__("previews:platform:ExternalSecretsOperator", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        definitions = [
            apiextensions.CustomResource(
                definition["metadata"]["name"],
                api_version=definition["apiVersion"],
                kind=definition["kind"],
                metadata=meta.v1.ObjectMetaArgs(name=definition["metadata"]["name"]),
                spec=definition["spec"],
                opts=child,
            )
            for definition in read_definitions(pinned().external_secrets.definitions)
        ]
        namespace = core.v1.Namespace(
            f"{name}-namespace",
            metadata=meta.v1.ObjectMetaArgs(name=NAME, labels=_namespace_labels()),
            opts=child,
        )
        in_namespace = pulumi.ResourceOptions(parent=self, depends_on=[namespace, *depends_on])
        account = core.v1.ServiceAccount(
            f"{name}-account",
            metadata=_metadata(),
            automount_service_account_token=False,
            opts=in_namespace,
        )
        permissions = self._allow(name)
        policy = networking.v1.NetworkPolicy(
            f"{name}-network",
            metadata=_metadata(),
            spec=_network(),
            opts=in_namespace,
        )
        deployment = apps.v1.Deployment(
            f"{name}-controller",
            metadata=_metadata(annotations={TIMEOUT: "600"}),
            spec=_deployment(image or _published_image()),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*definitions, account, policy, *permissions]
            ),
        )
        self.ready = [*definitions, deployment]
        self.register_outputs({})

    def _allow(self, name: str) -> list[pulumi.Resource]:
        child = pulumi.ResourceOptions(parent=self)
        role = rbac.v1.ClusterRole(
            f"{name}-role",
            metadata=meta.v1.ObjectMetaArgs(name=NAME, labels=_LABELS),
            rules=[
                rbac.v1.PolicyRuleArgs(
                    api_groups=rule["apiGroups"], resources=rule["resources"], verbs=rule["verbs"]
                )
                for rule in RULES
            ],
            opts=child,
        )
        binding = rbac.v1.ClusterRoleBinding(
            f"{name}-binding",
            metadata=meta.v1.ObjectMetaArgs(name=NAME, labels=_LABELS),
            role_ref=rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=NAME
            ),
            subjects=[rbac.v1.SubjectArgs(kind="ServiceAccount", name=NAME, namespace=NAME)],
            opts=child,
        )
        return [role, binding]


def _published_image() -> str:
    operator = pinned().external_secrets
    if not operator.digest:
        pulumi.log.warn(
            f"{operator.image} is pinned by its tag alone, which its owner can move;"
            " `make versions` pins its digest"
        )
    return operator.reference


def _namespace_labels() -> dict[str, str]:
    return {
        **_LABELS,
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }


def _metadata(annotations: dict[str, str] | None = None) -> meta.v1.ObjectMetaArgs:
    return meta.v1.ObjectMetaArgs(
        name=NAME, namespace=NAME, labels=_LABELS, annotations=annotations
    )


def _network() -> networking.v1.NetworkPolicySpecArgs:
    """Allow nothing in; allow AWS, the Kubernetes API and the name server out."""
    port = networking.v1.NetworkPolicyPortArgs
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=meta.v1.LabelSelectorArgs(),
        policy_types=["Ingress", "Egress"],
        egress=[
            networking.v1.NetworkPolicyEgressRuleArgs(
                ports=[
                    *(port(port=number, protocol="TCP") for number in _WEB_PORTS),
                    port(port=53, protocol="TCP"),
                    port(port=53, protocol="UDP"),
                ]
            )
        ],
    )


def _deployment(image: str) -> apps.v1.DeploymentSpecArgs:
    probe = core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path="/healthz", port=_LIVE_PORT),
        period_seconds=10,
        timeout_seconds=3,
    )
    container = core.v1.ContainerArgs(
        name=NAME,
        image=image,
        image_pull_policy="IfNotPresent",
        args=list(ARGUMENTS),
        ports=[core.v1.ContainerPortArgs(name="live", container_port=_LIVE_PORT, protocol="TCP")],
        liveness_probe=probe,
        readiness_probe=probe,
        resources=core.v1.ResourceRequirementsArgs(
            requests={"cpu": "50m", "memory": "256Mi"}, limits={"cpu": "500m", "memory": "256Mi"}
        ),
        security_context=container_confinement(),
        termination_message_policy="FallbackToLogsOnError",
    )
    return apps.v1.DeploymentSpecArgs(
        # It elects no leader, so two must never work at once.
        replicas=1,
        strategy=apps.v1.DeploymentStrategyArgs(type="Recreate"),
        revision_history_limit=2,
        selector=meta.v1.LabelSelectorArgs(match_labels=_LABELS),
        template=core.v1.PodTemplateSpecArgs(
            metadata=meta.v1.ObjectMetaArgs(labels=_LABELS),
            spec=core.v1.PodSpecArgs(
                service_account_name=NAME,
                # It is a controller, and uses the Kubernetes API.
                automount_service_account_token=True,
                enable_service_links=False,
                node_selector=NODE_SELECTOR,
                tolerations=tolerations(),
                priority_class_name="system-cluster-critical",
                security_context=core.v1.PodSecurityContextArgs(
                    run_as_non_root=True,
                    run_as_user=_USER,
                    run_as_group=_USER,
                    seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
                ),
                containers=[container],
            ),
        ),
    )
