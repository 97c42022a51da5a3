from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contract.preview import HIGHEST, Preview, PreviewNumberError
from contract.stack_name import AppName, StackKind, StackName


class Model(BaseModel):
    preview: Preview


@given(st.integers(min_value=1, max_value=HIGHEST))
def test_a_number_its_text_and_its_stack_are_the_same_preview(number: int) -> None:
    preview = Preview(number)
    assert preview.name == str(preview) == f"pr-{number}"
    assert preview.stack.kind is StackKind.PREVIEW
    assert preview.stack == StackName.parse(preview.name)
    assert Preview.parse(str(number)) == Preview.parse(f"#{number}") == preview
    assert Preview.of_stack(preview.name) == preview


@pytest.mark.parametrize("number", [0, -1, HIGHEST + 1])
def test_a_number_that_no_pull_request_has_is_refused(number: int) -> None:
    with pytest.raises(PreviewNumberError, match=str(number)):
        Preview(number)
    with pytest.raises(ValidationError):
        Model.model_validate({"preview": number})


@pytest.mark.parametrize("text", ["", "0", "042", "-3", "1234567890", "4 2", "٤٢", "##4", "pr-42"])
def test_a_text_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(PreviewNumberError):
        Preview.parse(text)


@pytest.mark.parametrize("stack", ["staging", "data-1", "pr-0", "other", ""])
def test_another_stack_is_no_preview(stack: str) -> None:
    assert Preview.of_stack(stack) is None


def test_previews_are_in_the_order_of_their_numbers() -> None:
    assert sorted([Preview(100), Preview(9)]) == [Preview(9), Preview(100)]


def test_a_model_reads_and_writes_the_number() -> None:
    assert Model(preview=Preview(42)) == Model.model_validate_json('{"preview": 42}')
    assert Model.model_validate({"preview": 42}).model_dump_json() == '{"preview":42}'


def test_two_apps_have_a_preview_each_of_a_pull_request() -> None:
    own, orders = Preview(42), Preview.parse("#42", AppName("orders"))
    assert own != orders
    assert (orders.name, orders.stack.value, str(orders)) == (
        "orders-pr-42",
        "pr-42",
        "orders-pr-42",
    )
    assert Preview.of_resource("orders-pr-42-secrets", "-secrets") == orders
    assert Preview.of_resource("orders-data-1") is None
    assert Preview.of_stack("pr-42", AppName("orders")) == orders == own.of_app(AppName("orders"))


def test_a_model_keeps_the_app_of_a_preview_that_it_is_given() -> None:
    orders = Preview(42, AppName("orders"))
    assert Model(preview=orders).preview == orders
    assert Model(preview=orders).model_dump_json() == '{"preview":42}'
    assert Model.model_json_schema(mode="validation")["properties"]["preview"]
