"""The definitions of External Secrets' kinds: the published ones, without unused parts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import yaml

from infra.errors import ProgramError

FILE = Path(__file__).with_name("external-secrets.yaml")

KINDS = frozenset(
    {
        "ClusterGenerator",
        "ClusterSecretStore",
        "ECRAuthorizationToken",
        "ExternalSecret",
        "Fake",
        "GeneratorState",
        "Password",
        "STSSessionToken",
        "SecretStore",
        "UUID",
    }
)
"""Kinds that the operator serves. The sandbox runs the same operator with the same kinds."""


def checksum(text: str) -> str:
    """Return a file's checksum, in the form of versions.toml."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_definitions(expected: str) -> list[dict[str, Any]]:
    """Return the pinned definitions.

    Args:
        expected: Checksum in versions.toml.

    Raises:
        ProgramError: The file has another checksum.
    """
    text = FILE.read_text()
    found = checksum(text)
    if found != expected:
        raise ProgramError(
            f"infra/controllers/{FILE.name}",
            why=f"its checksum is {found}, but versions.toml has {expected}",
            remedy="undo the change: git checkout infra/controllers; `make versions` updates both",
        )
    return [cast("dict[str, Any]", each) for each in yaml.load_all(text, yaml.CSafeLoader)]


def prepare(published: dict[str, Any]) -> dict[str, Any] | None:
    """Return the pinned form of a published definition; None for a kind that is not served.

    Only the served version is kept, so that no conversion webhook is needed. Descriptions are
    removed: they are nine tenths of half a megabyte, and nobody reads them in a cluster.
    """
    spec = published["spec"]
    if spec["names"]["kind"] not in KINDS:
        return None
    served = [without_descriptions(version) for version in spec["versions"] if version["served"]]
    return {
        "apiVersion": published["apiVersion"],
        "kind": published["kind"],
        "metadata": {"name": published["metadata"]["name"]},
        "spec": {**spec, "versions": served, "conversion": {"strategy": "None"}},
    }


def without_descriptions(value: Any, *, names: bool = False) -> Any:
    """Return a schema without the descriptions of its fields.

    Args:
        value: Schema, or a part of it.
        names: True where the keys are names of fields, of which one may be ``description``.
    """
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {
            key: without_descriptions(inner, names=key == "properties" and not names)
            for key, inner in fields.items()
            if names or key != "description" or not isinstance(inner, str)
        }
    if isinstance(value, list):
        return [without_descriptions(inner) for inner in cast("list[Any]", value)]
    return value
