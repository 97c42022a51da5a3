"""COPY, ADD and WORKDIR: files that a build writes into the image."""

from __future__ import annotations

import lzma
import posixpath
import re
import stat
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.containers.accounts import owner_of
from sandbox.containers.context import Entry, IgnoreRules, content_digest
from sandbox.containers.copying import CopyItem, LayerWriter, Owner, Source, gather
from sandbox.containers.dockerfile import Heredoc
from sandbox.containers.machine import base_image
from sandbox.containers.stage import Execute, Task
from sandbox.containers.words import expand, split_words

_OCTAL: Final = re.compile(r"[0-7]{3,4}")
_ROOT: Final = Owner(0, 0)
_URL: Final = re.compile(r"(https?|ftp)://")
_GIT: Final = re.compile(r"(git@|git://|ssh://|https?://\S+\.git(#|$)|github\.com/)")
_UV_INSTALLER: Final = "astral.sh/uv/"


def workdir(task: Task) -> Execute:
    """Prepare WORKDIR: the folder is created if the image has none."""
    path = posixpath.normpath(task.state.absolute(task.expand(task.instruction.text)))
    task.state.config.workdir = path

    def produce(scratch: Path) -> Path:
        folder = _new_layer(scratch)
        tree = task.state.tree
        if not tree.is_folder(tree.resolve(path)):
            _writer(task, folder, _ROOT, None).make_folder(path)
        return folder

    return lambda: task.step.apply(produce, "WORKDIR", path)


@dataclass(frozen=True)
class _Copy:
    """A COPY or ADD whose arguments have been read.

    Attributes:
        target: Absolute path in the image, with the last slash if it has one.
        several: True if the target must be a folder.
        without: What ``--exclude`` leaves out.
    """

    task: Task
    patterns: tuple[str, ...]
    target: str
    several: bool
    mode: int | None
    parents: bool
    without: IgnoreRules
    excluded: tuple[str, ...]

    @property
    def into_folder(self) -> bool:
        """True if files keep their names below the target."""
        last = self.target.rpartition("/")[2]
        if self.several or last in {"", ".", ".."}:
            return True
        tree = self.task.state.tree
        return tree.is_folder(tree.resolve(self.target))

    def owner(self, default: Owner | None) -> Owner | None:
        """Return the owner that ``--chown`` names in the image."""
        text = self.task.flag("chown")
        if text is None:
            return default
        return Owner(*owner_of(text, self.task.state.tree, base_image()))

    def gather(self, source: Source, into: bool) -> list[CopyItem]:
        """Return the selected files."""
        return gather(
            source,
            self.patterns,
            into_folder=into,
            parents=self.parents,
            without=self.without,
        )


def copy(task: Task) -> Execute:
    """Prepare COPY or ADD, from the context, a stage, an image or a here-document.

    Raises:
        ValueError: An argument is wrong or not supported, or the context lacks a file.
    """
    origin = task.flag("from")
    words = task.instruction.json or split_words(task.instruction.text, task.escape)
    *patterns, target = [task.expand(word) for word in words]
    if not patterns:
        msg = "expected at least one source and a target"
        raise ValueError(msg)
    documents = {document.name: document for document in task.instruction.heredocs}
    texts = [documents[name] for word in patterns if (name := heredoc_name(word)) in documents]
    if texts and len(texts) < len(patterns):
        msg = "here-documents and files can't be copied by one instruction"
        raise ValueError(msg)
    excluded = tuple(task.expand(value) for value in task.instruction.values("exclude"))
    request = _Copy(
        task,
        tuple(patterns),
        task.state.absolute(target),
        len(patterns) > 1 or (task.flag("parents") or "false") != "false",
        _mode(task),
        (task.flag("parents") or "false") != "false",
        IgnoreRules("\n".join(excluded)),
        excluded,
    )
    if texts:
        return lambda: _copy_texts(request, texts)
    if task.instruction.name == "ADD":
        _refuse_remote(task, patterns)
    if task.context(origin) is not None:
        request.gather(task.source(origin, patterns)[0], into=True)
    else:
        task.find(str(origin))
    return lambda: _copy_files(request, origin)


def heredoc_name(word: str) -> str:
    """Return the delimiter of a here-document's word such as ``<<-'EOF'``."""
    return word.lstrip("0123456789").removeprefix("<<").removeprefix("-").strip("'\"")


