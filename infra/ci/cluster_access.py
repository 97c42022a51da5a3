"""Permissions of CI's roles inside a cluster that the program creates.

The platform's role of the environment ``staging`` administers it. That of ``preview`` is limited by
three things, of which each limits what the others can't:

| thing | limits | can't limit |
|---|---|---|
| ClusterRole | which kinds of objects it writes | in which namespaces, by a pattern |
| ValidatingAdmissionPolicies | in which namespaces, and what is in them | what it reads |
| access policy of EKS | in which namespaces it reads, by ``pr-*`` | which kinds it reads there |

Another app's two roles are limited likewise, each to namespaces of its own: ``preview`` to
``orders-pr-<n>``, ``staging`` to ``orders-staging`` and ``orders-branches``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import eks
from pulumi_kubernetes import admissionregistration, meta, rbac

from contract.kubernetes import API_GROUP, GENERATIONS, plural_of
from contract.platform_outputs import CONFIG_MAP
from contract.stack_name import PLATFORM_APP, PLATFORM_PROJECT, StackKind
from infra.ci.admission import GROUPS, TOPICS
from infra.policies.ownership import CUSTOM_OBJECTS, NAMESPACE, OBJECTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from contract.stack_name import AppName
    from infra.ci.admission import Limits

NAME = PLATFORM_APP.deployer
GROUP = f"{GROUPS}{NAME}"
_STAGER = "previews-stager"
_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_VIEW_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
_READ = ("get", "list", "watch")
_CHANGE = ("create", "update", "patch", "delete")
_WRITE = (*_READ, *_CHANGE)

READ_EVERYWHERE: dict[str, tuple[str, ...]] = {
    "networking.k8s.io": ("ingressclasses",),
    # The published servers, which preflight reads in mode branch.
    API_GROUP: (GENERATIONS,),
}
"""Resources that the role reads in the whole cluster, besides namespaces, by API group."""

OUTPUTS_RULE = rbac.v1.PolicyRuleArgs(
    api_groups=[""], resources=["configmaps"], verbs=["get", "list"], resource_names=[CONFIG_MAP]
)
"""Reading what staging publishes for previews, in whatever namespace it is."""


def in_namespaces(pattern: str) -> str:
    """Return the condition on each object that a role writes, in CEL.

    Args:
        pattern: Regular expression of the whole name of a namespace.
    """
    return (
        "(request.resource.resource == 'namespaces' && request.resource.group == ''"
        f" ? request.name : request.namespace).matches('^{pattern}$')"
    )


IS_OF_A_PREVIEW = in_namespaces(PLATFORM_APP.preview_pattern)
"""That condition for previews of the platform's own app."""


class CiAccess(pulumi.ComponentResource):
    """Access entries of the platform's two roles, and the limits of the preview's.

    Attributes:
        bounds: Resources that somebody in the group depends on.
    """

    bounds: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        roles: Mapping[str, pulumi.Input[str]],
        limits: pulumi.Input[Limits],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            cluster: Name of the cluster.
            roles: ARN of the role of each GitHub environment.
            limits: Properties of the platform that objects of CI may refer to.
        """
        super().__init__("previews:platform:CiAccess", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.bounds = [*self._role(), *self._content(limits)]
        administrator = eks.AccessEntry(
            "ci-staging",
            cluster_name=cluster,
            principal_arn=roles["staging"],
            opts=child,
        )
        eks.AccessPolicyAssociation(
            "ci-staging-administers",
            cluster_name=cluster,
            principal_arn=administrator.principal_arn,
            policy_arn=_ADMIN_POLICY,
            access_scope=eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=child,
        )
        limited_entry(
            "ci-preview",
            cluster=cluster,
            role=roles["preview"],
            group=GROUP,
            namespaces=[PLATFORM_APP.glob(StackKind.PREVIEW)],
            bounds=self.bounds,
            parent=self,
        )
        self.register_outputs({})

    def _role(self) -> list[pulumi.Resource]:
        child = pulumi.ResourceOptions(parent=self)
        role = rbac.v1.ClusterRole(
            "ci-preview-role",
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            rules=[
                rbac.v1.PolicyRuleArgs(api_groups=[group], resources=resources, verbs=list(verbs))
                for group, resources, verbs in permissions()
            ]
            + [OUTPUTS_RULE],
            opts=child,
        )
        limited = _limited_group(
            "ci-preview", NAME, NAME, PLATFORM_APP.preview_pattern, _OWN_MESSAGE, parent=self
        )
        return [role, *limited]

    def _content(self, limits: pulumi.Input[Limits]) -> list[pulumi.Resource]:
        """Declare the policies of all of CI's limited roles, one for each topic."""
        known = pulumi.Output.from_input(limits)
        return [
            resource
            for name, topic in TOPICS.items()
            for resource in _enforced_policy(
                f"ci-{name}",
                f"{PLATFORM_PROJECT}-{name}",
                known.apply(lambda found, topic=topic: topic(found).spec()),
                parent=self,
            )
        ]


