from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.providers.docker_build import folder_of_engine, program_folder


def test_the_engine_is_found_by_where_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert folder_of_engine(address) == Path.cwd()
    assert folder_of_engine(address) is None
    assert folder_of_engine("") is None


def test_the_program_lies_where_the_project_says(tmp_path: Path) -> None:
    (tmp_path / "below/infra").mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").write_text("name: x\nmain: below/infra\n")
    assert program_folder(tmp_path / "below") == tmp_path / "below/infra"
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    assert program_folder(tmp_path) == tmp_path


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"has a Pulumi\.yaml"):
        program_folder(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("{")
    with pytest.raises(SandboxError, match="can't be read"):
        program_folder(tmp_path)
