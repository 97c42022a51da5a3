"""The pack as the engine sees it, and the check over a stack's state."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pulumi_policy
import pytest
import yaml
from pulumi_policy.proxy import unknown_checking_proxy

from infra.policies import catalogue, pack
from infra.policies.check import main, read_export
from tests.infra.policies.resources import declared
from tests.infra.world import Deployment

FOLDER = Path(pack.__file__).parent
INSTANCE = "aws:rds/instance:Instance"


def exported(deployment: Deployment) -> dict[str, Any]:
    """What `pulumi stack export` would print of a deployment."""
    resources = [
        {
            "urn": r.urn,
            "type": r.type,
            "inputs": r.inputs,
            "outputs": deployment.outputs if r.type == "pulumi:pulumi:Stack" else {},
            **({"deletedWith": r.deleted_with} if r.deleted_with else {}),
        }
        for r in deployment.registrations
    ]
    return {"version": 3, "deployment": {"resources": resources}}


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[object], int]:
    """Runs the check over an export in a file."""

    def check(export: object) -> int:
        file = tmp_path / "export.json"
        file.write_text(json.dumps(export))
        return main([str(file)])

    return check


def test_the_pack_holds_every_rule_that_the_engine_can_be_asked() -> None:
    names = {policy.name for policy in pack.policies()}
    told = {rule.name for rule in catalogue.RULES if rule.in_engine}
    assert names == told | {rule.name for rule in catalogue.STACK_RULES}
    assert {rule.name for rule in catalogue.RULES} - told == {"ingress-goes-first"}


def test_a_policy_of_the_pack_reports_what_its_rule_finds(preview: Deployment) -> None:
    (policy,) = (cast("Any", p) for p in pack.policies() if p.name == "database-encrypted")
    found: list[str] = []
    args = pulumi_policy.ResourceValidationArgs(
        INSTANCE,
        {"storageEncrypted": False},
        "urn:pulumi:pr-42::previews::aws:rds/instance:Instance::instance",
        "instance",
        opts=pulumi_policy.PolicyResourceOptions(
            protect=False,
            ignore_changes=[],
            delete_before_replace=None,
            aliases=[],
            custom_timeouts=pulumi_policy.PolicyCustomTimeouts(0, 0, 0),
            additional_secret_outputs=[],
        ),
        provider=None,
    )

    def report_violation(message: str, urn: str | None = None) -> None:
        assert urn is None
        found.append(message)

    policy.validate(args, report_violation)
    assert found == ["storageEncrypted is not true"]


def test_what_is_not_known_yet_hides_nothing_that_is() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # The engine's sign for it.
    given = {"image": unknown, "env": [{"value": unknown, "name": "A"}, unknown, "b"], "x": 1}
    properties = unknown_checking_proxy(given)
    assert pack.known(properties) == {"env": [{"name": "A"}, "b"], "x": 1}


def test_the_packs_project_file_points_at_the_project_s_environment() -> None:
    options = yaml.safe_load((FOLDER / "PulumiPolicy.yaml").read_text())["runtime"]["options"]
    assert (FOLDER / options["virtualenv"]).resolve() == FOLDER.parents[1] / ".venv"


def test_a_stack_as_it_stands_is_read_whole(preview: Deployment) -> None:
    assert read_export(exported(preview)) == declared(preview)


def test_a_stack_that_breaks_nothing_passes(
    preview: Deployment, checked: Callable[[object], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(exported(preview)) == 0
    assert capsys.readouterr().out == f"{len(preview.registrations)} resources, 0 violations\n"


def test_what_only_the_state_tells_is_found(
    preview: Deployment, checked: Callable[[object], int], capsys: pytest.CaptureFixture[str]
) -> None:
    export = exported(preview)
    for resource in export["deployment"]["resources"]:
        if resource["type"].endswith(":Ingress"):
            resource["deletedWith"] = "urn:pulumi:pr-42::previews::x::namespace"
    assert checked(export) == 1
    assert "ingress-goes-first" in capsys.readouterr().err


@pytest.mark.parametrize("export", ["text", {}, {"deployment": {"resources": []}}])
def test_nothing_to_check_is_no_success(
    export: object, checked: Callable[[object], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(export) == 2
    assert "What to do: " in capsys.readouterr().err


@pytest.mark.parametrize("names", [[], ["missing.json"], ["a", "b"]])
def test_what_is_no_export_is_named(
    names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / name) for name in names]) == 2
    assert "What to do: " in capsys.readouterr().err
