"""Pulumi's own installer, and what is left when it can't download."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.tools import pulumi_installer
from tests.sandbox.tools.fakes import RecordingReport


def _install(tmp_path: Path, report: RecordingReport) -> bool:
    folder = tmp_path / "made"
    folder.mkdir()
    return pulumi_installer.install(folder, tmp_path / "log", report)


def test_what_it_installs_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
import pathlib, sys
binaries = pathlib.Path(sys.argv[1]) / "bin"
binaries.mkdir()
for name in ("pulumi", "pulumi-language-python"):
    (binaries / name).write_text(sys.argv[2])
"""
    monkeypatch.setattr(pulumi_installer, "_PROGRAM", program)
    report = RecordingReport()
    assert _install(tmp_path, report)
    assert (tmp_path / "made" / "bin" / "pulumi").read_text() == "3.274.1"
    assert report.said == []


def test_a_failed_download_leaves_an_empty_folder_and_says_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
import pathlib, sys
(pathlib.Path(sys.argv[1]) / "bin").mkdir()
(pathlib.Path(sys.argv[1]) / "half").write_text("")
sys.exit("no such host")
"""
    monkeypatch.setattr(pulumi_installer, "_PROGRAM", program)
    report = RecordingReport()
    assert not _install(tmp_path, report)
    assert list((tmp_path / "made").iterdir()) == []
    assert "building it instead" in report.said[0]
    assert "no such host" in (tmp_path / "log").read_text()


def test_a_download_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi_installer, "_PROGRAM", "import time; time.sleep(600)")
    monkeypatch.setattr(pulumi_installer, "_DOWNLOAD_SECONDS", 0.2)
    assert not _install(tmp_path, RecordingReport())


def test_the_program_is_python() -> None:
    compile(pulumi_installer._PROGRAM, "installer", "exec")
