from __future__ import annotations

import os
from pathlib import Path

import yaml

from sandbox.policies import NEW_PREVIEW, PACK, write_pack
from sandbox.settings import Settings


def test_the_pack_is_the_programs_own_under_a_runtime_that_can_be_started(tmp_path: Path) -> None:
    folder = write_pack(Settings(home=tmp_path))
    told = yaml.safe_load((folder / "PulumiPolicy.yaml").read_text())
    own = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    assert {k: v for k, v in told.items() if k != "runtime"} == {
        k: v for k, v in own.items() if k != "runtime"
    }
    starter = folder / "bin" / f"pulumi-analyzer-policy-{told['runtime']}"
    assert os.access(starter, os.X_OK)
    assert str(PACK) in starter.read_text()
    assert (PACK / "__main__.py").is_file()


def test_the_planned_preview_has_a_name_that_the_program_knows() -> None:
    from infra.stack_name import StackName

    assert StackName.parse(NEW_PREVIEW).value == NEW_PREVIEW