def _refuse_remote(task: Task, patterns: list[str]) -> None:
    for pattern in patterns:
        if _UV_INSTALLER in pattern:
            remedy = "use COPY --from=ghcr.io/astral-sh/uv:latest /uv /uvx /bin/ instead"
            raise task.instruction.error("the sandbox downloads no files for ADD", remedy)
        if _GIT.match(pattern):
            remedy = "check it out beside the Dockerfile (a submodule), or clone it in a RUN"
            raise task.instruction.error("the sandbox fetches no repositories for ADD", remedy)
        if _URL.match(pattern):
            remedy = "download it in a RUN, with its checksum, or keep the file in the repository"
            raise task.instruction.error("the sandbox downloads no files for ADD", remedy)


def _copy_files(request: _Copy, origin: str | None) -> None:
    task = request.task
    source, identity = task.source(origin, request.patterns)
    into = request.into_folder
    owner = request.owner(None if task.context(origin) is None else _ROOT)
    unpacks = task.instruction.name == "ADD"

    def produce(scratch: Path) -> Path:
        folder = _new_layer(scratch)
        items = request.gather(source, into)
        archives = [item for item in items if unpacks and _is_archive(item.entry)]
        writer = _writer(task, folder, owner, request.mode)
        writer.write(request.target, [item for item in items if item not in archives])
        for number, item in enumerate(archives):
            place = scratch / f"archive-{number}"
            kept = _writer(task, folder, request.owner(None), request.mode)
            kept.write(request.target, _unpacked(item.entry.path, place))
        return folder

    content = identity or _digest(request.gather(source, into=into))
    task.step.apply(
        produce,
        "ADD" if unpacks else "COPY",
        request.patterns,
        request.target,
        into,
        repr(owner),
        request.mode,
        identity != "",
        content,
        *((request.parents, request.excluded) if request.parents or request.excluded else ()),
    )


def _is_archive(entry: Entry) -> bool:
    return stat.S_ISREG(entry.status.st_mode) and tarfile.is_tarfile(entry.path)


def _unpacked(archive: Path, folder: Path) -> Iterator[CopyItem]:
    """Unpack an archive, and yield its content, folders before what is in them."""
    folder.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                tar.extract(member, folder, numeric_owner=True, filter="tar")
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        msg = f"{archive.name} can't be unpacked: {error}"
        raise ValueError(msg) from error
    for path in sorted(folder.rglob("*")):
        yield CopyItem(str(path.relative_to(folder)), Entry(path, path.lstat()))


def _copy_texts(request: _Copy, texts: list[Heredoc]) -> None:
    task, into = request.task, request.into_folder
    owner = request.owner(_ROOT)
    contents = {
        document.name: _expand_text(task, document.text) if document.expands else document.text
        for document in texts
    }

    def produce(scratch: Path) -> Path:
        folder = _new_layer(scratch)
        items = []
        for name, text in contents.items():
            path = scratch / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)
            items.append(CopyItem(name if into else "", Entry(path, path.stat())))
        _writer(task, folder, owner, request.mode).write(request.target, items)
        return folder

    task.step.apply(produce, "COPY <<", contents, request.target, into, repr(owner), request.mode)


def _mode(task: Task) -> int | None:
    text = task.flag("chmod")
    if text is None:
        return None
    if not _OCTAL.fullmatch(text):
        msg = f"--chmod={text} is not supported; use an octal number such as 755"
        raise ValueError(msg)
    return int(text, 8)


def _new_layer(scratch: Path) -> Path:
    folder = scratch / "layer"
    folder.mkdir(mode=0o755)
    return folder


def _writer(task: Task, folder: Path, owner: Owner | None, mode: int | None) -> LayerWriter:
    return LayerWriter(
        folder, task.state.tree, owner=owner, mode=mode, links=task.shared.store.root
    )


def _expand_text(task: Task, text: str) -> str:
    # Quotes have no meaning in a here-document.
    quoted = text.replace("'", "\\'").replace('"', '\\"')
    return expand(quoted, task.state.variables)


def _digest(items: list[CopyItem]) -> str:
    return content_digest((item.relative, item.entry) for item in items)
