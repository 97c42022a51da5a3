"""The guide names for each step the checks that confirm it, which are those of the doctor."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from infra.ci.deploy_role import WORKFLOWS
from previews.doctor.examination import Examination
from previews.doctor.expected import TRUSTED_WORKFLOWS
from previews.doctor.expected import WORKFLOWS as FILES
from previews.lifecycle.triggers import INFRA_LABEL

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "getting-started-aws.md").read_text()
_STEP = re.compile(r"^## (\d+\. .+?)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^Checked by `previews doctor`: (.+)$", re.MULTILINE)
_ROW = re.compile(r"^\| [^`].*\| (`[a-z-]+`) \|$", re.MULTILINE)
_REASON = re.compile(r"^Not checked by `previews doctor`: \w+", re.MULTILINE)


def steps() -> dict[str, list[str]]:
    """Return the names of checks beside each step, in the order of the guide."""
    return {
        title: re.findall(r"`([a-z-]+)`", " ".join([*_LINE.findall(text), *_ROW.findall(text)]))
        for title, text in _STEP.findall(GUIDE)
    }


def names() -> list[str]:
    checks = Examination(
        settings=Mock(),
        github=Mock(),
        account=Mock(),
        aws=Mock(),
        platform=Mock(),
        cluster=Mock(),
        app=Mock(),
    ).checks()
    return [check.name for check in checks]


def test_every_check_has_a_step_and_every_step_its_checks_or_a_reason() -> None:
    found = steps()
    assert [title.partition(".")[0] for title in found] == [str(n + 1) for n in range(len(found))]
    assert [name for checks in found.values() for name in checks] == names()
    without = [title for title, checks in found.items() if not checks]
    assert [
        title for title in without if not _REASON.search(dict(_STEP.findall(GUIDE))[title])
    ] == []


def test_no_two_checks_have_one_name() -> None:
    assert len(set(names())) == len(names())


def test_the_guide_names_every_environment_and_label_that_is_checked() -> None:
    for name in (*TRUSTED_WORKFLOWS, INFRA_LABEL):
        assert f"`{name}`" in GUIDE


@pytest.mark.parametrize("environment", WORKFLOWS)
def test_the_doctor_expects_the_trust_that_the_program_declares(environment: str) -> None:
    assert TRUSTED_WORKFLOWS[environment] == WORKFLOWS[environment]


def test_the_doctor_expects_workflows_that_exist() -> None:
    folder = ROOT / ".github" / "workflows"
    assert [file for file in FILES if not (folder / file).exists()] == []
