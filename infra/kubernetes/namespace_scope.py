"""Where a stack's Kubernetes objects live, and how they come and go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core, meta

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Home:
    """A namespace, and what is said of every object in it.

    Attributes:
        name: The namespace's name.
        namespace: The namespace itself, None where another stack holds it.
    """

    name: pulumi.Input[str]
    namespace: core.v1.Namespace | None

    def metadata(
        self,
        name: pulumi.Input[str],
        *,
        labels: Mapping[str, str] | None = None,
        annotations: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
    ) -> meta.v1.ObjectMetaArgs:
        """An object's metadata. Names are given, so that nothing has to be looked up."""
        return meta.v1.ObjectMetaArgs(
            name=name, namespace=self.name, labels=labels, annotations=annotations
        )

    def goes_with(
        self,
        parent: pulumi.Resource,
        *,
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.ResourceOptions:
        """Options of an object that Kubernetes deletes together with its namespace.

        Not for an Ingress, whose finalizer needs its Service, nor for a Deployment, whose pods
        are to end before their database does: those are deleted one by one, in order.

        Args:
            parent: The component that the object belongs to.
            after: What must be there first, besides the namespace.
        """
        if self.namespace is None:
            return pulumi.ResourceOptions(parent=parent, depends_on=[*after])
        return pulumi.ResourceOptions(
            parent=parent,
            depends_on=[self.namespace, *after],
            deleted_with=self.namespace,
        )
