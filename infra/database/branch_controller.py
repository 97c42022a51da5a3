"""What hands out databases in mode ``branch``: the platform's controller and its namespace.

It alone holds the master passwords of the shared servers, whose Secrets are in its namespace.
In the previews' namespaces it may read two Secrets, by their names, and write what it says of
claims; no preview can start a pod where it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pulumi
from pulumi_kubernetes import apiextensions, apps, core, meta, networking, rbac

from infra.database.branch_api import (
    BRANCH,
    BRANCH_SPEC,
    GENERATION,
    GENERATION_SPEC,
    GROUP,
    definition,
)
from infra.database.database import APP, MIGRATOR
from infra.kubernetes.namespace_scope import Home
from infra.kubernetes.network_rules import port, to_database, to_dns
from infra.kubernetes.pod import (
    HTTP_PORT,
    NAME_LABEL,
    SERVICE_ACCOUNT,
    TIMEOUT,
    Environment,
    container_confinement,
    pod_spec,
    resources,
    scratch_mount,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.config.branches import BranchesConfig
    from infra.config.models import ServiceConfig
    from infra.platform_outputs import PlatformFacts

NAMESPACE = "branches"
_NAME = "branches"
_LABELS = {NAME_LABEL: _NAME}
_GRACE_SECONDS = 60
_HTTPS = 443

BRANCHES = "databasebranches"
GENERATIONS = "databasegenerations"


class BranchController(pulumi.ComponentResource):
    """Definitions of the two kinds, a namespace, its guard rails, and the controller in it."""

    def __init__(
        self,
        name: str,
        *,
        config: BranchesConfig,
        sizes: ServiceConfig,
        platform: PlatformFacts,
        image: pulumi.Input[str],
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare all of it.

        Args:
            name: Pulumi's name of the component.
            config: How databases are handed out.
            sizes: What its pod needs.
            platform: The networks of databases and name server.
            image: The image of the main branch, by digest.
            after: What the cluster must have first.
            opts: Pulumi's options.
        """
        super().__init__("previews:platform:BranchController", name, None, opts)
        definitions = [
            self._definition(kind, plural, spec, after)
            for kind, plural, spec in (
                (BRANCH, BRANCHES, BRANCH_SPEC),
                (GENERATION, GENERATIONS, GENERATION_SPEC),
            )
        ]
        namespace = core.v1.Namespace(
            "branches-namespace",
            metadata=meta.v1.ObjectMetaArgs(
                name=NAMESPACE,
                labels={
                    "app.kubernetes.io/managed-by": "pulumi",
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/enforce-version": "latest",
                },
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )
        home = Home(NAMESPACE, namespace)
        self._rights(home)
        guards = [*self._network(home, platform), *self._accounts(home)]
        self._deployment(home, config, sizes, image, after=[*definitions, *guards])
        self.register_outputs({})

    def _definition(
        self, kind: str, plural: str, spec: dict[str, Any], after: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        return apiextensions.v1.CustomResourceDefinition(
            plural,
            metadata=meta.v1.ObjectMetaArgs(name=f"{plural}.{GROUP}"),
            spec=cast("Any", definition(kind, plural, spec)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )

    def _accounts(self, home: Home) -> list[pulumi.Resource]:
        """The controller's account, and one without rights for the Jobs beside it."""
        return [
            core.v1.ServiceAccount(
                f"{account}-account",
                metadata=home.metadata(account),
                automount_service_account_token=False,
                opts=home.goes_with(self),
            )
            for account in (_NAME, SERVICE_ACCOUNT)
        ]

    def _rights(self, home: Home) -> None:
        subject = rbac.v1.SubjectArgs(kind="ServiceAccount", name=_NAME, namespace=NAMESPACE)
        rbac.v1.ClusterRole(
            "branches-cluster-role",
            metadata=meta.v1.ObjectMetaArgs(name="previews-branches"),
            rules=[_rule(*rule) for rule in CLUSTER_RULES],
            opts=pulumi.ResourceOptions(parent=self),
        )
        rbac.v1.ClusterRoleBinding(
            "branches-cluster-binding",
            metadata=meta.v1.ObjectMetaArgs(name="previews-branches"),
            role_ref=_reference("ClusterRole", "previews-branches"),
            subjects=[subject],
            opts=pulumi.ResourceOptions(parent=self),
        )
        rbac.v1.Role(
            "branches-role",
            metadata=home.metadata(_NAME),
            rules=[_rule(*rule) for rule in OWN_RULES],
            opts=home.goes_with(self),
        )
        rbac.v1.RoleBinding(
            "branches-binding",
            metadata=home.metadata(_NAME),
            role_ref=_reference("Role", _NAME),
            subjects=[subject],
            opts=home.goes_with(self),
        )

    def _network(self, home: Home, platform: PlatformFacts) -> list[pulumi.Resource]:
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
            # Its address is the cluster's affair, and may be outside of every known network.
            "branches-allow-api-server": networking.v1.NetworkPolicySpecArgs(
                pod_selector=controller,
                policy_types=["Egress"],
                egress=[networking.v1.NetworkPolicyEgressRuleArgs(ports=[port(_HTTPS, "TCP")])],
            ),
        }
        return [
            networking.v1.NetworkPolicy(
                rule, metadata=home.metadata(rule), spec=spec, opts=home.goes_with(self)
            )
            for rule, spec in rules.items()
        ]

    def _deployment(
        self,
        home: Home,
        config: BranchesConfig,
        sizes: ServiceConfig,
        image: pulumi.Input[str],
        *,
        after: list[pulumi.Resource],
    ) -> None:
        apps.v1.Deployment(
            "branches-controller",
            metadata=home.metadata(_NAME, labels=_LABELS, annotations={TIMEOUT: "300"}),
            spec=apps.v1.DeploymentSpecArgs(
                replicas=1,
                # Two would only wait for each other: a server has one lock.
                strategy=apps.v1.DeploymentStrategyArgs(type="Recreate"),
                selector=meta.v1.LabelSelectorArgs(match_labels=_LABELS),
                template=core.v1.PodTemplateSpecArgs(
                    metadata=meta.v1.ObjectMetaArgs(labels=_LABELS),
                    spec=pod_spec(
                        _container(config, sizes, image),
                        grace_period_seconds=_GRACE_SECONDS,
                        restart_policy="Always",
                        service_account=_NAME,
                        talks_to_the_cluster=True,
                    ),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )


def _container(
    config: BranchesConfig, sizes: ServiceConfig, image: pulumi.Input[str]
) -> core.v1.ContainerArgs:
    environment = Environment(
        values={
            "BRANCHES_NAMESPACE": NAMESPACE,
            "BRANCHES_APP_CONNECTIONS": str(config.app_connections),
            "BRANCHES_SPARES": str(config.spares),
            "BRANCHES_SPARES_ABOVE_MIB": str(config.spares_above_mib),
            "BRANCHES_PORT": str(HTTP_PORT),
        },
        fields={"BRANCHES_HOST": "status.podIP"},
    )
    return core.v1.ContainerArgs(
        name=_NAME,
        image=image,
        image_pull_policy="IfNotPresent",
        command=["python", "-m", "database.branches"],
        env=environment.as_args(),
        ports=[core.v1.ContainerPortArgs(name="http", container_port=HTTP_PORT, protocol="TCP")],
        resources=resources(sizes),
        security_context=container_confinement(),
        termination_message_policy="FallbackToLogsOnError",
        readiness_probe=_probe("/health/ready", period=2),
        liveness_probe=_probe("/health/live", period=30),
        volume_mounts=[scratch_mount()],
    )


def _probe(path: str, *, period: int) -> core.v1.ProbeArgs:
    return core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path=path, port=HTTP_PORT), period_seconds=period
    )


Rule = tuple[str, "Sequence[str]", "Sequence[str]", "Sequence[str]"]
"""API group, resources, verbs, and the names that they are limited to."""

CLUSTER_RULES: tuple[Rule, ...] = (
    (GROUP, [BRANCHES], ["get", "list", "watch", "patch"], []),
    (GROUP, [f"{BRANCHES}/status"], ["patch"], []),
    ("", ["namespaces"], ["get"], []),
    ("", ["secrets"], ["get"], [MIGRATOR, APP]),
)
OWN_RULES: tuple[Rule, ...] = (
    (GROUP, [GENERATIONS], ["get", "list", "watch", "patch"], []),
    (GROUP, [f"{GENERATIONS}/status"], ["patch"], []),
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
