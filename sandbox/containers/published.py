"""Published images of servers that apps need, made of programs of the same major versions.

No image is downloaded here. ``provide`` makes those that an app's ``needs`` name, when they are
missing: a layer with the program, where the published image has it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from rich.console import Console

from sandbox.containers.image_config import architecture
from sandbox.containers.oci import parse_reference
from sandbox.containers.store import ImageStore
from sandbox.settings import Settings
from sandbox.tools.provide import make_missing
from sandbox.tools.recipes import MAILPIT, REDIS, Recipe


@dataclass(frozen=True)
class PublishedImage:
    """Published image that something here stands for.

    Attributes:
        need: Key of ``needs`` in ``preview.yaml``.
        repository: Its repository.
        recipe: Tool whose program it runs.
        program: Path of the program in it.
    """

    need: str
    repository: str
    recipe: Recipe
    program: PurePosixPath

    @property
    def tag(self) -> str:
        """Tag of the stand-in; it changes with the tool."""
        return self.recipe.folder_name


PUBLISHED = (
    PublishedImage(
        "redis",
        "public.ecr.aws/docker/library/redis",
        REDIS,
        PurePosixPath("usr/local/bin/redis-server"),
    ),
    PublishedImage("mail", "ghcr.io/axllent/mailpit", MAILPIT, PurePosixPath("mailpit")),
)
"""Published images with a stand-in. A further one is added here alone."""


def stand_in(reference: str) -> str:
    """Return the name of the image that stands for a published one; others stand for themselves.

    Raises:
        SandboxError: It is not a valid name.
    """
    repository = parse_reference(reference).repository
    tags = {one.repository: one.tag for one in PUBLISHED}
    return f"{repository}:{tags[repository]}" if repository in tags else reference


def provide(needs: Iterable[str], store: ImageStore, settings: Settings, console: Console) -> None:
    """Make the images of what an app needs, unless they are there.

    Args:
        needs: Keys of ``needs`` in ``preview.yaml``.
        store: Store that receives them.
        settings: The sandbox, with its cache.
        console: Receives the progress of a tool that is made.

    Raises:
        SandboxError: A tool can't be made.
    """
    wanted = set(needs)
    missing = [
        one
        for one in PUBLISHED
        if one.need in wanted and store.resolve(one.repository, one.tag) is None
    ]
    made = make_missing(settings, [one.recipe.name for one in missing], console) if missing else ()
    programs = {status.name: status.programs for status in made}
    for one in missing:
        with store.collecting_nothing(), store.scratch() as scratch:
            layer = scratch / "layer"
            target = layer / one.program
            target.parent.mkdir(parents=True)
            shutil.copyfile(programs[one.recipe.name][one.recipe.programs[0]], target)
            target.chmod(0o755)
            config = {"architecture": architecture(), "os": "linux"}
            digest = store.put(config, [store.put_layer(layer)])
        store.tag(one.repository, one.tag, digest)
