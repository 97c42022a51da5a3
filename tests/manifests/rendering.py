"""The Kubernetes objects of both stacks, as they go to the API server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.stacks import main
from tests.infra.world import PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

KUBERNETES = "kubernetes:"
_SECRET = "4dabf18193072939515e22adb298388d"


def both() -> list[Deployment]:
    """Stack ``staging`` on an existing cluster, and stack ``pr-42``."""
    staging = deploy("staging", main, config=STAGING_CONFIG)
    preview = deploy("pr-42", main, config=PREVIEW_CONFIG, cloud=Cloud(staging=staging.outputs))
    return [staging, preview]


def objects(deployments: Sequence[Deployment]) -> list[dict[str, Any]]:
    """Every object of these stacks, in the order in which they were declared."""
    return [
        _plain(registration.inputs)
        for deployment in deployments
        for registration in deployment.registrations
        if registration.custom and registration.type.startswith(KUBERNETES)
    ]


def _plain(value: Any) -> Any:
    """A value as JSON has it: on Pulumi's wire every number is a float, and a secret is marked."""
    if isinstance(value, Mapping) and _SECRET in value:
        return _plain(value["value"])
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
