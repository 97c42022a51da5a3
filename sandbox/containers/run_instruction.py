"""RUN: a command in the image's root on this machine."""

from __future__ import annotations

import shlex
import stat
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.containers.accounts import user_of
from sandbox.containers.context import content_digest
from sandbox.containers.copy_instruction import heredoc_name
from sandbox.containers.copying import CopyItem, LayerWriter, gather
from sandbox.containers.machine import base_image
from sandbox.containers.packages import refuse_packages
from sandbox.containers.run_mounts import RunMount, parse_mount
from sandbox.containers.running import Run, RunFailed, run
from sandbox.containers.runtime import Mount
from sandbox.containers.settings_instructions import command_of
from sandbox.containers.stage import Execute, Task

_SCRIPTS = "/dev/pipes"  # As BuildKit has it.


def run_instruction(task: Task) -> Execute:
    """Prepare RUN.

    Raises:
        ValueError: A flag or mount is wrong or not supported, or the context lacks a file.
        DockerfileError: It needs packages that this machine can't install.
    """
    if (network := task.flag("network")) not in {None, "default", "host"}:
        msg = f"--network={network} is not supported; the machine's network is always there"
        raise ValueError(msg)
    mounts = [parse_mount(task.expand(value)) for value in task.instruction.values("mount")]
    for mount in mounts:
        if mount.kind == "bind":
            if task.context(mount.origin) is not None:
                task.source(mount.origin, [mount.source])[0].select(mount.source)
            else:
                task.find(str(mount.origin))
    argv, script = _command(task)
    is_shell = argv[:-1] == task.state.config.shell
    refuse_packages(task.instruction, script or (argv[-1] if is_shell else shlex.join(argv)))
    return _Running(task, mounts, argv, script).execute


def _command(task: Task) -> tuple[list[str], str | None]:
    """Return the command, and the script that it runs if that is a here-document of its own."""
    documents = task.instruction.heredocs
    shell = task.state.config.shell
    if not documents:
        return command_of(task.instruction, task.state.config), None
    if len(documents) == 1 and heredoc_name(task.instruction.text) == documents[0].name:
        if documents[0].text.startswith("#!"):
            return [f"{_SCRIPTS}/{documents[0].name}"], documents[0].text
        return [*shell, documents[0].text], None
    bodies = "".join(f"\n{document.text}{document.name}" for document in documents)
    return [*shell, f"{task.instruction.text}{bodies}\n"], None


@dataclass(frozen=True)
class _Running:
    task: Task
    mounts: list[RunMount]
    argv: list[str]
    script: str | None

    def execute(self) -> None:
        state = self.task.state
        uid, gid = user_of(self.task.expand(state.config.user) or "0", state.tree, base_image())
        env, workdir = state.variables, state.config.workdir
        command = Run(state.paths, tuple(self.argv), env, workdir, uid, gid)
        bound = [self._bind_identity(mount) for mount in self.mounts]
        described = [repr(mount) for mount in self.mounts]
        inputs = ("RUN", self.argv, sorted(env.items()), workdir, uid, gid, described, bound)
        more = () if self.script is None else (self.script,)
        self.task.step.apply(lambda scratch: self._run(command, scratch), *inputs, *more)

    def _run(self, command: Run, scratch: Path) -> Path:
        shared, upper = self.task.shared, scratch / "upper"
        upper.mkdir()
        with ExitStack() as locks:
            mounted = self._mounted(command, scratch, locks)
            try:
                image = (self.task.state.tree, base_image())
                return run(mounted, upper, image, self._log, shared.interrupt)
            except RunFailed as failure:
                output = "\n".join(f"    {line}" for line in failure.lines)
                raise self.task.instruction.error(
                    f"exited with {failure.code}; its last lines:\n{output or '    (none)'}",
                    "correct the command or its input, and build again",
                ) from failure

    def _mounted(self, command: Run, scratch: Path, locks: ExitStack) -> Run:
        shown, cache = [], self.task.shared.cache
        for number, mount in enumerate(self.mounts):
            target = self.task.state.absolute(mount.target)
            if mount.kind == "tmpfs":
                command = replace(command, tmpfs=(*command.tmpfs, target))
            elif mount.kind == "cache":
                if mount.exclusive:
                    locks.enter_context(cache.mount_lock(mount.name))
                folder = cache.mount(mount.name, mount.owner, mount.mode)
                shown.append(Mount(folder, target, read_only=not mount.writable))
            elif mount.kind == "bind":
                source = self._staged(mount, scratch / f"bind-{number}")
                shown.append(Mount(source, target, read_only=not mount.writable))
        if self.script is not None:
            path = scratch / "script"
            path.write_text(self.script, encoding="utf-8")
            path.chmod(0o755)
            shown.append(Mount(path, self.argv[0]))
        return replace(command, mounts=tuple(shown))

    def _staged(self, mount: RunMount, folder: Path) -> Path:
        """Copy the source of a bind mount: files of the context (not ignored ones) or a stage."""
        source, _ = self.task.source(mount.origin, [mount.source])
        path, entry = source.select(mount.source)[0]
        folder.mkdir()
        # A writable mount of links would let the command change the store.
        links = folder if mount.writable else self.task.shared.store.root
        writer = LayerWriter(folder, self.task.state.tree, owner=None, mode=None, links=links)
        if not stat.S_ISDIR(entry.status.st_mode):
            writer.write("bound", [CopyItem("", entry)])
        else:
            writer.write(
                "bound", [CopyItem("", entry), *(CopyItem(*each) for each in source.below(path))]
            )
        return folder / "bound"

    def _bind_identity(self, mount: RunMount) -> str:
        if mount.kind != "bind":
            return ""
        source, identity = self.task.source(mount.origin, [mount.source])
        if identity:
            return identity
        items = gather(source, [mount.source], into_folder=True)
        return content_digest((item.relative, item.entry) for item in items)

    def _log(self, line: str) -> None:
        self.task.shared.log(f"    {line}")
