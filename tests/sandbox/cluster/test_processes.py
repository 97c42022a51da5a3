"""Descriptions of the cluster's processes for the supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.cluster.processes import processes
from sandbox.errors import SandboxError
from sandbox.process import Process
from sandbox.settings import Settings
from sandbox.tools.recipes import EXTERNAL_SECRETS, KUBERNETES


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", cache=tmp_path / "cache", subnet="127.144.0.0/16")


@pytest.fixture
def made(settings: Settings) -> dict[str, Process]:
    """Return the processes, with tools that exist and do nothing."""
    for recipe in (KUBERNETES, EXTERNAL_SECRETS):
        binaries = settings.cache / recipe.folder_name / "bin"
        binaries.mkdir(parents=True)
        for program in recipe.programs:
            (binaries / program).write_text("")
    return {process.name: process for process in processes(settings)}


def test_without_the_tools_there_are_no_processes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match=r"missing: kubernetes .*, external-secrets"):
        processes(settings)


def test_each_comes_after_what_it_needs(made: dict[str, Process]) -> None:
    assert {name: process.depends_on for name, process in made.items()} == {
        "etcd": (),
        "kube-apiserver": ("etcd",),
        "cluster-bootstrap": ("kube-apiserver",),
        "kube-controller-manager": ("kube-apiserver",),
        "kube-scheduler": ("kube-apiserver",),
        "external-secrets": ("cluster-bootstrap",),
        "metrics-server": ("cluster-bootstrap",),
    }
    assert [name for name, process in made.items() if process.oneshot] == ["cluster-bootstrap"]


def test_all_listen_on_the_control_planes_address_and_none_twice(made: dict[str, Process]) -> None:
    listens = [each for process in made.values() for each in process.listens]
    assert {address for address, _ in listens} == {"127.144.0.1"}
    assert len(listens) == len(set(listens)) == 8


def test_none_is_ready_before_it_runs(made: dict[str, Process]) -> None:
    for process in made.values():
        if not process.oneshot:
            assert "no answer on 127.144.0.1" in str(process.ready())


def test_the_operator_asks_the_emulated_aws(made: dict[str, Process], settings: Settings) -> None:
    environment = made["external-secrets"].env
    assert environment["AWS_SECRETSMANAGER_ENDPOINT"] == settings.aws_endpoint
    assert environment["AWS_STS_ENDPOINT"] == settings.aws_endpoint
    assert environment["KUBECONFIG"].endswith("/external-secrets.kubeconfig")


def test_the_bootstrap_is_of_the_same_sandbox(made: dict[str, Process], settings: Settings) -> None:
    environment = made["cluster-bootstrap"].env
    assert environment["SANDBOX_HOME"] == str(settings.home)
    assert environment["SANDBOX_SUBNET"] == "127.144.0.0/16"
