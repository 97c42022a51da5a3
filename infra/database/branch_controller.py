"""The platform's controller that provides databases in mode ``branch``, and its namespace.

It alone has the master passwords of the shared servers, whose Secrets are in its namespace. In
the previews' namespaces it may read two Secrets, by their names, and write the status of requests;
no preview can start a pod in its namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pulumi
from pulumi_kubernetes import apiextensions, apps, core, meta, networking, rbac

from contract.kubernetes import (
    API_GROUP,
    APP_SECRET,
    BRANCH_KIND,
    BRANCHES,
    GENERATION_KIND,
    GENERATIONS,
    MIGRATOR_SECRET,
)
from infra.database.branch_api import BRANCH_SPEC, GENERATION_SPEC, definition
from infra.kubernetes.namespace_scope import NamespaceScope
from infra.kubernetes.network_rules import port, to_database, to_dns
from infra.kubernetes.pod import (
    NAME_LABEL,
    PLATFORM_PORT,
    SERVICE_ACCOUNT,
    TIMEOUT,
    Environment,
    container_confinement,
    mounts,
    pod_spec,
    resource_requirements,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.stack_name import AppName
    from infra.config.models import ServiceConfig
    from infra.config.platform import BranchesConfig
    from infra.platform_inputs import PlatformInputs

_NAME = "branches"
_LABELS = {NAME_LABEL: _NAME}
_GRACE_SECONDS = 60
_HTTPS = 443


class BranchController(pulumi.ComponentResource):
    """Definitions of the two kinds, a namespace, its guard rails, and the controller in it."""

    def __init__(
        self,
        name: str,
        *,
        app: AppName,
        config: BranchesConfig,
        resources: ServiceConfig,
        platform: PlatformInputs,
        image: pulumi.Input[str],
        extensions: Sequence[str] = (),
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare all of it.

        Args:
            app: App whose previews it serves; the definitions are the platform's alone.
            config: Configuration of the shared servers.
            resources: Resources of its pod.
            platform: Networks of databases and name server.
            image: Image that prepares databases, by digest.
            extensions: Extensions of PostgreSQL that the app needs.
            depends_on: Resources that everything here depends on.
        """
        super().__init__("previews:platform:BranchController", name, None, opts)
        self._app = app
        definitions = self._definitions(depends_on) if app.is_platform else []
        own = app.branches_namespace
        namespace = core.v1.Namespace(
            "branches-namespace",
            metadata=meta.v1.ObjectMetaArgs(
                name=own,
                labels={
                    "app.kubernetes.io/managed-by": "pulumi",
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/enforce-version": "latest",
                },
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]),
        )
        scope = NamespaceScope(own, namespace)
        self._permissions(scope)
        guards = [*self._network(scope, platform), *self._accounts(scope)]
        container = _container(own, config, resources, image, extensions)
        self._deployment(scope, container, depends_on=[*definitions, *guards])
        self.register_outputs({})

    def _definitions(self, depends_on: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        return [
            self._definition(kind, plural, spec, depends_on)
            for kind, plural, spec in (
                (BRANCH_KIND, BRANCHES, BRANCH_SPEC),
                (GENERATION_KIND, GENERATIONS, GENERATION_SPEC),
            )
        ]

    def _definition(
        self, kind: str, plural: str, spec: dict[str, Any], depends_on: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        return apiextensions.v1.CustomResourceDefinition(
            plural,
            metadata=meta.v1.ObjectMetaArgs(name=f"{plural}.{API_GROUP}"),
            spec=cast("Any", definition(kind, plural, spec)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*depends_on]),
        )

    def _accounts(self, scope: NamespaceScope) -> list[pulumi.Resource]:
        """Declare the controller's account, and one without permissions for Jobs."""
        return [
            core.v1.ServiceAccount(
                f"{account}-account",
                metadata=scope.metadata(account),
                automount_service_account_token=False,
                opts=scope.deleted_with_namespace(self),
            )
            for account in (_NAME, SERVICE_ACCOUNT)
        ]

    def _permissions(self, scope: NamespaceScope) -> None:
        subject = rbac.v1.SubjectArgs(
            kind="ServiceAccount", name=_NAME, namespace=self._app.branches_namespace
        )
        cluster_role = self._app.branches_cluster_role
        rbac.v1.ClusterRole(
            "branches-cluster-role",
            metadata=meta.v1.ObjectMetaArgs(name=cluster_role),
            rules=[_rule(*rule) for rule in CLUSTER_RULES],
            opts=pulumi.ResourceOptions(parent=self),
        )
        rbac.v1.ClusterRoleBinding(
            "branches-cluster-binding",
            metadata=meta.v1.ObjectMetaArgs(name=cluster_role),
            role_ref=_reference("ClusterRole", cluster_role),
            subjects=[subject],
            opts=pulumi.ResourceOptions(parent=self),
        )
        rbac.v1.Role(
            "branches-role",
            metadata=scope.metadata(_NAME),
            rules=[_rule(*rule) for rule in OWN_RULES],
            opts=scope.deleted_with_namespace(self),
        )
        rbac.v1.RoleBinding(
            "branches-binding",
            metadata=scope.metadata(_NAME),
            role_ref=_reference("Role", _NAME),
            subjects=[subject],
            opts=scope.deleted_with_namespace(self),
        )

    def _network(self, scope: NamespaceScope, platform: PlatformInputs) -> list[pulumi.Resource]:
        """Out to name server and databases, and the controller to the API server; nothing in."""
        everyone = meta.v1.LabelSelectorArgs()
        controller = meta.v1.LabelSelectorArgs(match_labels=_LABELS)
        rules = {
            "branches-default-deny": networking.v1.NetworkPolicySpecArgs(
                pod_selector=everyone, policy_types=["Ingress", "Egress"]
            ),
            "branches-allow-dns-and-database": networking.v1.NetworkPolicySpecArgs(
                pod_selector=everyone,
                policy_types=["Egress"],
                egress=[to_dns(platform), to_database(platform)],
            ),
            # Its address depends on the cluster, and may be outside of every known network.
            "branches-allow-api-server": networking.v1.NetworkPolicySpecArgs(
                pod_selector=controller,
                policy_types=["Egress"],
                egress=[networking.v1.NetworkPolicyEgressRuleArgs(ports=[port(_HTTPS, "TCP")])],
            ),
        }
        return [
            networking.v1.NetworkPolicy(
                rule,
                metadata=scope.metadata(rule),
                spec=spec,
                opts=scope.deleted_with_namespace(self),
            )
            for rule, spec in rules.items()
        ]

    def _deployment(
        self,
        scope: NamespaceScope,
        container: core.v1.ContainerArgs,
        *,
        depends_on: list[pulumi.Resource],
    ) -> None:
        apps.v1.Deployment(
            "branches-controller",
            metadata=scope.metadata(_NAME, labels=_LABELS, annotations={TIMEOUT: "300"}),
            spec=apps.v1.DeploymentSpecArgs(
                replicas=1,
                # Two would block each other: a server has one lock.
                strategy=apps.v1.DeploymentStrategyArgs(type="Recreate"),
                selector=meta.v1.LabelSelectorArgs(match_labels=_LABELS),
                template=core.v1.PodTemplateSpecArgs(
                    metadata=meta.v1.ObjectMetaArgs(labels=_LABELS),
                    spec=pod_spec(
                        container,
                        grace_period_seconds=_GRACE_SECONDS,
                        restart_policy="Always",
                        service_account=_NAME,
                        uses_the_api=True,
                    ),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=depends_on),
        )


def _container(
    namespace: str,
    config: BranchesConfig,
    resources: ServiceConfig,
    image: pulumi.Input[str],
    extensions: Sequence[str],
) -> core.v1.ContainerArgs:
    environment = Environment(
        values={
            "BRANCHES_NAMESPACE": namespace,
            "BRANCHES_APP_CONNECTIONS": str(config.app_connections),
            "BRANCHES_SPARES": str(config.spares),
            "BRANCHES_SPARES_ABOVE_MIB": str(config.spares_above_mib),
            "BRANCHES_PORT": str(PLATFORM_PORT),
            **({"BRANCHES_EXTENSIONS": ",".join(extensions)} if extensions else {}),
        },
        fields={"BRANCHES_HOST": "status.podIP"},
    )
    return core.v1.ContainerArgs(
        name=_NAME,
        image=image,
        image_pull_policy="IfNotPresent",
        command=["python", "-m", "database.branches"],
        env=environment.as_args(),
        ports=[
            core.v1.ContainerPortArgs(name="http", container_port=PLATFORM_PORT, protocol="TCP")
        ],
        resources=resource_requirements(resources),
        security_context=container_confinement(),
        termination_message_policy="FallbackToLogsOnError",
        readiness_probe=_probe("/health/ready", period=2),
        liveness_probe=_probe("/health/live", period=30),
        volume_mounts=mounts(),
    )


def _probe(path: str, *, period: int) -> core.v1.ProbeArgs:
    return core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path=path, port=PLATFORM_PORT), period_seconds=period
    )


