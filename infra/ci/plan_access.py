"""Access of the two roles for a changed program of the platform, in a cluster that it creates.

The role of ``preview-infra`` is in the group of the role of ``preview``, with the same limits. The
role of ``preview-infra-plan`` executes code that nobody has reviewed, and has no right to write,
not even a request that is only tried (``dryRun``): RBAC would have to permit the write itself. On
such a refusal Pulumi's Kubernetes provider computes the preview from the program's inputs alone
(pulumi-kubernetes, provider.go, `Create` and `Update`).

It reads objects in previews' namespaces by an access policy of EKS, which has no Secret, and in the
cluster namespaces, custom objects and what staging publishes, which hold none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import meta, rbac

from contract.stack_name import PLATFORM_APP, PLATFORM_PROJECT, StackKind
from infra.ci.cluster_access import GROUP, OUTPUTS_RULE, limited_entry, resource_of
from infra.policies.ownership import CUSTOM_OBJECTS, NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

PLANNER = f"{PLATFORM_PROJECT}-planner"
PLANNERS = f"previews:{PLANNER}"
"""Group of the role that only reads."""

_READ = ("get", "list", "watch")


class PlanAccess(pulumi.ComponentResource):
    """Access entries of the roles that compare and deploy a changed program."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str],
        compares: pulumi.Input[str],
        deploys: pulumi.Input[str],
        depends_on: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them.

        Args:
            cluster: Name of the cluster.
            compares: ARN of the role that only reads.
            deploys: ARN of the role that deploys what a person has approved.
            depends_on: The limits of the group that the second one is in.
        """
        super().__init__("previews:platform:PlanAccess", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = rbac.v1.ClusterRole(
            "ci-planner-role",
            metadata=meta.v1.ObjectMetaArgs(name=PLANNER),
            rules=[
                OUTPUTS_RULE,
                *(
                    rbac.v1.PolicyRuleArgs(
                        api_groups=[group], resources=[resource], verbs=list(_READ)
                    )
                    for group, resource in planner_reads()
                ),
            ],
            opts=child,
        )
        binding = rbac.v1.ClusterRoleBinding(
            "ci-planner-binding",
            metadata=meta.v1.ObjectMetaArgs(name=PLANNER),
            role_ref=rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=PLANNER
            ),
            subjects=[
                rbac.v1.SubjectArgs(
                    api_group="rbac.authorization.k8s.io", kind="Group", name=PLANNERS
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role]),
        )
        own = [PLATFORM_APP.glob(StackKind.PREVIEW)]
        limited_entry(
            "ci-preview-infra",
            cluster=cluster,
            role=deploys,
            group=GROUP,
            namespaces=own,
            bounds=depends_on,
            parent=self,
        )
        limited_entry(
            "ci-preview-infra-plan",
            cluster=cluster,
            role=compares,
            group=PLANNERS,
            namespaces=own,
            bounds=[binding],
            parent=self,
        )
        self.register_outputs({})


def planner_reads() -> list[tuple[str, str]]:
    """Return API group and resource of what the planner reads in the whole cluster."""
    return [resource_of(token) for token in sorted({*CUSTOM_OBJECTS, NAMESPACE})]
