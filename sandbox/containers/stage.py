"""State of a stage of a Dockerfile during a build."""

from __future__ import annotations

import copy
import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sandbox.containers.cache import BuildCache, Result
from sandbox.containers.context import BuildContext
from sandbox.containers.image_config import ImageConfig
from sandbox.containers.layers import Layer, is_empty
from sandbox.containers.machine import base_image, fingerprint
from sandbox.containers.running import Interrupt
from sandbox.containers.store import ImageStore
from sandbox.containers.tree import ImageTree


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
    """A stage that the Dockerfile refers to by name."""

    title: str
    state: StageState

    @cached_property
    def tree(self) -> ImageTree:
        """Files of the stage."""
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
