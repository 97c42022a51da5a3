"""What a preview reads of staging."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from infra.errors import ProgramError
from infra.platform_outputs import PlatformFacts
from infra.stacks.staging_outputs import checked, read_staging
from tests.infra.world import Cloud, Deployment, deploy

if TYPE_CHECKING:
    from collections.abc import Mapping


def published(staging: Deployment) -> dict[str, Any]:
    return dict(staging.outputs["platform"])


def read(facts: Mapping[str, Any]) -> dict[str, Any]:
    def program() -> None:
        for name, value in read_staging().as_output().items():
            pulumi.export(name, value)

    return deploy("pr-42", program, cloud=Cloud(staging={"platform": dict(facts)})).outputs


def test_a_preview_reads_what_staging_published(staging: Deployment) -> None:
    assert read(published(staging)) == published(staging)


def test_whole_numbers_stay_whole(staging: Deployment) -> None:
    port = read(published(staging))["listener_port"]
    assert (port, type(port)) == (443, int)


def test_staging_may_say_more_than_this_program_knows(staging: Deployment) -> None:
    assert read({**published(staging), "news": 1}) == published(staging)


@pytest.mark.parametrize("name", [field.name for field in fields(PlatformFacts)])
def test_whatever_staging_lacks_is_named(staging: Deployment, name: str) -> None:
    facts = published(staging)
    del facts[name]
    with pytest.raises(ProgramError, match=f"lacks {name}: staging is of an older version"):
        checked(facts)
    with pytest.raises(ProgramError, match=f"lacks {name}:"):
        checked({**facts, name: None})


@pytest.mark.parametrize("value", [None, {}, "text", []])
def test_a_staging_that_was_never_up_is_said(value: object) -> None:
    with pytest.raises(ProgramError, match="never brought up"):
        checked(value)


def test_the_name_works_on_every_backend(staging: Deployment) -> None:
    """A self-managed backend calls its only organization ``organization``."""
    names: list[str] = []

    class Listening(Cloud):
        def new_resource(self, args: Any) -> tuple[str, dict[str, Any]]:
            names.append(args.name)
            return super().new_resource(args)

    def program() -> None:
        read_staging()

    deploy("pr-42", program, cloud=Listening(staging=staging.outputs))
    assert names == ["organization/previews/staging"]
