"""Build of an image from a Dockerfile, without a container engine.

FROM means an earlier stage or what stands for an image here (``bases.py``). Each instruction that
changes files adds a layer. Its result is cached by a key of all its inputs, so that an unchanged
Dockerfile with unchanged files gives the same image within milliseconds. Only the stages that
the target needs are built. Each instruction has two halves: the first reads its arguments and
refuses what can't be honoured, the second changes files. The first halves of all run before any
second one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from typing_extensions import override

from sandbox.containers.bases import Base, Bases
from sandbox.containers.builder import Builder, target_of
from sandbox.containers.cache import BuildCache
from sandbox.containers.context import BuildContext
from sandbox.containers.dockerfile import Dockerfile, DockerfileError, read
from sandbox.containers.engine import Request, find_engine
from sandbox.containers.running import Interrupt
from sandbox.containers.stage import BuildEnvironment
from sandbox.containers.store import ImageStore, StoredImage
from sandbox.errors import SandboxError

OWN: Final = "own"
"""Builder: the sandbox itself."""


def build(
    dockerfile: Path | str,
    context: Path,
    *,
    store: ImageStore,
    build_args: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    target: str | None = None,
    named_contexts: Mapping[str, Path] | None = None,
    cache: BuildCache | None = None,
    use_cache: bool = True,
    log: Callable[[str], None] = lambda _: None,
    interrupt: Interrupt | None = None,
    builder: str = OWN,
) -> StoredImage:
    """Build an image and put it into the store.

    Args:
        dockerfile: The file, or its text.
        context: Folder that COPY copies from, without what its ``.dockerignore`` excludes.
        store: Store that receives the image.
        build_args: Values for the Dockerfile's ARGs.
        labels: Labels added to the image's.
        target: Name or number of the stage to build, None for the last.
        named_contexts: Further folders for ``--from``.
        cache: Cache of results; by default the store's own.
        use_cache: False ignores earlier results; results of this build are cached in any case.
        log: Called with each line of progress.
        interrupt: Set by another thread to end the build early.
        builder: The sandbox itself (``OWN``), an engine's name, or ``auto``: an engine that works
            here, or else the sandbox.

    Raises:
        SandboxError: The Dockerfile can't be built; the error has the instruction and its line.
    """
    text, path = _read(dockerfile)
    shared = BuildEnvironment(
        store=store,
        cache=cache or store.cache,
        context=BuildContext(context, path),
        named_contexts={
            name: BuildContext(folder) for name, folder in (named_contexts or {}).items()
        },
        use_cache=use_cache,
        log=log,
        interrupt=interrupt or Interrupt(),
    )
    arguments = dict(build_args or {})
    if builder != OWN and path is not None and not named_contexts:
        engine = find_engine(builder, _images(text, shared, arguments, target), log)
        if engine is not None:
            request = Request(path, context, target, arguments, labels or {})
            return engine.build(request, store, log, shared.interrupt)
    bases = Bases(context, log)
    parsed, problems = _checked(text, shared, arguments, target, bases)
    if problems:
        raise _together(problems)
    with store.collecting_nothing():
        stages = Builder(parsed, shared, arguments, bases)
        state = stages.build(target_of(parsed, target))
        stages.report_unused()
        state.config.labels.update(labels or {})
        return store.get(store.put(state.config.document(), state.layers))


def check_dockerfile(
    folder: Path,
    dockerfile: Path,
    target: str | None = None,
    args: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda _: None,
    builder: str = OWN,
) -> list[DockerfileError]:
    """Return all that a build in the sandbox would refuse, with lines and remedies.

    Nothing is built. Another Python or Node.js than the machine's is downloaded into the tools'
    cache, since only that shows whether it can be had.

    Args:
        folder: The build's context.
        dockerfile: The file.
        target: Name or number of the stage to build, None for the last.
        args: Values for the Dockerfile's ARGs.
        log: Called with what differs from the real build, and with downloads.
        builder: As for ``build``; an engine that works here is left to find problems itself.
    """
    try:
        text, path = _read(dockerfile)
        context = BuildContext(folder, path)
    except SandboxError as error:
        return [DockerfileError(error.what, why=error.why, remedy=error.remedy)]
    # Neither is written to by a check.
    store = ImageStore(folder / ".image-store")
    shared = BuildEnvironment(store, store.cache, context, {}, False, log, Interrupt())
    arguments = dict(args or {})
    if builder != OWN:
        try:
            if find_engine(builder, _images(text, shared, arguments, target), log):
                return []
        except SandboxError as error:
            return [DockerfileError(error.what, why=error.why, remedy=error.remedy)]
    return _checked(text, shared, arguments, target, Bases(folder, log))[1]


def _checked(
    text: str,
    shared: BuildEnvironment,
    arguments: dict[str, str],
    target: str | None,
    bases: Bases,
) -> tuple[Dockerfile, list[DockerfileError]]:
    parsed, problems = read(text)
    if parsed.stages:
        checker = Builder(parsed, shared, arguments, bases, problems)
        try:
            checker.build(target_of(parsed, target))
        except DockerfileError as error:
            problems.append(error)
    return parsed, sorted(problems, key=lambda problem: problem.line)


class _Names(Bases):
    """Bases that only note which images are named."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.names: set[str] = set()

    @override
    def resolve(self, name: str) -> Base:
        self.names |= {name} - {"scratch"}
        return Base(name)


def _images(
    text: str, shared: BuildEnvironment, arguments: dict[str, str], target: str | None
) -> list[str]:
    """Return the images that a build needs."""
    names = _Names()
    _checked(text, shared, arguments, target, names)
    return sorted(names.names)


def _together(problems: list[DockerfileError]) -> DockerfileError:
    if len(problems) == 1:
        return problems[0]
    why = "".join(f"\n{number}. {problem}" for number, problem in enumerate(problems, 1))
    remedy = "see to each of them; nothing was built"
    return DockerfileError(f"{len(problems)} problems of the Dockerfile", why=why, remedy=remedy)


def _read(dockerfile: Path | str) -> tuple[str, Path | None]:
    if isinstance(dockerfile, str):
        return dockerfile, None
    try:
        return dockerfile.read_text(encoding="utf-8-sig"), dockerfile
    except (OSError, UnicodeDecodeError) as error:
        raise SandboxError(
            f"Dockerfile {dockerfile}",
            why=str(error),
            remedy="pass the path of a readable Dockerfile",
        ) from error
