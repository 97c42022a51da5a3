"""Instructions that change an image's files: WORKDIR, COPY and RUN."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.containers.accounts import owner_of, user_of
from sandbox.containers.context import BuildContext, Entry, content_digest
from sandbox.containers.copying import (
    ContextSource,
    CopyItem,
    ImageSource,
    LayerWriter,
    Owner,
    Source,
    gather,
)
from sandbox.containers.dockerfile import Heredoc, Instruction
from sandbox.containers.machine import base_image
from sandbox.containers.run_mounts import RunMount, parse_mount
from sandbox.containers.running import Run, RunFailed, run
from sandbox.containers.runtime import Mount
from sandbox.containers.settings_instructions import command_of
from sandbox.containers.stage import BuildEnvironment, Named, StageState, Step
from sandbox.containers.words import expand, split_words

_OCTAL = re.compile(r"[0-7]{3,4}")
_ROOT = Owner(0, 0)


@dataclass(frozen=True)
class FileInstructions:
    """Executes an instruction on a stage.

    Attributes:
        find: Returns the stage for a name in ``--from``, or None.
    """

    shared: BuildEnvironment
    state: StageState
    instruction: Instruction
    title: str
    escape: str
    find: Callable[[str], Named | None]

    def workdir(self) -> None:
        """Execute WORKDIR: create the folder if the image has none."""
        path = posixpath.normpath(self.state.absolute(self._expand(self.instruction.text)))
        self.state.config.workdir = path

        def produce(scratch: Path) -> Path:
            folder = scratch / "layer"
            folder.mkdir(mode=0o755)
            tree = self.state.tree
            if not tree.is_folder(tree.resolve(path)):
                self._writer(folder, _ROOT, None).make_folder(path)
            return folder

        self._step().apply(produce, "WORKDIR", path)

    def copy(self) -> None:
        """Execute COPY, from the context, another stage or a here-document."""
        origin = self.instruction.flag("from")
        words = self.instruction.json or split_words(self.instruction.text, self.escape)
        *patterns, target = [self._expand(word) for word in words]
        if not patterns:
            msg = "expected at least one source and a target"
            raise ValueError(msg)
        documents = {document.name: document for document in self.instruction.heredocs}
        texts = [documents[name] for word in patterns if (name := _heredoc_name(word)) in documents]
        if texts and len(texts) < len(patterns):
            msg = "here-documents and files can't be copied by one instruction"
            raise ValueError(msg)
        owner, mode = self._owner(default=None if origin else _ROOT), self._mode()
        into = self._into_folder(target, len(patterns))
        path = self.state.absolute(target)
        if texts:
            self._copy_texts(texts, path, into, owner or _ROOT, mode)
            return
        source, identity = self._source(origin, patterns)
        self._copy_files(patterns, path, into, (source, identity), owner, mode)

    def run(self) -> None:
        """Execute RUN, in the image's root on this machine."""
        if (network := self.instruction.flag("network")) not in {None, "default", "host"}:
            msg = f"--network={network} is not supported; the machine's network is always there"
            raise ValueError(msg)
        tree, config = self.state.tree, self.state.config
        uid, gid = user_of(self._expand(config.user) or "0", tree, base_image())
        mounts = [
            parse_mount(self._expand(value))
            for name, value in self.instruction.flags
            if name == "mount"
        ]
        argv = self._script() or command_of(self.instruction, config)
        env = self.state.variables
        command = Run(self.state.paths, tuple(argv), env, config.workdir, uid, gid)
        bound = [self._bind_identity(mount) for mount in mounts]

        def produce(scratch: Path) -> Path:
            (scratch / "upper").mkdir()
            with ExitStack() as locks:
                mounted = self._mounted(command, mounts, scratch, locks)
                try:
                    image = (tree, base_image())
                    upper = scratch / "upper"
                    return run(mounted, upper, image, self._log, self.shared.interrupt)
                except RunFailed as failure:
                    output = "\n".join(f"    {line}" for line in failure.lines)
                    raise self.instruction.error(
                        f"exited with {failure.code}; its last lines:\n{output or '    (none)'}",
                        "correct the command or its input, and build again",
                    ) from failure

        described = [repr(mount) for mount in mounts]
        self._step().apply(
            produce, "RUN", argv, sorted(env.items()), config.workdir, uid, gid, described, bound
        )

    def _script(self) -> list[str] | None:
        """Return the command of a RUN that is only a here-document; else the shell reads it."""
        documents = self.instruction.heredocs
        if not documents:
            return None
        shell = self.state.config.shell
        if len(documents) == 1 and _heredoc_name(self.instruction.text) == documents[0].name:
            if documents[0].text.startswith("#!"):
                msg = "a here-document with an interpreter line is not supported"
                raise ValueError(msg)
            return [*shell, documents[0].text]
        bodies = "".join(f"\n{document.text}{document.name}" for document in documents)
        return [*shell, f"{self.instruction.text}{bodies}\n"]

    def _mounted(
        self, command: Run, mounts: list[RunMount], scratch: Path, locks: ExitStack
    ) -> Run:
        shown = []
        for number, mount in enumerate(mounts):
            target = self.state.absolute(mount.target)
            if mount.kind == "tmpfs":
                command = replace(command, tmpfs=(*command.tmpfs, target))
            elif mount.kind == "cache":
                if mount.exclusive:
                    locks.enter_context(self.shared.cache.mount_lock(mount.name))
                folder = self.shared.cache.mount(mount.name, mount.owner, mount.mode)
                shown.append(Mount(folder, target, read_only=not mount.writable))
            else:
                source = self._staged(mount, scratch / f"bind-{number}")
                shown.append(Mount(source, target, read_only=not mount.writable))
        return replace(command, mounts=tuple(shown))

    def _staged(self, mount: RunMount, folder: Path) -> Path:
        """Copy the source of a bind mount: files of the context (not ignored ones) or a stage."""
        source, _ = self._source(mount.origin, [mount.source])
        path, entry = source.select(mount.source)[0]
        folder.mkdir()
        # A writable mount of links would let the command change the store.
        links = folder if mount.writable else self.shared.store.root
        writer = LayerWriter(folder, self.state.tree, owner=None, mode=None, links=links)
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
        source, identity = self._source(mount.origin, [mount.source])
        return identity or _digest(gather(source, [mount.source], into_folder=True))

    def _copy_files(
        self,
        patterns: list[str],
        target: str,
        into: bool,
        source: tuple[Source, str],
        owner: Owner | None,
        mode: int | None,
    ) -> None:
        def collect() -> list[CopyItem]:
            return gather(source[0], patterns, into_folder=into)

        def produce(scratch: Path) -> Path:
            folder = scratch / "layer"
            folder.mkdir(mode=0o755)
            self._writer(folder, owner, mode).write(target, collect())
            return folder

        content = source[1] or _digest(collect())
        self._step().apply(
            produce, "COPY", patterns, target, into, repr(owner), mode, source[1] != "", content
        )

    def _copy_texts(
        self,
        texts: list[Heredoc],
        target: str,
        into: bool,
        owner: Owner,
        mode: int | None,
    ) -> None:
        contents = {
            document.name: self._expand_text(document.text) if document.expands else document.text
            for document in texts
        }

        def produce(scratch: Path) -> Path:
            folder = scratch / "layer"
            folder.mkdir(mode=0o755)
            items = []
            for name, text in contents.items():
                path = scratch / name
                path.write_text(text, encoding="utf-8")
                path.chmod(0o644)
                items.append(CopyItem(name if into else "", Entry(path, path.stat())))
            self._writer(folder, owner, mode).write(target, items)
            return folder

        self._step().apply(produce, "COPY <<", contents, target, into, repr(owner), mode)

    def _source(self, origin: str | None, patterns: list[str]) -> tuple[Source, str]:
        """Return the source, and a digest of the selected files ("" if they must be read)."""
        if origin is None:
            return ContextSource(self.shared.context), ""
        context: BuildContext | None = self.shared.named_contexts.get(origin)
        if context is not None:
            return ContextSource(context), ""
        stage = self.find(origin)
        if stage is None:
            msg = f"--from={origin} names no stage; the sandbox can't fetch images"
            raise ValueError(msg)
        return ImageSource(stage.tree, stage.title), stage.digest(patterns)

    def _into_folder(self, target: str, count: int) -> bool:
        if target.endswith("/") or target.rpartition("/")[2] in {".", ".."} or count > 1:
            return True
        tree = self.state.tree
        return tree.is_folder(tree.resolve(self.state.absolute(target)))

    def _owner(self, default: Owner | None) -> Owner | None:
        text = self.instruction.flag("chown")
        if text is None:
            return default
        return Owner(*owner_of(self._expand(text), self.state.tree, base_image()))

    def _mode(self) -> int | None:
        text = self.instruction.flag("chmod")
        if text is None:
            return None
        text = self._expand(text)
        if not _OCTAL.fullmatch(text):
            msg = f"--chmod={text} is not supported; use an octal number such as 755"
            raise ValueError(msg)
        return int(text, 8)

    def _writer(self, folder: Path, owner: Owner | None, mode: int | None) -> LayerWriter:
        return LayerWriter(
            folder, self.state.tree, owner=owner, mode=mode, links=self.shared.store.root
        )

    def _step(self) -> Step:
        return Step(self.shared, self.state, self.title)

    def _log(self, line: str) -> None:
        self.shared.log(f"    {line}")

    def _expand(self, text: str) -> str:
        return expand(text, self.state.variables, self.escape)

    def _expand_text(self, text: str) -> str:
        # Quotes have no meaning in a here-document.
        quoted = text.replace("'", "\\'").replace('"', '\\"')
        return expand(quoted, self.state.variables)


def _heredoc_name(word: str) -> str:
    return word.lstrip("0123456789").removeprefix("<<").removeprefix("-").strip("'\"")


def _digest(items: list[CopyItem]) -> str:
    return content_digest((item.relative, item.entry) for item in items)
