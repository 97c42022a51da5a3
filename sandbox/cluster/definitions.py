"""The External Secrets Operator's CustomResourceDefinitions, as this cluster serves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHECKSUM = "sandbox.preview/checksum"
"""Annotation by which a definition that is already served is recognised."""

# Kinds without a controller here, or with a provider that the sandbox's build leaves
# out. Whoever applies one is told that there is no such kind, and not left waiting.
_NOT_SERVED = frozenset(
    {
        "ClusterExternalSecret",
        "ClusterPushSecret",
        "PushSecret",
        "ACRAccessToken",
        "CloudsmithAccessToken",
        "GCRAccessToken",
        "GithubAccessToken",
        "Grafana",
        "MFA",
        "QuayAccessToken",
        "SSHKey",
        "VaultDynamicSecret",
        "Webhook",
    }
)


def definitions(folder: Path) -> Iterator[dict[str, Any]]:
    """Each definition in ``folder`` whose kind is served, without what nobody reads.

    Versions that are not served only make the API server keep a second schema of half
    a megabyte. What is left has one version, so there is nothing to convert: a
    conversion webhook, of which the operator would have to run another process, is
    taken out where a definition has one.
    """
    for path in sorted(folder.glob("*.yaml")):
        # The C parser: the schemas are long, and the other one takes ten times as long.
        document: dict[str, Any] = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        if document["spec"]["names"]["kind"] in _NOT_SERVED:
            continue
        yield _prepared(document)


def _prepared(document: dict[str, Any]) -> dict[str, Any]:
    spec = document["spec"]
    served = [version for version in spec["versions"] if version["served"]]
    if len(served) != 1:
        names = ", ".join(version["name"] for version in served) or "none"
        msg = f"{document['metadata']['name']}: expected one served version, found {names}"
        raise ValueError(msg)
    prepared: dict[str, Any] = {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": {"name": document["metadata"]["name"]},
        "spec": {**spec, "versions": served, "conversion": {"strategy": "None"}},
    }
    text = json.dumps(prepared, sort_keys=True)
    prepared["metadata"]["annotations"] = {CHECKSUM: hashlib.sha256(text.encode()).hexdigest()[:16]}
    return prepared
