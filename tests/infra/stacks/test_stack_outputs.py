"""What a preview reads of staging."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from contract.platform_outputs import CONFIG_MAP_KEY, OUTPUTS_VARIABLE, PlatformOutputs
from contract.stack_name import AppName
from infra.errors import ProgramError
from infra.stacks.stack_outputs import checked, read_platform, read_staging
from tests.infra.world import Cloud, Deployment, deploy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIELDS = [
    f"{group}.{name}" if name else group
    for group, field in PlatformOutputs.model_fields.items()
    for name in ["", *getattr(field.annotation, "model_fields", {})]
]


def published(staging: Deployment) -> dict[str, Any]:
    return copy.deepcopy(dict(staging.outputs["platform"]))


def read(platform: Mapping[str, Any]) -> dict[str, Any]:
    def program() -> None:
        for name, value in read_staging().as_output().items():
            pulumi.export(name, value)

    return deploy("pr-42", program, cloud=Cloud(staging={"platform": dict(platform)})).outputs


def test_a_preview_reads_what_staging_published(staging: Deployment) -> None:
    assert read(published(staging)) == published(staging)


def test_what_staging_publishes_is_what_the_lifecycle_reads(staging: Deployment) -> None:
    assert PlatformOutputs.read(published(staging)).model_dump() == published(staging)


def test_whole_numbers_stay_whole(staging: Deployment) -> None:
    port = read(published(staging))["ingress"]["port"]
    assert (port, type(port)) == (443, int)


def test_staging_may_say_more_than_this_program_knows(staging: Deployment) -> None:
    more = published(staging)
    more["cluster"]["news"] = 1
    assert read({**more, "news": 1}) == published(staging)


@pytest.mark.parametrize("name", FIELDS)
def test_whatever_staging_lacks_is_named(staging: Deployment, name: str) -> None:
    platform = published(staging)
    *groups, last = name.split(".")
    holder = platform[groups[0]] if groups else platform
    for broken in ("absent", "null"):
        if broken == "absent":
            del holder[last]
        else:
            holder[last] = None
        with pytest.raises(ProgramError, match=f"lacks {name}: staging is of an older version"):
            checked(platform)


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


def config_map(staging: Deployment) -> dict[str, Any]:
    made = staging.one("kubernetes:core/v1:ConfigMap", "platform-outputs").inputs
    assert made["metadata"]["namespace"] == "staging"
    return dict(json.loads(made["data"][CONFIG_MAP_KEY]))


@pytest.fixture
def handed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the command line hands over."""
    file = tmp_path / "outputs.json"
    monkeypatch.setenv(OUTPUTS_VARIABLE, str(file))
    return file


def test_the_config_map_holds_what_the_outputs_hold(staging: Deployment) -> None:
    assert config_map(staging) == {
        "project": "previews",
        "platform": published(staging),
        "apps": {},
    }


def test_what_is_handed_over_is_read_in_place_of_staging_s_state(
    staging: Deployment, handed: Path
) -> None:
    handed.write_text(json.dumps(config_map(staging)))

    def program() -> None:
        pulumi.export("platform", read_staging().as_output())

    # Without an output of staging's, reading its state would fail.
    assert deploy("pr-42", program, cloud=Cloud()).outputs["platform"] == published(staging)


def test_an_app_s_staging_gets_its_boundaries_from_it(staging: Deployment, handed: Path) -> None:
    boundaries = {"preview": "arn:preview", "data": "arn:data"}
    handed.write_text(json.dumps({**config_map(staging), "apps": {"orders": boundaries}}))

    def program() -> None:
        for name in ("orders", "billing"):
            _, found = read_platform("previews", AppName(name))
            pulumi.export(name, {"preview": found.preview, "data": found.data})

    outputs = deploy("staging", program, cloud=Cloud(), project="orders").outputs
    assert outputs == {"orders": boundaries, "billing": {"preview": "", "data": ""}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "it can't be read"),
        ("[]", "it can't be read"),
        ('{"project": "orders", "platform": {}}', "it is of project orders, not previews"),
    ],
)
def test_a_file_of_somebody_else_is_refused(handed: Path, text: str | None, why: str) -> None:
    if text is not None:
        handed.write_text(text)
    with pytest.raises(ProgramError, match=f"{OUTPUTS_VARIABLE}=.*{why}"):
        deploy("pr-42", lambda: read_staging() and None, cloud=Cloud())
