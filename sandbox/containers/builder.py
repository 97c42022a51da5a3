"""The stages of a Dockerfile, checked or built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from sandbox.containers.bases import BaseRefused, Bases
from sandbox.containers.copy_instruction import copy, workdir
from sandbox.containers.dockerfile import Dockerfile, DockerfileError, Instruction, Stage
from sandbox.containers.image_config import architecture
from sandbox.containers.machine import fingerprint
from sandbox.containers.run_instruction import run_instruction
from sandbox.containers.settings_instructions import SETTINGS, describe
from sandbox.containers.stage import (
    BuildEnvironment,
    Execute,
    Named,
    StageState,
    Task,
    start_from,
)
from sandbox.containers.words import expand, split_words

NOTE: Final = "note: "
"""Beginning of the lines about what differs from the real build."""

_T = TypeVar("_T")


def target_of(parsed: Dockerfile, target: str | None) -> Stage:
    """Return the stage to build: that of a name or number, or the last.

    Raises:
        DockerfileError: There is no such stage.
    """
    if target is None:
        return parsed.stages[-1]
    found = _find_stage(parsed.stages, target)
    if found is None:
        names = ", ".join(stage.name or str(stage.index) for stage in parsed.stages)
        raise DockerfileError(
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
class Builder:
    """Builds stages; with a list of ``problems`` it only checks them, and fills that list."""

    parsed: Dockerfile
    shared: BuildEnvironment
    build_args: dict[str, str]
    bases: Bases
    problems: list[DockerfileError] | None = None
    built: dict[int, StageState] = field(default_factory=dict)
    images: dict[str, StageState] = field(default_factory=dict)
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
        state = self._attempt(stage.start, partial(self._start, stage)) or StageState()
        name = stage.name or f"stage-{stage.index}"
        for number, instruction in enumerate(stage.instructions, 2):
            title = f"[{name} {number}/{len(stage.instructions) + 1}] {_first_line(instruction)}"
            before = len(state.layers)
            self._attempt(instruction, partial(self._carry_out, stage, state, instruction, title))
            entry = {"created_by": describe(instruction)}
            empty = {} if len(state.layers) > before else {"empty_layer": True}
            state.config.history.append({**entry, **empty})
        return state

    def _attempt(self, instruction: Instruction, action: Callable[[], _T]) -> _T | None:
        """Call a function; a check records its error instead of raising it."""
        try:
            try:
                return action()
            except BaseRefused as error:
                raise instruction.error(error.why, error.remedy) from error
            except ValueError as error:
                raise instruction.error(str(error), "correct the line") from error
            except OSError as error:
                remedy = "see to what the message names (space, permissions), and build again"
                raise instruction.error(str(error), remedy) from error
        except DockerfileError as error:
            if self.problems is None:
                raise
            self.problems.append(error)
            return None

    def _start(self, stage: Stage) -> StageState:
        variables = self._globals()
        start = stage.start
        base = expand(start.text.split()[0], variables, self.parsed.escape)
        platform = expand(start.flag("platform") or "", variables, self.parsed.escape)
        if platform not in {"", _platform()}:
            raise start.error(
                f"--platform={platform} is not this machine's {_platform()}",
                "remove it, or build on a machine of that platform",
            )
        if not base:
            raise start.error("its image has an empty name", "give its ARG a default value")
        earlier = _find_stage(self.parsed.stages[: stage.index], base)
        return (self._image(base) if earlier is None else self.build(earlier)).continued()

    def _image(self, name: str) -> StageState:
        """Return the state of what stands for an image."""
        if name not in self.images:
            base = self.bases.resolve(name)
            state = StageState()
            state.config.env.update(base.env)
            created_by = f"FROM {name} ({base.title}, machine {fingerprint()[:12]})"
            state.config.history.append({"created_by": created_by, "empty_layer": True})
            if self.problems is None:
                start_from(base, name, self.shared, state)
            elif base.note:
                self.shared.log(f"{NOTE}{base.note}")
            self.images[name] = state
        return self.images[name]

    def _carry_out(
        self, stage: Stage, state: StageState, instruction: Instruction, title: str
    ) -> None:
        execute = self._prepare(stage, state, instruction, title)
        if execute is not None and self.problems is None:
            execute()

    def _prepare(
        self, stage: Stage, state: StageState, instruction: Instruction, title: str
    ) -> Execute | None:
        def find(name: str) -> Named:
            earlier = _find_stage(self.parsed.stages[: stage.index], name)
            if earlier is None:
                return Named(f"image {name}", self._image(name))
            return Named(f"stage {name}", self.build(earlier))

        escape = self.parsed.escape
        task = Task(self.shared, state, instruction, title, escape, find)
        match instruction.name:
            case "ARG":
                state.arguments.update(self._arguments(instruction, state.variables))
            case "ADD" | "COPY":
                return copy(task)
            case "RUN":
                return run_instruction(task)
            case "WORKDIR":
                return workdir(task)
            case name:
                SETTINGS[name](state.config, instruction, state.variables, escape)
        return None

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
