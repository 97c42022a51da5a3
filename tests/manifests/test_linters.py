"""checkov and kube-score find nothing, but for what is excepted with its reason."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.linters import Finding, checkov_findings, kube_score_findings

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

EXCEPTIONS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "exceptions.toml").read_text()
)["exception"]


def find(tool: str, manifests: Path) -> list[Finding]:
    if tool == "kube-score":
        return kube_score_findings(manifests)
    return checkov_findings(manifests.parent)


@pytest.mark.parametrize("tool", ["kube-score", "checkov"])
def test_a_linter_finds_nothing_but_what_is_excepted(tool: str, manifests: Path) -> None:
    excepted = {
        (exception["check"], kind)
        for exception in EXCEPTIONS
        if exception["tool"] == tool
        for kind in exception["kinds"]
    }
    found = find(tool, manifests)
    assert [f for f in found if (f.check, f.kind) not in excepted] == []
    # One that nothing needs any more would hide the next finding.
    assert excepted - {(f.check, f.kind) for f in found} == set()


@pytest.mark.parametrize(
    ("tool", "check"),
    [("kube-score", "container-security-context-privileged"), ("checkov", "CKV_K8S_16")],
)
def test_a_linter_finds_a_privileged_container(
    tool: str, check: str, rendered: list[dict[str, Any]], tmp_path: Path
) -> None:
    broken = copy.deepcopy(rendered)
    deployment = next(o for o in broken if o["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["privileged"] = True
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(broken))
    assert check in {f.check for f in find(tool, file)}


def test_every_exception_has_a_reason() -> None:
    assert EXCEPTIONS
    assert all(len(exception["reason"].split()) > 5 for exception in EXCEPTIONS)
