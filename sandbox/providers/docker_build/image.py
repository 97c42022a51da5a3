"""``docker-build:index:Image``: built from a Dockerfile and pushed to the sandbox's ECR.

As the real plugin has it: its identity is the first digest; whatever changes, it is updated in
place by building again; an update leaves the former image in the registry; a deletion removes
the image of the current digest. Unlike it, a failing deletion fails.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

from typing_extensions import override

from sandbox.containers.build import build
from sandbox.containers.oci import Reference, parse_reference
from sandbox.containers.running import Interrupt
from sandbox.containers.store import Image as StoredImage
from sandbox.containers.store import ImageStore
from sandbox.providers.aws.clients import Clients
from sandbox.providers.base import Call, Existing, Resource
from sandbox.providers.connection import Connection
from sandbox.providers.docker_build import registry
from sandbox.providers.docker_build.inputs import CONTEXT_HASH, SCHEMA, BuildInputs, invalid
from sandbox.providers.docker_build.program import folder_of_engine, program_folder
from sandbox.providers.schema import Problem, Schema, problems
from sandbox.providers.values import Properties, has_unknown

_BUILD_SECONDS: Final = 1800.0


@dataclass(frozen=True)
class Workshop:
    """What images are made with.

    Attributes:
        store: Where they go.
        aws: The registry's API.
        project: The project's folder, for an engine that can't be found.
    """

    store: ImageStore
    aws: Clients
    project: Path


class Image(Resource):
    """One image; see the module."""

    schema: ClassVar[Schema] = SCHEMA

    def __init__(self, workshop: Workshop) -> None:
        """Makes images in a workshop."""
        self._workshop = workshop
        # Looking through all of a machine's sockets takes a tenth of a second.
        self._folders: WeakKeyDictionary[Connection, Path] = WeakKeyDictionary()

    @override
    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        inputs = {key: value for key, value in new.items() if key != CONTEXT_HASH}
        found = problems(self.schema, inputs)
        if found:
            return new, found
        folder = await self._folder(call)
        found = await asyncio.to_thread(invalid, inputs, folder)
        if found or has_unknown([inputs.get("context"), inputs.get("dockerfile")]):
            return inputs, found
        described = BuildInputs.read({**inputs, "tags": []}, folder)
        return {**inputs, CONTEXT_HASH: await asyncio.to_thread(described.context_hash)}, []

    @override
    async def create(self, call: Call, inputs: Properties) -> Existing:
        outputs = await self._build_and_push(call, inputs)
        return Existing(outputs["digest"], outputs)

    @override
    async def update(
        self, call: Call, identity: str, old: Properties, outputs: Properties, new: Properties
    ) -> Properties:
        return await self._build_and_push(call, new)

    @override
    async def read(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> Existing | None:
        digest = outputs.get("digest", identity)
        for tag in _tags(outputs):
            if await registry.exists(self._workshop.aws, tag, digest):
                return Existing(identity, outputs, inputs)
        return None

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        for tag in {tag.repository: tag for tag in _tags(outputs)}.values():
            await registry.delete(self._workshop.aws, tag, outputs.get("digest", identity))

    async def _build_and_push(self, call: Call, inputs: Properties) -> Properties:
        described = BuildInputs.read(inputs, await self._folder(call))
        interrupt = Interrupt()
        try:
            image = await call.wait(
                self._build(call, described, interrupt),
                default_seconds=_BUILD_SECONDS,
                waiting_for=f"the build of {described.context}",
            )
        finally:
            interrupt.set()
        for tag in described.tags:
            await registry.push(self._workshop.aws, image, tag)
        first = described.tags[0]
        reference = f"{first.repository}:{first.tag or 'latest'}@{image.digest}"
        return {**inputs, "digest": image.digest, "ref": reference}

    async def _build(self, call: Call, described: BuildInputs, interrupt: Interrupt) -> StoredImage:
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        showing = asyncio.create_task(_show(call, lines))
        try:
            return await asyncio.to_thread(
                build,
                described.dockerfile,
                described.context,
                store=self._workshop.store,
                build_args=described.build_args,
                labels=described.labels,
                target=described.target,
                named_contexts=described.named,
                use_cache=described.use_cache,
                log=lambda line: _put(loop, lines, line),
                interrupt=interrupt,
            )
        finally:
            lines.put_nowait(None)
            await showing

    async def _folder(self, call: Call) -> Path:
        if call.connection not in self._folders:
            address = call.connection.engine_address
            found = await asyncio.to_thread(folder_of_engine, address)
            self._folders[call.connection] = program_folder(found or self._workshop.project)
        return self._folders[call.connection]


def _put(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None], line: str) -> None:
    loop.call_soon_threadsafe(lines.put_nowait, line)


async def _show(call: Call, lines: asyncio.Queue[str | None]) -> None:
    while (line := await lines.get()) is not None:
        # A build writes faster than an engine shows: only the newest line is worth a call.
        while not lines.empty():
            newer = lines.get_nowait()
            if newer is None:
                return
            line = newer
        await call.log(line, ephemeral=True)


def _tags(outputs: Properties) -> list[Reference]:
    return [parse_reference(tag) for tag in outputs.get("tags") or () if isinstance(tag, str)]
