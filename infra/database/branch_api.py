"""The two kinds of objects by which databases in mode ``branch`` are asked for and offered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_kubernetes import meta

if TYPE_CHECKING:
    from collections.abc import Mapping

# `.internal` is reserved for private use, so that no other project has this group.
GROUP = "previews.internal"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
BRANCH = "DatabaseBranch"
GENERATION = "DatabaseGeneration"


class StatusResource(pulumi.CustomResource):
    """An object of one of the kinds, whose status can be read once it is there.

    The SDK's own ``CustomResource`` has no status among its outputs.

    Attributes:
        metadata: Its metadata, with its ``uid``.
        status: What its controller said of it.
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
            resource_name: Pulumi's name of it.
            kind: `BRANCH` or `GENERATION`.
            metadata: Its metadata.
            spec: What it asks for, or offers.
            opts: Pulumi's options.
        """
        properties = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": metadata,
            "spec": spec,
            "status": None,
        }
        super().__init__(f"kubernetes:{API_VERSION}:{kind}", resource_name, properties, opts)


def definition(kind: str, plural: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a CustomResourceDefinition.

    Args:
        kind: The kind.
        plural: Its name in URLs.
        spec: The schema of its ``spec``.
    """
    return {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {
            "kind": kind,
            "plural": plural,
            "singular": kind.lower(),
            "listKind": f"{kind}List",
        },
        "versions": [
            {
                "name": VERSION,
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
    "description": "Whose database it is, and what it is called, its namespace alone decides.",
    "properties": {"servers": {**_TEXT, "description": "The namespace where servers are offered."}},
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
        "masterSecret": {**_TEXT, "description": "The Secret beside it with the master's login."},
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
    BRANCH: [
        _READY,
        {"name": "Server", "type": "string", "jsonPath": ".status.generation"},
        {"name": "Snapshot", "type": "date", "jsonPath": ".status.snapshotCreated"},
    ],
    GENERATION: [
        _READY,
        {"name": "Previews", "type": "integer", "jsonPath": ".status.branches"},
        _SNAPSHOT_AGE,
    ],
}
