"""One stage of a Dockerfile on its way to an image."""

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
class Workshop:
    """What all stages of a build share.

    Attributes:
        store: Where layers go.
        cache: Results of earlier builds.
        context: The files that COPY copies.
        named_contexts: Further folders that ``--from`` may name.
        use_cache: Whether results of earlier builds count.
        log: Gets each line that a person may want to see.
        interrupt: Ends the build early.
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
    """What the instructions so far have made: layers from bottom to top, settings, arguments."""

    layers: list[Layer] = field(default_factory=list)
    config: ImageConfig = field(default_factory=ImageConfig)
    arguments: dict[str, str] = field(default_factory=dict)

    def continued(self) -> StageState:
        """What a stage that is built FROM this one begins with."""
        config = copy.deepcopy(self.config)
        config.cmd_is_inherited = config.cmd is not None
        return StageState(list(self.layers), config, {})

    @property
    def variables(self) -> dict[str, str]:
        """What instructions may name: ENV wins over ARG."""
        return {**self.arguments, **self.config.env}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The unpacked layers, top first."""
        return tuple(layer.path for layer in reversed(self.layers))

    @property
    def tree(self) -> ImageTree:
        """The image's files so far."""
        return ImageTree(self.paths, base_image())

    @property
    def identity(self) -> str:
        """Changes with any file of the image so far, and with the machine below it."""
        return BuildCache.key(fingerprint(), [layer.digest for layer in self.layers])

    def absolute(self, path: str) -> str:
        """A path of the image, relative ones being relative to the working directory."""
        return posixpath.join(self.config.workdir, path)


@dataclass
class Step:
    """An instruction that may change files, with the cache around it."""

    workshop: Workshop
    state: StageState
    title: str

    def apply(self, produce: Callable[[Path], Path], *inputs: object) -> None:
        """Adds the layer that ``produce`` makes, or that an earlier build made of the same.

        Args:
            produce: Makes the layer's folder somewhere in the scratch folder that it gets.
            inputs: Everything that the layer depends on besides the image below it.
        """
        self.workshop.interrupt.check()
        key = BuildCache.key(self.state.identity, *inputs)
        if self._reuse(key):
            return
        with self.workshop.cache.alone(key):
            # Another build may have done the work while this one waited for it.
            if self._reuse(key):
                return
            self.workshop.log(self.title)
            with self.workshop.store.scratch() as scratch:
                folder = produce(scratch)
                layer = None if is_empty(folder) else self.workshop.store.put_layer(folder)
            self.workshop.cache.put(key, Result(layer.digest if layer else None))
            self._add(layer)

    def _reuse(self, key: str) -> bool:
        result = self.workshop.cache.get(key) if self.workshop.use_cache else None
        if result is None:
            return False
        layer = self.workshop.store.layer(result.layer) if result.layer else None
        if result.layer and layer is None:
            return False
        self.workshop.log(f"{self.title} (cached)")
        self._add(layer)
        return True

    def _add(self, layer: Layer | None) -> None:
        if layer is not None:
            self.state.layers.append(layer)


@dataclass
class Named:
    """A stage by the names under which the Dockerfile speaks of it."""

    title: str
    state: StageState

    @cached_property
    def tree(self) -> ImageTree:
        """Its files."""
        return self.state.tree

    def digest(self, patterns: Sequence[str]) -> str:
        """Stands for the files that these patterns name, without reading them.

        A layer above that says nothing of them changes nothing: new code of a service leaves
        the copy of its dependencies as it was.
        """
        if any(character in pattern for pattern in patterns for character in "*?["):
            return self.state.identity
        digests = {layer.path: layer.digest for layer in self.state.layers}
        paths = [self.tree.resolve(pattern) for pattern in patterns]
        origins = [[digests[layer] for layer in self.tree.origins(path)] for path in paths]
        return json.dumps([fingerprint(), paths, origins])
