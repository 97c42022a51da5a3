"""What CI's roles may do inside a cluster that the program makes.

The role of the environment ``staging`` administers it. That of ``preview`` may make a
preview's objects. Kubernetes' roles know no pattern of namespaces, so that they are for
``pr-<n>`` alone is a ValidatingAdmissionPolicy's to say: without it a pull request's program could
put a pod into staging's namespace, next to staging's Secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_aws import eks
from pulumi_kubernetes import admissionregistration, meta, rbac

from infra.policies.ownership import CUSTOM_OBJECTS, NAMESPACE, OBJECTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "previews-deployer"
GROUP = f"previews:{NAME}"
_ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
_WRITE = ("get", "list", "watch", "create", "update", "patch", "delete")
_READ = ("get", "list", "watch")

# What Pulumi looks at to tell whether an object is ready, and why it is not.
_LOOKED_AT: dict[str, tuple[str, ...]] = {
    "": ("endpoints", "events", "persistentvolumeclaims", "pods", "pods/log"),
    "apps": ("replicasets",),
    "discovery.k8s.io": ("endpointslices",),
    "events.k8s.io": ("events",),
    "networking.k8s.io": ("ingressclasses",),
    # Whether there is a template: looked at before a preview in mode branch is begun.
    "previews.internal": ("databasegenerations",),
}

IS_OF_A_PREVIEW = (
    "(request.resource.resource == 'namespaces' && request.resource.group == ''"
    " ? request.name : request.namespace).matches('^pr-[1-9][0-9]{0,8}$')"
)
"""What each object that the role writes has to be, in CEL; the pattern is that of StackName."""


class CiAccess(pulumi.ComponentResource):
    """Access entries of both roles, and the bounds of the preview's."""

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
            name: Pulumi's name of the component.
            cluster: The cluster's name.
            roles: ARN of the role of each of GitHub's environments.
            opts: Pulumi's options; they bring the provider of the cluster.
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
            # Nobody is in the group before its bounds are there.
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
    """Whatever the group writes is in a preview's namespace, or is one."""
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
    """API group, resources and verbs: what a preview may hold, and what tells of it."""
    written: dict[str, list[str]] = {}
    for token in sorted({*OBJECTS, *CUSTOM_OBJECTS, NAMESPACE}):
        group, resource = resource_of(token)
        written.setdefault(group, []).append(resource)
    return [
        *((group, resources, _WRITE) for group, resources in written.items()),
        *((group, list(resources), _READ) for group, resources in _LOOKED_AT.items()),
    ]


def resource_of(token: str) -> tuple[str, str]:
    """API group and resource of a type: ``("apps", "deployments")``."""
    _, version, kind = token.split(":")
    group, _, _ = version.rpartition("/")
    name = kind.lower()
    if name.endswith("y"):
        name = f"{name[:-1]}ies"
    elif name.endswith(("s", "ch")):
        name = f"{name}es"
    else:
        name = f"{name}s"
    return "" if group == "core" else group, name
