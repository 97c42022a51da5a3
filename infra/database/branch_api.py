"""The two kinds of objects that request and publish databases in mode ``branch``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_kubernetes import meta

from contract.kubernetes import API_GROUP, API_VERSION, BRANCH_KIND, GENERATION_KIND

if TYPE_CHECKING:
    from collections.abc import Mapping

_API = f"{API_GROUP}/{API_VERSION}"


class StatusResource(pulumi.CustomResource):
    """An object of one of the kinds, whose status is an output.

    The SDK's own ``CustomResource`` has no status among its outputs.

    Attributes:
        metadata: Its metadata, with its ``uid``.
        status: Status that its controller reported.
    """

    metadata: pulumi.Output[Mapping[str, Any]]
    status: pulumi.Output[Mapping[str, Any]]

    def __init__(
        self,
        resource_name: str,
        *,
        kind: str,
        metadata: meta.v1.ObjectMetaArgs,
        spec: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the object.

        Args:
            kind: `BRANCH_KIND` or `GENERATION_KIND`.
            metadata: Metadata of the object.
            spec: Its spec.
        """
        properties = {
            "apiVersion": _API,
            "kind": kind,
            "metadata": metadata,
            "spec": spec,
            "status": None,
        }
        super().__init__(f"kubernetes:{_API}:{kind}", resource_name, properties, opts)


def definition(kind: str, plural: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of a CustomResourceDefinition.

    Args:
        kind: The kind.
        plural: Its name in URLs.
        spec: The schema of its ``spec``.
    """
    return {
        "group": API_GROUP,
        "scope": "Namespaced",
        "names": {
            "kind": kind,
            "plural": plural,
            "singular": kind.lower(),
            "listKind": f"{kind}List",
        },
        "versions": [
            {
                "name": API_VERSION,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "additionalPrinterColumns": _COLUMNS[kind],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {"spec": spec, "status": _STATUS},
                    }
                },
            }
        ],
    }


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}

BRANCH_SPEC: dict[str, Any] = {
    "type": "object",
    "description": "The namespace alone decides the owner and the name of the database.",
    "properties": {
        "servers": {**_TEXT, "description": "The namespace where servers are published."}
    },
}

GENERATION_SPEC: dict[str, Any] = {
    "type": "object",
    "required": [
        *("number", "host", "port", "sslMode", "masterSecret"),
        *("snapshot", "snapshotCreated"),
    ],
    "properties": {
        "number": {**_NUMBER, "minimum": 1, "description": "The highest serves new previews."},
        "host": {**_TEXT, "minLength": 1},
        "port": {**_NUMBER, "minimum": 1, "maximum": 65535},
        "sslMode": _TEXT,
        "masterSecret": {
            **_TEXT,
            "description": "The Secret in the same namespace with the master's login.",
        },
        "snapshot": _TEXT,
        "snapshotCreated": _TEXT,
    },
}

_STATUS: dict[str, Any] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("generation", "host", "database", "snapshot"), _TEXT),
        **dict.fromkeys(("snapshotCreated", "reset"), _TEXT),
        **dict.fromkeys(("port", "branches"), _NUMBER),
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "status"],
                "properties": {
                    **dict.fromkeys(("type", "status", "reason", "message"), _TEXT),
                    "lastTransitionTime": {**_TEXT, "format": "date-time"},
                    "observedGeneration": _NUMBER,
                },
            },
        },
    },
}

_READY = {
    "name": "Ready",
    "type": "string",
    "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
}
_SNAPSHOT_AGE = {"name": "Snapshot", "type": "date", "jsonPath": ".spec.snapshotCreated"}
_COLUMNS: dict[str, list[dict[str, str]]] = {
    BRANCH_KIND: [
        _READY,
        {"name": "Server", "type": "string", "jsonPath": ".status.generation"},
        {"name": "Snapshot", "type": "date", "jsonPath": ".status.snapshotCreated"},
    ],
    GENERATION_KIND: [
        _READY,
        {"name": "Previews", "type": "integer", "jsonPath": ".status.branches"},
        _SNAPSHOT_AGE,
    ],
}
