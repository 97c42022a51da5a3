"""Objects of the External Secrets Operator, which Pulumi awaits until they are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions

from infra.kubernetes.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.kubernetes.namespace_scope import NamespaceScope

API = "external-secrets.io/v1"

WAIT_UNTIL_READY = {
    "pulumi.com/waitFor": "condition=Ready",
    TIMEOUT: "180",
}
"""Annotations with which Pulumi waits for the condition that the operator sets."""


def external_secret(
    name: str,
    spec: dict[str, object],
    *,
    scope: NamespaceScope,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
) -> apiextensions.CustomResource:
    """Declare an ExternalSecret.

    Args:
        name: Name of the object, and of the resource.
        spec: Its spec.
        scope: Namespace of the object.
        parent: Component that it belongs to.
        depends_on: Resources that it depends on.
    """
    return apiextensions.CustomResource(
        name,
        api_version=API,
        kind="ExternalSecret",
        metadata=scope.metadata(name, annotations=WAIT_UNTIL_READY),
        spec=spec,
        opts=scope.deleted_with_namespace(parent, depends_on=depends_on),
    )
