"""State of a stage of a Dockerfile during a build."""

from __future__ import annotations

import copy
import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sandbox.containers.bases import Base
from sandbox.containers.cache import BuildCache, Result
from sandbox.containers.context import BuildContext
from sandbox.containers.copying import ContextSource, ImageSource, Source
from sandbox.containers.dockerfile import Instruction
from sandbox.containers.image_config import ImageConfig
from sandbox.containers.layers import Layer, is_empty
from sandbox.containers.machine import base_image, fingerprint
from sandbox.containers.running import Interrupt
from sandbox.containers.store import ImageStore
from sandbox.containers.tree import ImageTree
from sandbox.containers.words import expand


@dataclass(frozen=True)
class BuildEnvironment:
    """Environment that all stages of a build share.

    Attributes:
        store: Store of the layers.
        cache: Results of earlier builds.
        context: Files for COPY.
        named_contexts: Further folders for ``--from``.
        use_cache: False ignores results of earlier builds.
        log: Called with each line of progress.
        interrupt: Event that ends the build early.
    """

    store: ImageStore
    cache: BuildCache
    context: BuildContext
    named_contexts: Mapping[str, BuildContext]
    use_cache: bool
    log: Callable[[str], None]
    interrupt: Interrupt


@dataclass
class StageState:
    """Result of the instructions so far: layers from bottom to top, settings, arguments."""

    layers: list[Layer] = field(default_factory=list)
    config: ImageConfig = field(default_factory=ImageConfig)
    arguments: dict[str, str] = field(default_factory=dict)

    def continued(self) -> StageState:
        """Return the initial state of a stage that is built FROM this one."""
        config = copy.deepcopy(self.config)
        config.cmd_is_inherited = config.cmd is not None
        return StageState(list(self.layers), config, {})

    @property
    def variables(self) -> dict[str, str]:
        """Variables for instructions: ENV overrides ARG."""
        return {**self.arguments, **self.config.env}

    @property
    def paths(self) -> tuple[Path, ...]:
        """Unpacked layers, top first."""
        return tuple(layer.path for layer in reversed(self.layers))

    @property
    def tree(self) -> ImageTree:
        """Files of the image so far."""
        return ImageTree(self.paths, base_image())

    @property
    def identity(self) -> str:
        """Hash that changes with any file of the image so far, and with the machine below it."""
        return BuildCache.key(fingerprint(), [layer.digest for layer in self.layers])

    def absolute(self, path: str) -> str:
        """Return the absolute path; relative ones start at the working directory."""
        return posixpath.join(self.config.workdir, path)


@dataclass
class Step:
    """An instruction that may change files, with its cache."""

    shared: BuildEnvironment
    state: StageState
    title: str

    def apply(self, produce: Callable[[Path], Path], *inputs: object) -> None:
        """Add the layer that ``produce`` creates, or the cached one of the same inputs.

        Args:
            produce: Creates the layer's folder within the scratch folder that it is passed.
            inputs: All inputs of the layer besides the image below it.
        """
        self.shared.interrupt.check()
        key = BuildCache.key(self.state.identity, *inputs)
        if self._reuse(key):
            return
        with self.shared.cache.lock(key):
            # Another build may have stored the result meanwhile.
            if self._reuse(key):
                return
            self.shared.log(self.title)
            with self.shared.store.scratch() as scratch:
                folder = produce(scratch)
                layer = None if is_empty(folder) else self.shared.store.put_layer(folder)
            self.shared.cache.put(key, Result(layer.digest if layer else None))
            self._add(layer)

    def _reuse(self, key: str) -> bool:
        result = self.shared.cache.get(key) if self.shared.use_cache else None
        if result is None:
            return False
        layer = self.shared.store.layer(result.layer) if result.layer else None
        if result.layer and layer is None:
            return False
        self.shared.log(f"{self.title} (cached)")
        self._add(layer)
        return True

    def _add(self, layer: Layer | None) -> None:
        if layer is not None:
            self.state.layers.append(layer)


@dataclass
class Named:
    """A stage or an image that the Dockerfile refers to by name."""

    title: str
    state: StageState

    @cached_property
    def tree(self) -> ImageTree:
        """Its files."""
        return self.state.tree

    def digest(self, patterns: Sequence[str]) -> str:
        """Return a digest for the files that patterns select, without reading them.

        It depends only on the layers that contain them: a layer of a service's new code does not
        invalidate a copy of its dependencies.
        """
        if any(character in pattern for pattern in patterns for character in "*?["):
            return self.state.identity
        digests = {layer.path: layer.digest for layer in self.state.layers}
        paths = [self.tree.resolve(pattern) for pattern in patterns]
        origins = [[digests[layer] for layer in self.tree.origins(path)] for path in paths]
        return json.dumps([fingerprint(), paths, origins])


Execute = Callable[[], None]
"""Second half of an instruction, which changes files; the first has checked all it could."""


@dataclass(frozen=True)
class Task:
    """An instruction on a stage.

    Attributes:
        find: Returns the stage or image for a name in ``--from``.
    """

    shared: BuildEnvironment
    state: StageState
    instruction: Instruction
    title: str
    escape: str
    find: Callable[[str], Named]

    @property
    def step(self) -> Step:
        """The step that adds its layer."""
        return Step(self.shared, self.state, self.title)

    def expand(self, text: str) -> str:
        """Replace the variables in a word."""
        return expand(text, self.state.variables, self.escape)

    def flag(self, name: str) -> str | None:
        """Return the value of a flag, with its variables replaced."""
        value = self.instruction.flag(name)
        return None if value is None else self.expand(value)

    def context(self, origin: str | None) -> BuildContext | None:
        """Return the folder that ``--from`` refers to, or None for a stage or an image."""
        return self.shared.context if origin is None else self.shared.named_contexts.get(origin)

    def source(self, origin: str | None, patterns: Sequence[str]) -> tuple[Source, str]:
        """Return the source, and a digest of the selected files ("" if they must be read)."""
        context = self.context(origin)
        if context is not None:
            return ContextSource(context), ""
        named = self.find(str(origin))
        return ImageSource(named.tree, named.title), named.digest(patterns)


def start_from(base: Base, name: str, shared: BuildEnvironment, state: StageState) -> None:
    """Put the layers of a base image into a new stage."""
    for content in base.contents:
        # A layer hides parts of the machine, which depend on it.
        def produce(scratch: Path, fill: Callable[[Path], None] = content.fill) -> Path:
            folder = scratch / "layer"
            folder.mkdir(mode=0o755)
            fill(folder)
            return folder

        step = Step(shared, state, f"[{name}] {base.title}")
        step.apply(produce, "BASE", content.identity)
