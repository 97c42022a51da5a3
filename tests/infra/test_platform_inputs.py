"""The program's form of the platform has the fields of the contract's, in their types."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

from pydantic import BaseModel

from contract.platform_outputs import PlatformOutputs
from infra import platform_inputs
from infra.platform_inputs import PlatformInputs


def of_the_contract(model: type[BaseModel]) -> dict[str, Any]:
    return {name: spelled(field.annotation) for name, field in model.model_fields.items()}


def spelled(annotation: Any) -> Any:
    if get_args(annotation):
        return f"pulumi.Input[{annotation}]"
    if issubclass(annotation, BaseModel):
        return of_the_contract(annotation)
    return f"pulumi.Input[{annotation.__name__}]"


def of_the_program(model: Any) -> dict[str, Any]:
    return {
        field.name: field.type
        if str(field.type).startswith("pulumi.Input[")
        else of_the_program(getattr(platform_inputs, str(field.type)))
        for field in fields(model)
    }


def test_a_field_of_the_contract_is_one_of_the_program() -> None:
    """A field that is added to contract/platform_outputs.py goes into infra/platform_inputs.py."""
    assert of_the_program(PlatformInputs) == of_the_contract(PlatformOutputs)


def test_the_classes_have_the_names_of_their_counterparts() -> None:
    for name, field in PlatformOutputs.model_fields.items():
        annotation: Any = field.annotation
        if issubclass(annotation, BaseModel):
            (found,) = [f.type for f in fields(PlatformInputs) if f.name == name]
            assert found == annotation.__name__.replace("Outputs", "Inputs")
