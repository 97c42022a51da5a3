"""Only a tool of a fitting version counts as found."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.tools.found import find
from sandbox.tools.recipes import EXTERNAL_SECRETS, KUBERNETES, PULUMI
from tests.sandbox.tools.fakes import script


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _say(path: Path, name: str, answer: str) -> None:
    script(path / name, f"print({answer!r})")


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("v3.274.1", True),
        ("v3.280.0", True),
        ("v3.273.9", False),
        ("v4.0.0", False),
        ("what?", False),
    ],
)
def test_pulumi_fits_from_the_built_version_on(path: Path, version: str, fits: bool) -> None:
    _say(path, "pulumi", version)
    _say(path, "pulumi-language-python", "")
    assert (find(PULUMI) is not None) is fits


def test_pulumi_without_its_language_host_does_not_fit(path: Path) -> None:
    _say(path, "pulumi", "v3.274.1")
    assert find(PULUMI) is None


def test_a_program_that_fails_does_not_fit(path: Path) -> None:
    script(path / "pulumi", "print('v3.274.1'); sys.exit(1)")
    _say(path, "pulumi-language-python", "")
    assert find(PULUMI) is None


def test_a_released_kubernetes_is_never_looked_for(path: Path) -> None:
    for name in KUBERNETES.programs:
        _say(path, name, "Kubernetes v1.36.3")
    assert find(KUBERNETES) is None


def test_the_operator_is_never_looked_for(path: Path) -> None:
    _say(path, "external-secrets", "v0.20.4")
    assert find(EXTERNAL_SECRETS) is None
