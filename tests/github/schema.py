"""Answers in the shape that GitHub publishes: what is not given is filled in by its schema."""

from __future__ import annotations

import types
import typing
from datetime import UTC, datetime
from typing import Any, Literal, Union

from pydantic import BaseModel

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_SIMPLE: dict[Any, Any] = {
    str: "",
    int: 0,
    float: 0.0,
    bool: False,
    datetime: _LONG_AGO.isoformat(),
    Any: None,
    type(None): None,
}
_EMPTY: dict[Any, Any] = {list: list, dict: dict}


def answer(model: type[BaseModel], **given: Any) -> dict[str, Any]:
    """A JSON object of a model, valid by GitHub's schema, with ``given`` in it.

    Raises:
        ValidationError: What was given does not fit; a test server must not invent shapes.
    """
    document = _fill(model, given)
    model.model_validate(document)
    return document


def fields(model: type[BaseModel], body: Any) -> dict[str, Any]:
    """The properties that a request's body sets.

    Raises:
        ValidationError: The body is not as GitHub's schema says.
    """
    return model.model_validate(body).model_dump(exclude_unset=True, mode="json")


def _fill(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    document = dict(given)
    for name, field in model.model_fields.items():
        key = field.alias or name
        nested = _model_in(field.annotation)
        if nested is not None and isinstance(document.get(key), dict):
            document[key] = _fill(nested, document[key])
        elif key not in document and field.is_required():
            document[key] = _least(field.annotation)
    return document


def _least(annotation: Any) -> Any:
    """The plainest value of a type."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fill(annotation, {})
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {Union, types.UnionType}:
        return None if types.NoneType in parts else _least(parts[0])
    if origin in _EMPTY:
        return _EMPTY[origin]()
    if origin in {Literal, typing.Annotated}:
        return parts[0] if origin is Literal else _least(parts[0])
    msg = f"no plainest value is known for {annotation}"
    raise TypeError(msg)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The one model that a value may be, if any."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in {Union, types.UnionType, typing.Annotated}:
        found = [_model_in(part) for part in typing.get_args(annotation)]
        return next((model for model in found if model is not None), None)
    return None
