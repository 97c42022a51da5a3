"""CustomResourceDefinitions of the External Secrets Operator, as this cluster serves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHECKSUM = "sandbox.preview/checksum"
"""Annotation with the checksum of a definition, by which an unchanged one is recognised."""

# Kinds without a controller here, or with a provider that the sandbox's build omits. To apply
# one fails at once ("no matches for kind"), instead of waiting for ever.
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
    """Yield each definition in ``folder`` whose kind is served, with its served version only.

    For a version that is not served, the API server would keep another schema of half a
    megabyte. With one version left there is nothing to convert, so a conversion webhook, which
    would need another process of the operator, is removed.
    """
    for path in sorted(folder.glob("*.yaml")):
        # The C parser is ten times as fast, and the schemas are long.
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
