from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sandbox.providers.attachments import (
    NAMES,
    attachments,
    last_ports,
    plugin_version,
    ports_file,
    read_ports,
    write_ports,
)
from sandbox.settings import Settings
from sandbox.system import ProcessIdentity

_PORTS = {"aws": 1001, "docker-build": 1002}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    made = Settings(home=tmp_path / "home")
    write_ports(made, _PORTS, ProcessIdentity.of(os.getpid()))
    return made


def test_every_emulator_attaches_where_no_plugin_is_installed(settings: Settings) -> None:
    assert attachments(settings) == _PORTS
    assert NAMES == ("aws", "docker-build")


def test_before_a_server_was_started_there_are_no_ports(settings: Settings) -> None:
    ports_file(settings).unlink()
    assert read_ports(settings) == {}
    assert last_ports(settings) == {}


def test_a_plugin_of_the_sdks_version_is_used(settings: Settings) -> None:
    plugins = settings.home / "pulumi" / "home" / "plugins"
    (plugins / f"resource-aws-v{plugin_version('aws')}").mkdir(parents=True)
    assert attachments(settings).keys() == {"docker-build"}


def test_a_plugin_of_another_version_is_not_used(settings: Settings) -> None:
    (settings.home / "pulumi" / "home" / "plugins" / "resource-aws-v0.0.1").mkdir(parents=True)
    assert attachments(settings) == _PORTS


def test_a_plugin_on_the_path_is_used_but_for_docker_build(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("aws", "docker-build"):
        (tmp_path / "bin" / f"pulumi-resource-{name}").touch(mode=0o755)
    assert attachments(settings).keys() == {"docker-build"}


def test_the_ports_of_a_server_that_ended_are_not_served_but_remembered(
    settings: Settings,
) -> None:
    write_ports(settings, _PORTS, ProcessIdentity(pid=os.getpid(), created=1.0))
    assert read_ports(settings) == {}
    assert last_ports(settings) == _PORTS


def test_a_file_that_names_a_living_server_and_no_ports_says_nothing(settings: Settings) -> None:
    document = json.loads(ports_file(settings).read_text())
    ports_file(settings).write_text(json.dumps({**document, "ports": []}))
    assert read_ports(settings) == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"ports": []}', json.dumps({"ports": {"a": {}}})]
)
def test_a_damaged_file_says_nothing(settings: Settings, text: str) -> None:
    ports_file(settings).write_text(text)
    assert read_ports(settings) == {}
    assert last_ports(settings) == {}
