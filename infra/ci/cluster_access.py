"""Permissions of CI's roles inside a cluster that the program creates.

The role of the environment ``staging`` administers it. That of ``preview`` may create a preview's
objects. RBAC can't match namespace patterns; a ValidatingAdmissionPolicy limits the role to
``pr-<n>``: without it a pull request's program could put a pod into staging's namespace, next to
staging's Secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import eks
from pulumi_kubernetes import admissionregistration, meta, rbac

from contract.kubernetes import API_GROUP, GENERATIONS, plural_of
from contract.stack_name import PLATFORM_APP
from infra.policies.ownership import CUSTOM_OBJECTS, NAMESPACE, OBJECTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "previews-deployer"
GROUP = f"previews:{NAME}"
_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_WRITE = ("get", "list", "watch", "create", "update", "patch", "delete")
_READ = ("get", "list", "watch")

READ_KINDS: dict[str, tuple[str, ...]] = {
    "": ("endpoints", "events", "persistentvolumeclaims", "pods", "pods/log"),
    "apps": ("replicasets",),
    "discovery.k8s.io": ("endpointslices",),
    "events.k8s.io": ("events",),
    "networking.k8s.io": ("ingressclasses",),
    # The published servers, which preflight reads in mode branch.
    API_GROUP: (GENERATIONS,),
}
"""Resources that the role reads besides those that it writes, by API group.

Pulumi reads them to find out whether an object is ready, and why it is not; preflight and the
diagnosis of `previews` read some too. A further kind that they read needs a row here: a test
compares the two.
"""

IS_OF_A_PREVIEW = (
    "(request.resource.resource == 'namespaces' && request.resource.group == ''"
    f" ? request.name : request.namespace).matches('^{PLATFORM_APP.preview_pattern}$')"
)
"""Condition on each object that the role writes, in CEL."""


class CiAccess(pulumi.ComponentResource):
    """Access entries of both roles, and the limits of the preview's."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        roles: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            cluster: Name of the cluster.
            roles: ARN of the role of each GitHub environment.
        """
        super().__init__("previews:platform:CiAccess", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bounds = self._bounds()
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
        eks.AccessEntry(
            "ci-preview",
            cluster_name=cluster,
            principal_arn=roles["preview"],
            kubernetes_groups=[GROUP],
            # Nobody is in the group before its limits exist.
            opts=pulumi.ResourceOptions(parent=self, depends_on=bounds),
        )
        self.register_outputs({})

    def _bounds(self) -> list[pulumi.Resource]:
        child = pulumi.ResourceOptions(parent=self)
        role = rbac.v1.ClusterRole(
            "ci-preview-role",
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            rules=[
                rbac.v1.PolicyRuleArgs(api_groups=[group], resources=resources, verbs=list(verbs))
                for group, resources, verbs in permissions()
            ],
            opts=child,
        )
        binding = rbac.v1.ClusterRoleBinding(
            "ci-preview-binding",
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            role_ref=rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=NAME
            ),
            subjects=[
                rbac.v1.SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=GROUP)
            ],
            opts=child,
        )
        policy = admissionregistration.v1.ValidatingAdmissionPolicy(
            "ci-preview-namespaces",
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            spec=admission_policy(),
            opts=child,
        )
        enforced = admissionregistration.v1.ValidatingAdmissionPolicyBinding(
            "ci-preview-namespaces-enforced",
            metadata=meta.v1.ObjectMetaArgs(name=NAME),
            spec=admissionregistration.v1.ValidatingAdmissionPolicyBindingSpecArgs(
                policy_name=NAME, validation_actions=["Deny"]
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        return [role, binding, policy, enforced]


def admission_policy() -> admissionregistration.v1.ValidatingAdmissionPolicySpecArgs:
    """Return the policy that limits the group's writes to namespaces of previews."""
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
                name="is-ci", expression=f"'{GROUP}' in request.userInfo.groups"
            )
        ],
        validations=[
            admissionregistration.v1.ValidationArgs(
                expression=IS_OF_A_PREVIEW,
                message="CI's role for previews writes to namespaces pr-<n> alone",
            )
        ],
    )


def permissions() -> list[tuple[str, list[str], Sequence[str]]]:
    """Return API group, resources and verbs of each rule of the role."""
    written: dict[str, list[str]] = {}
    for token in sorted({*OBJECTS, *CUSTOM_OBJECTS, NAMESPACE}):
        group, resource = resource_of(token)
        written.setdefault(group, []).append(resource)
    return [
        *((group, resources, _WRITE) for group, resources in written.items()),
        *((group, list(resources), _READ) for group, resources in READ_KINDS.items()),
    ]


def resource_of(token: str) -> tuple[str, str]:
    """Return API group and resource of a type, such as ``("apps", "deployments")``."""
    _, version, kind = token.split(":")
    group, _, _ = version.rpartition("/")
    return "" if group == "core" else group, plural_of(kind)
