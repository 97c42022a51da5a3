from __future__ import annotations

import os
from pathlib import Path

from previews.settings import POLICY_PACK
from sandbox import environment
from sandbox.policies import NEW_PREVIEW
from sandbox.settings import Settings


def test_the_engine_is_given_a_program_that_serves_the_projects_own_pack(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    environment.prepare(settings)
    program = environment.policy_pack(settings)
    assert os.access(program, os.X_OK)
    assert str(POLICY_PACK) in program.read_text()
    assert (POLICY_PACK / "__main__.py").is_file()


def test_the_planned_preview_has_a_name_that_the_program_knows() -> None:
    from contract.stack_name import StackName

    assert StackName.parse(NEW_PREVIEW).value == NEW_PREVIEW
