"""Every `up` is checked by the policies of the command line's own checkout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

import previews
from previews.pulumi.command import CommandResult, PulumiCommand
from previews.pulumi.stacks import Stacks
from previews.pulumi.up import pulumi_up
from previews.settings import PROJECT_ROOT, Settings

PACK = str(PROJECT_ROOT / "infra" / "policies")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The commands of Pulumi that were run, each with success."""
    run: list[Sequence[str]] = []

    def succeed(_: PulumiCommand, arguments: Sequence[str], **options: object) -> CommandResult:
        run.append(arguments)
        return CommandResult(0, "", str(options))

    monkeypatch.setattr(PulumiCommand, "run", succeed)
    return run


def packs(command: Sequence[str]) -> list[str]:
    """The policy packs of a command."""
    return [value for name, value in pairwise(command) if name == "--policy-pack"]


def test_every_up_has_the_policy_pack_of_the_command_lines_own_checkout(
    commands: list[Sequence[str]], tmp_path: Path
) -> None:
    # What a pull request brings with it is not asked: its own pack may allow everything.
    (tmp_path / "infra" / "policies").mkdir(parents=True)
    (tmp_path / "Pulumi.pr-42.yaml").write_text("config: {previews:policyPack: none}\n")
    stacks = Stacks(Settings.read(project=tmp_path))
    stacks.up("data-1")
    pulumi_up(stacks, "pr-42", config={"previews:image": "sha256:0"}, options=["--exclude", "urn"])
    assert [command[0] for command in commands] == ["up", "up"]
    assert [packs(command) for command in commands] == [[PACK], [PACK]]


def test_no_other_place_runs_an_up() -> None:
    folder = Path(previews.__file__).parent
    found = {
        str(file.relative_to(folder))
        for file in folder.rglob("*.py")
        if re.search(r"\[\s*\"up\"", file.read_text())
    }
    assert found == {"pulumi/stacks.py"}


def test_an_empty_variable_does_not_turn_the_pack_off(
    commands: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_POLICY_PACK", "")
    Stacks(Settings.read(project=tmp_path)).up("pr-42")
    assert packs(commands[0]) == [PACK]


def test_a_program_that_serves_the_pack_is_passed_in_its_place(
    commands: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREVIEWS_POLICY_PACK", str(tmp_path / "serve"))
    Stacks(Settings.read(project=tmp_path)).up("pr-42")
    assert packs(commands[0]) == [str(tmp_path / "serve")]
