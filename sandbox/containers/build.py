"""Build of an image from a Dockerfile, without a container engine.

FROM always means this machine (``machine.py``) or an earlier stage. Each instruction that
changes files adds a layer. Its result is cached by a key of all its inputs, so that an unchanged
Dockerfile with unchanged files gives the same image within milliseconds. Only the stages that
the target needs are built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.containers.cache import BuildCache
from sandbox.containers.context import BuildContext
from sandbox.containers.dockerfile import Dockerfile, Instruction, Stage, parse
from sandbox.containers.file_instructions import FileInstructions
from sandbox.containers.image_config import architecture
from sandbox.containers.machine import fingerprint
from sandbox.containers.running import Interrupt
from sandbox.containers.settings_instructions import SETTINGS, describe
from sandbox.containers.stage import BuildEnvironment, Named, StageState
from sandbox.containers.store import ImageStore, StoredImage
from sandbox.containers.words import expand, split_words
from sandbox.errors import SandboxError


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

    Raises:
        SandboxError: The Dockerfile can't be built; the error has the instruction and its line.
    """
    text, path = _read(dockerfile)
    parsed = parse(text)
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
    with store.collecting_nothing():
        builder = _Builder(parsed, shared, dict(build_args or {}))
        state = builder.build(_target(parsed, target))
        builder.report_unused()
        state.config.labels.update(labels or {})
        return store.get(store.put(state.config.document(), state.layers))


def _read(dockerfile: Path | str) -> tuple[str, Path | None]:
    if isinstance(dockerfile, str):
        return dockerfile, None
    try:
        return dockerfile.read_text(encoding="utf-8"), dockerfile
    except (OSError, UnicodeDecodeError) as error:
        raise SandboxError(
            f"Dockerfile {dockerfile}",
            why=str(error),
            remedy="pass the path of a readable Dockerfile",
        ) from error


def _target(parsed: Dockerfile, target: str | None) -> Stage:
    if target is None:
        return parsed.stages[-1]
    found = _find_stage(parsed.stages, target)
    if found is None:
        names = ", ".join(stage.name or str(stage.index) for stage in parsed.stages)
        raise SandboxError(
            f"build target {target!r}",
            why=f"the Dockerfile has no such stage; it has {names}",
            remedy="choose one of them",
        )
    return found


def _find_stage(stages: tuple[Stage, ...], name: str) -> Stage | None:
    for stage in reversed(stages):
        if name.lower() in {stage.name, str(stage.index)}:
            return stage
    return None


@dataclass
class _Builder:
    parsed: Dockerfile
    shared: BuildEnvironment
    build_args: dict[str, str]
    built: dict[int, StageState] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def build(self, stage: Stage) -> StageState:
        """Build a stage and those that it needs, once."""
        if stage.index not in self.built:
            self.built[stage.index] = self._build(stage)
        return self.built[stage.index]

    def report_unused(self) -> None:
        """Log the build arguments that no stage declares, as other builders do."""
        for name in sorted(self.build_args.keys() - self.used):
            self.shared.log(f"warning: build argument {name}: the Dockerfile has no such ARG")

    def _build(self, stage: Stage) -> StageState:
        state = self._start(stage)
        name = stage.name or f"stage-{stage.index}"
        for number, instruction in enumerate(stage.instructions, 2):
            title = f"[{name} {number}/{len(stage.instructions) + 1}] {_first_line(instruction)}"
            before = len(state.layers)
            try:
                self._carry_out(stage, state, instruction, title)
            except ValueError as error:
                raise instruction.error(str(error), "correct the line") from error
            except OSError as error:
                remedy = "see to what the message names (space, permissions), and build again"
                raise instruction.error(str(error), remedy) from error
            entry = {"created_by": describe(instruction)}
            empty = {} if len(state.layers) > before else {"empty_layer": True}
            state.config.history.append({**entry, **empty})
        return state

    def _start(self, stage: Stage) -> StageState:
        variables = self._globals()
        start = stage.start
        try:
            base = expand(start.text.split()[0], variables, self.parsed.escape)
            platform = expand(start.flag("platform") or "", variables, self.parsed.escape)
        except ValueError as error:
            raise start.error(str(error), "correct the line") from error
        if platform not in {"", _platform()}:
            raise start.error(
                f"--platform={platform} is not this machine's {_platform()}",
                "remove it, or build on a machine of that platform",
            )
        if not base:
            raise start.error("its image has an empty name", "give its ARG a default value")
        earlier = _find_stage(self.parsed.stages[: stage.index], base)
        if earlier is not None:
            return self.build(earlier).continued()
        state = StageState()
        created_by = f"FROM {base} (this machine, {fingerprint()[:12]})"
        state.config.history.append({"created_by": created_by, "empty_layer": True})
        return state

    def _carry_out(
        self, stage: Stage, state: StageState, instruction: Instruction, title: str
    ) -> None:
        def find(name: str) -> Named | None:
            earlier = _find_stage(self.parsed.stages[: stage.index], name)
            return None if earlier is None else Named(f"stage {name}", self.build(earlier))

        escape = self.parsed.escape
        files = FileInstructions(self.shared, state, instruction, title, escape, find)
        match instruction.name:
            case "ARG":
                state.arguments.update(self._arguments(instruction, state.variables))
            case "COPY":
                files.copy()
            case "RUN":
                files.run()
            case "WORKDIR":
                files.workdir()
            case name:
                SETTINGS[name](state.config, instruction, state.variables, escape)

    def _arguments(self, instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
        """Return an ARG's values: build argument, else default, else that of an ARG before FROM."""
        values = {}
        declared = {**_platform_arguments(), **self._globals()}
        for word in split_words(instruction.text, self.parsed.escape):
            name, equals, default = word.partition("=")
            self.used.add(name)
            if name in self.build_args:
                values[name] = self.build_args[name]
            elif equals:
                values[name] = expand(default, {**variables, **values}, self.parsed.escape)
            elif name in declared:
                values[name] = declared[name]
        return values

    def _globals(self) -> dict[str, str]:
        values = _platform_arguments()
        for instruction in self.parsed.arguments:
            for word in split_words(instruction.text, self.parsed.escape):
                name, _, default = word.partition("=")
                self.used.add(name)
                argument = self.build_args.get(name)
                values[name] = (
                    expand(default, values, self.parsed.escape) if argument is None else argument
                )
        return values


def _platform() -> str:
    return f"linux/{architecture()}"


def _platform_arguments() -> dict[str, str]:
    values = {}
    for prefix in ("BUILD", "TARGET"):
        values[f"{prefix}PLATFORM"] = _platform()
        values[f"{prefix}OS"] = "linux"
        values[f"{prefix}ARCH"] = architecture()
        values[f"{prefix}VARIANT"] = ""
    return values


def _first_line(instruction: Instruction) -> str:
    return describe(instruction).splitlines()[0]
