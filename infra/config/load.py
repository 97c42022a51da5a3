"""The only user of ``pulumi.Config``: reads a stack's keys into frozen models.

All errors are reported together: each line names the key, the expected value, and the YAML to
paste.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar, cast, get_args, get_origin

import pulumi
import yaml
from pulumi.runtime.config import CONFIG
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from infra.config.app_staging import AppStagingConfig
from infra.config.base import Model
from infra.config.models import PlatformConfig, PreviewConfig
from infra.errors import ProgramError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from contract.stack_name import StackName

_Config = TypeVar("_Config", bound=Model)

NAMESPACE = "previews"
"""Namespace of the keys, in every app's project."""


def load_platform_config(stack: StackName) -> PlatformConfig:
    """Return the configuration of ``staging``.

    Raises:
        ProgramError: A key is missing, unknown or wrong.
    """
    return _load(PlatformConfig, stack)


def load_app_staging_config(stack: StackName) -> AppStagingConfig:
    """Return the configuration of another app's ``staging``.

    Raises:
        ProgramError: A key is missing, unknown or wrong.
    """
    return _load(AppStagingConfig, stack)


def load_preview_config(stack: StackName) -> PreviewConfig:
    """Return the configuration of a ``pr-<n>``.

    Raises:
        ProgramError: A key is unknown or wrong.
    """
    return _load(PreviewConfig, stack)


def _load(model: type[_Config], stack: StackName) -> _Config:
    config = pulumi.Config(NAMESPACE)
    values = {key: _read(config, model, key) for key in _keys_of(config.name)}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = _spelled(error.errors(include_url=False, include_context=False))
        raise _explain(model, stack, config.name, details) from error


def _keys_of(namespace: str) -> list[str]:
    """List the stack's keys in a namespace; `pulumi.Config` can read a key, but list none."""
    prefix = f"{namespace}:"
    return sorted(key.removeprefix(prefix) for key in CONFIG.get() if key.startswith(prefix))


def _read(config: pulumi.Config, model: type[Model], key: str) -> object:
    """Read a key's value, and decode JSON where the model expects more than a scalar."""
    raw = config.get(key)
    field = _field(model, key)
    if raw is None or field is None or not _is_structured(field):
        return raw
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # Also a number of thousands of digits.
        return raw


def _spelled(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Spell paths as in YAML: of a key that is not set, pydantic gives Python's name."""
    for detail in details:
        detail["loc"] = tuple(
            to_camel(part) if isinstance(part, str) and "_" in part else part
            for part in detail["loc"]
        )
    return details


def _explain(
    model: type[Model], stack: StackName, namespace: str, details: list[ErrorDetails]
) -> ProgramError:
    what = f"configuration of stack {stack}"
    complaints = [_complaint(model, namespace, detail) for detail in details]
    why = complaints[0] if len(complaints) == 1 else "\n  - ".join(["", *complaints])
    snippet = _snippet(model, namespace, details)
    if not snippet:
        return ProgramError(what, why=why, remedy=f"remove it from Pulumi.{stack.value}.yaml")
    remedy = f"write this, with your own values, into Pulumi.{stack.value}.yaml:\n{snippet}"
    return ProgramError(what, why=why, remedy=remedy)


def _complaint(model: type[Model], namespace: str, detail: ErrorDetails) -> str:
    """Describe one error: the value that was found, and the expected one."""
    path = [part for part in detail["loc"] if isinstance(part, str)]
    key = f"{namespace}:{'.'.join(str(part) for part in detail['loc'])}"
    if detail["type"] == "extra_forbidden":
        owner = _descend(model, path[:-1])
        known = ", ".join(_names(owner))
        return f"{key} is not a key of this stack; known here are {known}"
    field = _find(model, path)
    expected = "" if field is None else f": expected {field.description}"
    if detail["type"] == "missing":
        return f"{key} is not set{expected}"
    return f"{key} is wrong{expected} ({_lower_first(detail['msg'].removeprefix('Value error, '))})"


def _snippet(model: type[Model], namespace: str, details: list[ErrorDetails]) -> str:
    """Write the YAML to paste; empty when there are only keys to remove."""
    wanted: dict[str, object] = {}
    for detail in details:
        path = [part for part in detail["loc"] if isinstance(part, str)]
        field = _find(model, path)
        if field is None or not field.examples:
            continue
        names = [f"{namespace}:{path[0]}", *path[1:]]
        _put(wanted, names, field.examples[0])
    return yaml.safe_dump({"config": wanted}, sort_keys=False).rstrip() if wanted else ""


def _put(tree: dict[str, object], names: list[str], value: object) -> None:
    for name in names[:-1]:
        tree = cast("dict[str, object]", tree.setdefault(name, {}))
    tree[names[-1]] = value


def _find(model: type[Model], path: list[str]) -> FieldInfo | None:
    if not path:
        return None
    owner = _descend(model, path[:-1])
    return None if owner is None else _field(owner, path[-1])


def _descend(model: type[Model], path: list[str]) -> type[Model] | None:
    """Find the model at a path of keys; None where there is none."""
    current: type[Model] | None = model
    for part in path:
        field = None if current is None else _field(current, part)
        current = None if field is None else _as_model(field.annotation)
    return current


def _as_model(annotation: object) -> type[Model] | None:
    """Find the model that an annotation names, required or optional."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, Model):
            return kind
    return None


def _field(model: type[Model], key: str) -> FieldInfo | None:
    return next((f for f in model.model_fields.values() if f.alias == key), None)


def _names(model: type[Model] | None) -> list[str]:
    return [] if model is None else sorted(str(f.alias) for f in model.model_fields.values())


def _is_structured(field: FieldInfo) -> bool:
    """Return True for a field with an object or a list, which Pulumi keeps as JSON."""
    annotation = cast("object", field.annotation)
    kinds: tuple[object, ...] = (annotation, *get_args(annotation))
    return any(_as_model(kind) is not None or get_origin(kind) in {tuple, dict} for kind in kinds)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
