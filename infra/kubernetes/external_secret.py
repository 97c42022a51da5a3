"""Objects of the External Secrets Operator, waited for until what they ask for is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
from pulumi_kubernetes import apiextensions

from infra.kubernetes.pod import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.kubernetes.namespace_scope import Home

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
    home: Home,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> apiextensions.CustomResource:
    """An ExternalSecret.

    Args:
        name: Its name, for Pulumi too.
        spec: What it asks for.
        home: Where it is.
        parent: The component that it belongs to.
        after: What must be there first.
    """
    return apiextensions.CustomResource(
        name,
        api_version=API,
        kind="ExternalSecret",
        metadata=home.metadata(name, annotations=WAIT_UNTIL_READY),
        spec=spec,
        opts=home.goes_with(parent, after=after),
    )
