"""``docker-build:index:Image``: built from a Dockerfile and pushed to the sandbox's ECR.

As the real plugin has it: its identity is the first digest; whatever changes, it is updated in
place by building again; an update leaves the former image in the registry; a deletion removes
the image of the current digest. Unlike it, a failing deletion fails.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from typing_extensions import override

from sandbox.containers.build import build
from sandbox.containers.oci import Reference, parse_reference
from sandbox.containers.running import Interrupt
from sandbox.containers.store import Image as StoredImage
from sandbox.containers.store import ImageStore
from sandbox.providers.attachments import plugin_version
from sandbox.providers.aws.clients import Clients
from sandbox.providers.base import Call, Connection, Existing, Provider, Resource
from sandbox.providers.docker_build import registry
from sandbox.providers.docker_build.inputs import CONTEXT_HASH, SCHEMA, BuildInputs, invalid
from sandbox.providers.docker_build.program import folder_of_engine, program_folder
from sandbox.providers.inputs import Problem, problems
from sandbox.providers.values import Properties, has_unknown

_BUILD_SECONDS: Final = 1800.0


class DockerBuildProvider(Provider):
    """The emulator of the docker-build plugin: it pushes to the ECR at one endpoint."""

    name = "docker-build"

    def __init__(self, store: ImageStore, aws: Clients, project: Path) -> None:
        self.version = plugin_version("docker-build")
        # ``host`` and ``registries`` mean a daemon and passwords that the sandbox has not.
        self.settings = {}
        self.resources = {"docker-build:index:Image": Image(store, aws, project)}
        self.functions = {}

    @override
    async def configure(self, settings: Properties) -> None:
        return None


class Image(Resource):
    """One image; see the module."""

    schema = SCHEMA

    def __init__(self, store: ImageStore, aws: Clients, project: Path) -> None:
        """Build into a store.

        Args:
            store: Where images go.
            aws: The registry's API.
            project: The project's folder, for an engine that can't be found.
        """
        self._store = store
        self._aws = aws
        self._project = project
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
        build_inputs = BuildInputs.read({**inputs, "tags": []}, folder)
        return {**inputs, CONTEXT_HASH: await asyncio.to_thread(build_inputs.context_hash)}, []

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
            if await registry.exists(self._aws, tag, digest):
                return Existing(identity, outputs, inputs)
        return None

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        for tag in {tag.repository: tag for tag in _tags(outputs)}.values():
            await registry.delete(self._aws, tag, outputs.get("digest", identity))

    async def _build_and_push(self, call: Call, inputs: Properties) -> Properties:
        build_inputs = BuildInputs.read(inputs, await self._folder(call))
        interrupt = Interrupt()
        try:
            image = await call.wait(
                self._build(call, build_inputs, interrupt),
                default_seconds=_BUILD_SECONDS,
                waiting_for=f"the build of {build_inputs.context}",
            )
        finally:
            interrupt.set()
        for tag in build_inputs.tags:
            await registry.push(self._aws, image, tag)
        first = build_inputs.tags[0]
        reference = f"{first.repository}:{first.tag or 'latest'}@{image.digest}"
        return {**inputs, "digest": image.digest, "ref": reference}

    async def _build(self, call: Call, inputs: BuildInputs, interrupt: Interrupt) -> StoredImage:
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        showing = asyncio.create_task(_show(call, lines))

        def log(line: str) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        try:
            return await asyncio.to_thread(
                build,
                inputs.dockerfile,
                inputs.context,
                store=self._store,
                build_args=inputs.build_args,
                labels=inputs.labels,
                target=inputs.target,
                named_contexts=inputs.named,
                use_cache=inputs.use_cache,
                log=log,
                interrupt=interrupt,
            )
        finally:
            lines.put_nowait(None)
            await showing

    async def _folder(self, call: Call) -> Path:
        if call.connection not in self._folders:
            address = call.connection.engine_address
            found = await asyncio.to_thread(folder_of_engine, address)
            self._folders[call.connection] = program_folder(found or self._project)
        return self._folders[call.connection]


async def _show(call: Call, lines: asyncio.Queue[str | None]) -> None:
    while (line := await lines.get()) is not None:
        # A build writes faster than an engine shows: only the newest line is worth a call.
        while not lines.empty():
            newer = lines.get_nowait()
            if newer is None:
                return
            line = newer
        await call.log(line)


def _tags(outputs: Properties) -> list[Reference]:
    return [parse_reference(tag) for tag in outputs.get("tags") or () if isinstance(tag, str)]
