"""The namespace of a stack's Kubernetes objects, and their deletion with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import core, meta

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class NamespaceScope:
    """A namespace, with metadata and options of the objects in it.

    Attributes:
        name: Name of the namespace.
        namespace: The namespace itself, None where another stack declares it.
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
        """Return an object's metadata. Names are fixed, so that nothing has to be looked up."""
        return meta.v1.ObjectMetaArgs(
            name=name, namespace=self.name, labels=labels, annotations=annotations
        )

    def deleted_with_namespace(
        self,
        parent: pulumi.Resource,
        *,
        depends_on: Sequence[pulumi.Resource] = (),
    ) -> pulumi.ResourceOptions:
        """Return the options of an object that Kubernetes deletes together with its namespace.

        Not for an Ingress, whose finalizer needs its Service, nor for a Deployment, whose pods
        must end before their database does: those are deleted one by one, in order.

        Args:
            parent: Component that the object belongs to.
            depends_on: Resources that it depends on, besides the namespace.
        """
        if self.namespace is None:
            return pulumi.ResourceOptions(parent=parent, depends_on=[*depends_on])
        return pulumi.ResourceOptions(
            parent=parent,
            depends_on=[self.namespace, *depends_on],
            deleted_with=self.namespace,
        )
