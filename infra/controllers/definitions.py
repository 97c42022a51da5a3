"""The definitions of External Secrets' kinds: the published ones, less what nobody here reads."""

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
"""What the operator serves here. The sandbox runs the same operator with the same kinds."""


def checksum(text: str) -> str:
    """A file's checksum, as versions.toml has it."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_definitions(expected: str) -> list[dict[str, Any]]:
    """The pinned definitions.

    Args:
        expected: Their checksum in versions.toml.

    Raises:
        ProgramError: They are others than those that were pinned.
    """
    text = FILE.read_text()
    found = checksum(text)
    if found != expected:
        raise ProgramError(
            f"infra/controllers/{FILE.name}",
            why=f"its checksum is {found}, but versions.toml has {expected}",
            remedy="take back what changed it: git checkout infra/controllers;"
            " `make versions` is what updates both",
        )
    return [cast("dict[str, Any]", each) for each in yaml.load_all(text, yaml.CSafeLoader)]


def prepare(published: dict[str, Any]) -> dict[str, Any] | None:
    """A published definition as it is pinned; None for a kind that is not served.

    Of its versions the served one stays, so there is nothing to convert and no webhook for it.
    Descriptions go: they are nine tenths of half a megabyte, and nobody reads them in a cluster.
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
    """A schema without what its fields mean.

    Args:
        value: The schema, or a part of it.
        names: Whether the keys are fields' names, of which one may be ``description``.
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