class AppAccess(pulumi.ComponentResource):
    """Access entries of another app's two roles, each with its limits."""

    def __init__(
        self,
        name: str,
        *,
        app: AppName,
        cluster: pulumi.Input[str],
        roles: Mapping[str, pulumi.Input[str]],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            app: The app.
            cluster: Name of the cluster.
            roles: ARN of the role of each GitHub environment: ``orders-preview``.
            depends_on: The ClusterRole that the groups are bound to, and the policies on content.
        """
        super().__init__("previews:platform:AppAccess", name, None, opts)
        own = f"{app.prefix}staging|{app.branches_namespace}"
        stager = rbac.v1.ClusterRole(
            f"ci-{app}-staging-role",
            metadata=meta.v1.ObjectMetaArgs(name=f"{app.prefix}{_STAGER}"),
            rules=[
                rbac.v1.PolicyRuleArgs(api_groups=[group], resources=resources, verbs=list(verbs))
                for group, resources, verbs in staging_permissions()
            ]
            + [OUTPUTS_RULE],
            opts=pulumi.ResourceOptions(parent=self),
        )
        viewed = {
            "preview": [app.glob(StackKind.PREVIEW)],
            "staging": [f"{app.prefix}staging", app.branches_namespace],
        }
        limits = {
            "preview": (app.deployer, NAME, app.preview_pattern),
            "staging": (f"{app.prefix}{_STAGER}", f"{app.prefix}{_STAGER}", f"({own})"),
        }
        for environment, (named, cluster_role, pattern) in limits.items():
            message = f"CI's role for {app} ({environment}) writes to namespaces {pattern} alone"
            bounds = _limited_group(
                f"ci-{app}-{environment}", named, cluster_role, pattern, message, parent=self
            )
            limited_entry(
                f"ci-{app}-{environment}",
                cluster=cluster,
                role=roles[f"{app.prefix}{environment}"],
                group=f"{GROUPS}{named}",
                namespaces=viewed[environment],
                bounds=[*depends_on, stager, *bounds],
                parent=self,
            )
        self.register_outputs({})


_OWN_MESSAGE = "CI's role for previews writes to namespaces pr-<n> alone"


def _limited_group(
    resource: str,
    name: str,
    cluster_role: str,
    pattern: str,
    message: str,
    *,
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    """Bind the group ``previews:<name>`` to a ClusterRole, and limit its writes to namespaces."""
    child = pulumi.ResourceOptions(parent=parent)
    group = f"{GROUPS}{name}"
    binding = rbac.v1.ClusterRoleBinding(
        f"{resource}-binding",
        metadata=meta.v1.ObjectMetaArgs(name=name),
        role_ref=rbac.v1.RoleRefArgs(
            api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=cluster_role
        ),
        subjects=[
            rbac.v1.SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=group)
        ],
        opts=child,
    )
    enforced = _enforced_policy(
        f"{resource}-namespaces", name, admission_policy(group, pattern, message), parent=parent
    )
    return [binding, *enforced]


def _enforced_policy(
    resource: str,
    name: str,
    spec: pulumi.Input[admissionregistration.v1.ValidatingAdmissionPolicySpecArgs],
    *,
    parent: pulumi.Resource,
) -> list[pulumi.Resource]:
    policy = admissionregistration.v1.ValidatingAdmissionPolicy(
        resource,
        metadata=meta.v1.ObjectMetaArgs(name=name),
        spec=spec,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    enforced = admissionregistration.v1.ValidatingAdmissionPolicyBinding(
        f"{resource}-enforced",
        metadata=meta.v1.ObjectMetaArgs(name=name),
        spec=admissionregistration.v1.ValidatingAdmissionPolicyBindingSpecArgs(
            policy_name=name, validation_actions=["Deny"]
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
    )
    return [policy, enforced]


def limited_entry(
    resource: str,
    *,
    cluster: pulumi.Input[str],
    role: pulumi.Input[str],
    group: str,
    namespaces: Sequence[str],
    bounds: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> None:
    """Let a role in as a member of a group that reads in some namespaces."""
    entry = eks.AccessEntry(
        resource,
        cluster_name=cluster,
        principal_arn=role,
        kubernetes_groups=[group],
        # Nobody is in the group before its limits exist.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*bounds]),
    )
    eks.AccessPolicyAssociation(
        f"{resource}-reads",
        cluster_name=cluster,
        principal_arn=entry.principal_arn,
        policy_arn=_VIEW_POLICY,
        # By the names of namespaces and not by bindings in them: EKS lets a role look for what is
        # gone, also when its namespace is.
        access_scope=eks.AccessPolicyAssociationAccessScopeArgs(
            type="namespace", namespaces=[*namespaces]
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def admission_policy(
    group: str, pattern: str, message: str
) -> admissionregistration.v1.ValidatingAdmissionPolicySpecArgs:
    """Return the policy that limits a group's writes to namespaces.

    Args:
        group: The group.
        pattern: As in `in_namespaces`.
        message: Reason of a refusal.
    """
    return admissionregistration.v1.ValidatingAdmissionPolicySpecArgs(
        failure_policy="Fail",
        match_constraints=admissionregistration.v1.MatchResourcesArgs(
            resource_rules=[
                admissionregistration.v1.NamedRuleWithOperationsArgs(
                    api_groups=["*"],
                    api_versions=["*"],
                    resources=["*/*"],
                    operations=["CREATE", "UPDATE", "DELETE", "CONNECT"],
                )
            ]
        ),
        match_conditions=[
            admissionregistration.v1.MatchConditionArgs(
                name="is-ci", expression=f"'{group}' in request.userInfo.groups"
            )
        ],
        validations=[
            admissionregistration.v1.ValidationArgs(
                expression=in_namespaces(pattern), message=message
            )
        ],
    )


def staging_permissions() -> list[tuple[str, list[str], Sequence[str]]]:
    """Return API group, resources and verbs of each rule of another app's staging role.

    It publishes shared servers. Roles it only reads: who may do what is changed by a person.
    """
    return [
        *permissions(),
        (API_GROUP, [GENERATIONS], _WRITE),
        (
            "rbac.authorization.k8s.io",
            ["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
            _READ,
        ),
    ]


def permissions() -> list[tuple[str, list[str], Sequence[str]]]:
    """Return API group, resources and verbs of each rule of the role, in the whole cluster.

    No access policy of EKS has custom objects, so the role reads those of all namespaces. They
    name Secrets, and hold none.
    """
    return [
        *_rules(OBJECTS, _CHANGE),
        *_rules({*CUSTOM_OBJECTS, NAMESPACE}, _WRITE),
        *((group, list(resources), _READ) for group, resources in READ_EVERYWHERE.items()),
    ]


def _rules(
    tokens: Collection[str], verbs: Sequence[str]
) -> list[tuple[str, list[str], Sequence[str]]]:
    resources: dict[str, list[str]] = {}
    for token in sorted(tokens):
        group, resource = resource_of(token)
        resources.setdefault(group, []).append(resource)
    return [(group, names, verbs) for group, names in resources.items()]


def resource_of(token: str) -> tuple[str, str]:
    """Return API group and resource of a type, such as ``("apps", "deployments")``."""
    _, version, kind = token.split(":")
    group, _, _ = version.rpartition("/")
    return "" if group == "core" else group, plural_of(kind)