Rule = tuple[str, "Sequence[str]", "Sequence[str]", "Sequence[str]"]
"""API group, resources, verbs, and the names that they are limited to."""

CLUSTER_RULES: tuple[Rule, ...] = (
    (API_GROUP, [BRANCHES], ["get", "list", "watch", "patch"], []),
    (API_GROUP, [f"{BRANCHES}/status"], ["patch"], []),
    ("", ["namespaces"], ["get"], []),
    ("", ["secrets"], ["get"], [MIGRATOR_SECRET, APP_SECRET]),
)
OWN_RULES: tuple[Rule, ...] = (
    (API_GROUP, [GENERATIONS], ["get", "list", "watch", "patch"], []),
    (API_GROUP, [f"{GENERATIONS}/status"], ["patch"], []),
    ("", ["secrets"], ["get"], []),
)


def _rule(
    group: str, kinds: Sequence[str], verbs: Sequence[str], names: Sequence[str]
) -> rbac.v1.PolicyRuleArgs:
    return rbac.v1.PolicyRuleArgs(
        api_groups=[group],
        resources=[*kinds],
        verbs=[*verbs],
        resource_names=[*names] or None,
    )


def _reference(kind: str, name: str) -> rbac.v1.RoleRefArgs:
    return rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind=kind, name=name)
