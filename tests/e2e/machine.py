"""The machine of one job: its folder, its programs, and the actions of others that it plays."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.errors import SandboxError
from tests.e2e import images
from tests.e2e.lifecycle import Lifecycle
from tests.e2e.runs import Run
from tests.e2e.world import git

_SKOPEO = f'#!/bin/sh\nexec {sys.executable} -m tests.e2e.images "$@"\n'
# What `scan oci-archive:FILE --output spdx-json=RESULT` and `sbom:FILE …` are asked for.
_SYFT = """#!/bin/sh
tar --list --file="${2#oci-archive:}" index.json > /dev/null && echo '{}' > "${4#spdx-json=}"
"""
_GRYPE = '#!/bin/sh\ntest -s "${1#sbom:}"\n'
_PROGRAMS = {"skopeo": _SKOPEO, "syft": _SYFT, "grype": _GRYPE}

_GIT = threading.Lock()
"""Git changes its list of worktrees one after the other."""

Inputs = Mapping[str, str]
Outputs = dict[str, str] | None
"""Outputs of an action; None if it failed."""


def write_programs(folder: Path) -> None:
    """Write the programs that jobs find on their machine, or get by an action, below a folder."""
    programs = folder / "programs"
    programs.mkdir()
    for name, text in _PROGRAMS.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)


class Machine:
    """A machine that runs one job.

    Attributes:
        folder: The job's workspace.
        programs: Folder of programs, which its PATH begins with.
    """

    def __init__(self, ci: Lifecycle, run: Run, folder: Path, shared: Path) -> None:
        """Start nothing.

        Args:
            ci: The sandbox.
            run: The run that the job is of.
            folder: An empty folder.
            shared: Folder of all jobs, with the programs and the runs' artifacts.
        """
        self.folder = folder
        self.programs = shared / "programs"
        self._ci = ci
        self._run = run
        self._artifacts = shared / f"artifacts-{run.id}"
        self._checkouts: list[Path] = []

    def play(self, uses: str, inputs: Inputs) -> Outputs:
        """Play an action."""
        table: dict[str, Callable[[Inputs], Outputs]] = {
            "actions/checkout": self._check_out,
            "actions/upload-artifact": self._upload,
            "actions/download-artifact": self._download,
            "docker/bake-action": self._bake,
            "anchore/sbom-action/download-syft": lambda _: self._program("syft"),
            "anchore/scan-action/download-grype": lambda _: self._program("grype"),
            "$/.github/actions/attest": self._attest,
            # What a machine has: BuildKit, the registry's password, credentials and commands.
            "docker/setup-buildx-action": lambda _: {},
            "aws-actions/amazon-ecr-login": lambda _: {},
            "$/.github/actions/tools": lambda _: {},
        }
        return table[uses.partition("@")[0]](inputs)

    def end(self) -> None:
        """Remove what was checked out."""
        for folder in self._checkouts:
            with _GIT:
                git(self._ci.world.checkout, "worktree", "remove", "--force", str(folder))

    def _check_out(self, inputs: Inputs) -> Outputs:
        folder = self.folder / inputs.get("path", "")
        # A worktree within another one is removed first.
        self._checkouts.insert(0, folder)
        with _GIT:
            checkout = self._ci.world.checkout
            git(checkout, "worktree", "add", "--quiet", "--detach", str(folder), inputs["ref"])
        return {}

    def _upload(self, inputs: Inputs) -> Outputs:
        source, kept = self.folder / inputs["path"], self._artifacts / inputs["name"]
        assert not kept.exists(), f"GitHub refuses a second artifact {kept.name}"
        if not source.exists():
            return None if inputs.get("if-no-files-found") == "error" else {}
        if source.is_dir():
            shutil.copytree(source, kept)
        else:
            kept.mkdir(parents=True)
            shutil.copy2(source, kept)
        return {"artifact-id": inputs["name"]}

    def _download(self, inputs: Inputs) -> Outputs:
        kept = self._artifacts / inputs["artifact-ids"]
        assert kept != self._artifacts, "GitHub's action would fetch every artifact"
        if not kept.exists():
            return None
        shutil.copytree(kept, self.folder / inputs.get("path", ""), dirs_exist_ok=True)
        return {}

    def _bake(self, inputs: Inputs) -> Outputs:
        settings = self._ci.world.settings
        try:
            images.bake(settings, Path(inputs["files"]), self.folder / inputs["source"])
        except SandboxError:
            return None
        return {}

    def _program(self, name: str) -> Outputs:
        return {"cmd": str(self.programs / name)}

    def _attest(self, inputs: Inputs) -> Outputs:
        assert (self.folder / inputs["sbom"]).is_file()
        self._run.attested.append(inputs)
        return {}
