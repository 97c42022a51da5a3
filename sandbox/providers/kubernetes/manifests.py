"""Manifests as inputs: where they are, what is wrong with them, what the cluster made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.errors import SandboxError
from sandbox.providers.kubernetes.api import Object, Ref
from sandbox.providers.schema import Problem
from sandbox.providers.values import Properties, Unknown

_ABSENT: Final = object()
_MANAGED: Final = {"app.kubernetes.io/managed-by": "pulumi"}
# What the API server adds to metadata by itself.
_ITS_OWN_METADATA: Final = frozenset(
    {"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}
)


def location(manifest: Mapping[str, Any]) -> tuple[str | None, str]:
    """Namespace, if one is given, and name; those that are not known yet are like no others."""
    metadata = manifest.get("metadata") or {}
    if isinstance(metadata, Unknown):
        return None, str(metadata)
    return metadata.get("namespace"), str(metadata.get("name"))


def identity(ref: Ref) -> str:
    """Pulumi's id of an object, as the real provider writes it."""
    return str(ref).partition(" ")[2]


def of_import(token: str, identity: str) -> Properties:
    """The least that finds an object of which only type token and id are known.

    Raises:
        SandboxError: When the token is not ``kubernetes:<group>/<version>:<kind>``.
    """
    _, _, rest = token.partition(":")
    api_version, _, kind = rest.partition(":")
    if not kind:
        raise SandboxError(
            token,
            why="it is not written kubernetes:<group>/<version>:<kind>",
            remedy="import it under the type that the SDK gives the kind",
        )
    namespace, _, name = identity.rpartition("/")
    return {
        "apiVersion": api_version.removeprefix("core/"),
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
    }


def problems(inputs: Mapping[str, Any]) -> list[Problem]:
    """What keeps a manifest from being applied, besides what the API server checks itself."""
    found = [
        Problem(key, "is required and must be a string")
        for key in ("apiVersion", "kind")
        if not isinstance(inputs.get(key), str | Unknown)
    ]
    metadata = inputs.get("metadata")
    if isinstance(metadata, Unknown):
        return found
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        reason = (
            "is required: the stand-in gives no random names, since an object whose name "
            "is not in the state yet would be lost if pulumi were killed"
        )
        found.append(Problem("metadata.name", reason))
    elif "generateName" in metadata:
        found.append(Problem("metadata.generateName", "is not known to this stand-in"))
    if inputs.get("status") is not None:
        found.append(Problem("status", "belongs to the cluster and cannot be an input"))
    return found


def to_apply(inputs: Properties) -> Properties:
    """The manifest as it is applied.

    The API server forgets a field manager that holds no field, and with it whose an object
    is; one that is nothing but a name gets the label that the real provider gives all.
    """
    metadata = inputs["metadata"]
    fields = inputs.keys() - {"apiVersion", "kind", "metadata"}
    if fields or metadata.get("labels") or metadata.get("annotations"):
        return inputs
    return {**inputs, "metadata": {**metadata, "labels": _MANAGED}}


def live_inputs(inputs: Properties, outputs: Properties, live: Object) -> Properties:
    """The inputs as the cluster has them now.

    A field that did not change since it was last applied keeps the way in which the
    program wrote it (``0.5`` is not ``500m``); without inputs, on an import, everything is taken
    that a program could have written.
    """
    if inputs:
        merged: Properties = _merge(inputs, outputs, live)
        return merged
    metadata = {k: v for k, v in live["metadata"].items() if k not in _ITS_OWN_METADATA}
    return {**{k: v for k, v in live.items() if k != "status"}, "metadata": metadata}


def _merge(written: Any, applied: Any, live: Any) -> Any:
    if isinstance(written, Mapping) and isinstance(live, Mapping):
        before = applied if isinstance(applied, Mapping) else {}
        merged = {
            key: _merge(value, before.get(key, _ABSENT), live.get(key, _ABSENT))
            for key, value in written.items()
        }
        return {key: value for key, value in merged.items() if value is not _ABSENT}
    if isinstance(written, list) and isinstance(live, list) and len(written) == len(live):
        before_items = applied if isinstance(applied, list) else []
        return [
            _merge(item, before_items[i] if i < len(before_items) else _ABSENT, live[i])
            for i, item in enumerate(written)
        ]
    # A field that the cluster never shows, like stringData, is as it was written.
    unchanged = applied is live or applied == live
    return written if unchanged else live
