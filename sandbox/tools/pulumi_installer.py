"""Pulumi's own installer, tried before Pulumi is built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.processes import end_with_parent
from sandbox.tools.progress import Report
from sandbox.tools.recipes import PULUMI

_SILENT_SECONDS = 5
_DOWNLOAD_SECONDS = 300

# In a process of its own: it downloads without a limit of time, and runs a shell script.
_PROGRAM = """
import socket, sys
socket.setdefaulttimeout(float(sys.argv[3]))
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""


def install(folder: Path, log: Path, report: Report) -> bool:
    """Download Pulumi with its Python language host into ``folder``.

    Returns:
        False, leaving the folder empty, where the download host can't be reached.
    """
    report.step("asking Pulumi's installer")
    command = [sys.executable, "-c", _PROGRAM, str(folder), PULUMI.version, str(_SILENT_SECONDS)]
    with log.open("ab") as output:
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_DOWNLOAD_SECONDS,
                check=True,
                preexec_fn=end_with_parent(),
            )
        except (OSError, subprocess.SubprocessError):
            report.say("its own installer can't download it from here; building it instead")
    programs = [folder / "bin" / name for name in PULUMI.programs]
    if all(program.is_file() for program in programs):
        return True
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return False
