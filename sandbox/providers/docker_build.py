"""``docker-build:index:Image``: built from a Dockerfile and pushed to the sandbox's ECR.

As in the real plugin, its ID is the first digest; any change is an update in place by another
build; an update leaves the former image in the registry; a deletion deletes the image of the
current digest. In contrast to it, a deletion reports its failure. An input that is not in the
schema would need BuildKit, or a registry with passwords, and is rejected by its name.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import psutil
import yaml
from typing_extensions import override

from sandbox.containers.build import OWN, build, check_dockerfile
from sandbox.containers.builder import NOTE
from sandbox.containers.context import BuildContext
from sandbox.containers.image_config import architecture
from sandbox.containers.oci import MANIFEST_TYPE, Reference, parse_reference
from sandbox.containers.running import Interrupt
from sandbox.containers.store import ImageStore, StoredImage
from sandbox.errors import SandboxError
from sandbox.providers.attachments import plugin_version
from sandbox.providers.aws.clients import AwsError, Clients
from sandbox.providers.base import Call, Connection, Existing, Provider, Resource
from sandbox.providers.inputs import Input, Problem, Schema, Type, problems
from sandbox.providers.values import Properties, has_unknown

_BUILD_SECONDS: Final = 1800.0
# Recorded with the inputs, so that a changed file is a change of the resource.
_CONTEXT_HASH: Final = "contextHash"
_LOCATION: Final = {"location": Input(required=True)}
_SCHEMA: Final[Schema] = {
    "buildArgs": Input(Type.MAP),
    # A preview builds nothing here.
    "buildOnPreview": Input(Type.BOOLEAN, allowed=(False,)),
    "context": Input(Type.MAP, required=True, fields=_LOCATION),
    _CONTEXT_HASH: Input(),
    "dockerfile": Input(Type.MAP, fields=_LOCATION),
    "labels": Input(Type.MAP),
    # The SDK always sets one.
    "network": Input(allowed=("default",)),
    "platforms": Input(Type.LIST),
    "push": Input(Type.BOOLEAN, required=True, allowed=(True,)),
    "tags": Input(Type.LIST, required=True),
    "target": Input(),
}
_TAG_EXISTS: Final = frozenset({"ImageAlreadyExistsException", "ImageTagAlreadyExistsException"})
_NO_REPOSITORY: Final = "RepositoryNotFoundException"
_GONE: Final = frozenset({_NO_REPOSITORY, "ImageNotFoundException"})


class DockerBuildProvider(Provider):
    """Emulator of the docker-build plugin; it pushes to the ECR at one endpoint."""

    name = "docker-build"

    def __init__(self, store: ImageStore, aws: Clients, project: Path, builder: str = OWN) -> None:
        self.version = plugin_version("docker-build")
        # ``host`` and ``registries`` refer to a daemon and passwords, which the sandbox lacks.
        self.settings = {}
        self.resources = {"docker-build:index:Image": Image(store, aws, project, builder)}
        self.functions = {}

    @override
    async def configure(self, settings: Properties) -> None:
        return None


class Image(Resource):
    """The resource type ``Image``."""

    schema = _SCHEMA

    def __init__(self, store: ImageStore, aws: Clients, project: Path, builder: str = OWN) -> None:
        """Build into a store.

        Args:
            store: Store of the images.
            aws: The registry's API.
            project: Folder of the project, used if the engine can't be found.
            builder: What builds, as ``build`` takes it.
        """
        self._store = store
        self._builder = builder
        self._registry = _Registry(aws)
        self._project = project
        # A search of all the machine's sockets takes a tenth of a second.
        self._folders: WeakKeyDictionary[Connection, Path] = WeakKeyDictionary()

    @override
    async def check(
        self, call: Call, old: Properties, new: Properties
    ) -> tuple[Properties, list[Problem]]:
        inputs = {key: value for key, value in new.items() if key != _CONTEXT_HASH}
        found = problems(self.schema, inputs) or list(_invalid(inputs))
        needed = [inputs.get(key) for key in ("context", "dockerfile", "target", "buildArgs")]
        if found or has_unknown(needed):
            return inputs, found
        paths = _paths(inputs, await self._folder(call))
        refused = await asyncio.to_thread(self._refused, inputs, *paths)
        if refused:
            return inputs, refused
        return {**inputs, _CONTEXT_HASH: await asyncio.to_thread(_context_hash, *paths)}, []

    def _refused(self, inputs: Properties, dockerfile: Path, context: Path) -> list[Problem]:
        if not context.is_dir():
            return [Problem("context.location", f"{context} is no folder")]
        target, arguments = inputs.get("target"), inputs.get("buildArgs")
        found = check_dockerfile(context, dockerfile, target, arguments, builder=self._builder)
        return [Problem("dockerfile", str(error)) for error in found]

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
            if await self._registry.find(tag, {"imageDigest": digest}) is not None:
                return Existing(identity, outputs, inputs)
        return None

    @override
    async def delete(
        self, call: Call, identity: str, inputs: Properties, outputs: Properties
    ) -> None:
        for tag in {tag.repository: tag for tag in _tags(outputs)}.values():
            await self._registry.delete(tag, outputs.get("digest", identity))

    async def _build_and_push(self, call: Call, inputs: Properties) -> Properties:
        making = _Making(self._store, self._builder)
        tags = _tags(inputs)
        try:
            image = await call.wait(
                self._build(call, inputs, making),
                default_seconds=_BUILD_SECONDS,
                waiting_for=f"the build of {inputs['context']['location']}",
            )
            for tag in tags:
                await self._registry.push(image, tag)
        except BaseException:
            making.abandon()
            raise
        reference = f"{tags[0].repository}:{tags[0].tag or 'latest'}@{image.digest}"
        return {**inputs, "digest": image.digest, "ref": reference}

    async def _build(self, call: Call, inputs: Properties, making: _Making) -> StoredImage:
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        showing = asyncio.create_task(_show(call, lines))

        def log(line: str) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        try:
            return await asyncio.to_thread(
                making.build,
                *_paths(inputs, await self._folder(call)),
                inputs,
                log=log,
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


class _Making:
    """A build whose image is deleted if it is not pushed, since nothing else would delete it."""

    def __init__(self, store: ImageStore, builder: str) -> None:
        self._store = store
        self._builder = builder
        self._interrupt = Interrupt()
        self._made: StoredImage | None = None

    def build(
        self,
        dockerfile: Path,
        context: Path,
        inputs: Properties,
        log: Callable[[str], None],
    ) -> StoredImage:
        """Build in this thread, which may continue for a moment after a cancellation."""
        self._made = build(
            dockerfile,
            context,
            store=self._store,
            build_args=inputs.get("buildArgs") or {},
            labels=inputs.get("labels") or {},
            target=inputs.get("target"),
            log=log,
            interrupt=self._interrupt,
            builder=self._builder,
        )
        try:
            self._interrupt.check()
        except SandboxError:
            self.abandon()
            raise
        return self._made

    def abandon(self) -> None:
        """End the build, or delete its image."""
        self._interrupt.set()
        if self._made is not None:
            self._store.delete_untagged(self._made.digest)


async def _show(call: Call, lines: asyncio.Queue[str | None]) -> None:
    while (line := await lines.get()) is not None:
        # A build writes faster than the engine shows lines, so only the newest is sent, and what
        # differs from the real build.
        while not lines.empty() and not line.startswith(NOTE):
            newer = lines.get_nowait()
            if newer is None:
                return
            line = newer
        await call.log(line)


def _tags(properties: Properties) -> list[Reference]:
    return [parse_reference(tag) for tag in properties.get("tags") or () if isinstance(tag, str)]


def _paths(inputs: Properties, folder: Path) -> tuple[Path, Path]:
    """Return the Dockerfile and the context; both may be relative to the program's folder."""
    context = folder / inputs["context"]["location"]
    dockerfile = inputs.get("dockerfile")
    return folder / dockerfile["location"] if dockerfile else context / "Dockerfile", context


def _invalid(inputs: Properties) -> Iterator[Problem]:
    """Yield the problems that the schema does not cover."""
    own = f"linux/{architecture()}"
    for index, platform in enumerate(inputs.get("platforms") or ()):
        if platform != own and not has_unknown(platform):
            yield Problem(f"platforms[{index}]", f"this machine builds {own} only")
    for name in ("labels", "buildArgs"):
        values = inputs.get(name)
        for key, value in values.items() if isinstance(values, Mapping) else ():
            if not isinstance(value, str) and not has_unknown(value):
                yield Problem(f"{name}.{key}", "must be a string")
    tags = inputs["tags"]
    if tags == []:
        yield Problem("tags", "name at least one tag to push to")
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        if reason := None if has_unknown(tag) else _bad_tag(str(tag)):
            yield Problem(f"tags[{index}]", reason)


def _bad_tag(tag: str) -> str | None:
    try:
        reference = parse_reference(tag)
    except SandboxError as error:
        return error.why
    if reference.digest or "/" not in reference.repository:
        return "expected <registry>/<repository>:<tag>"
    return None


def _context_hash(dockerfile: Path, context: Path) -> str:
    """Return a hash of the Dockerfile and of all files that it may copy."""
    digest = hashlib.sha256(dockerfile.read_bytes())
    digest.update(BuildContext(context, dockerfile).digest().encode())
    return digest.hexdigest()


class _Registry:
    """The sandbox's ECR."""

    def __init__(self, aws: Clients) -> None:
        self._aws = aws

    async def push(self, image: StoredImage, tag: Reference) -> None:
        """Register an image with a tag, unless it is registered.

        Raises:
            SandboxError: The repository is missing, or the tag is immutable and another image's.
        """
        await self._check_repository(tag)
        name = tag.tag or "latest"
        try:
            await self._call(
                "put_image",
                tag,
                imageManifest=image.manifest.decode(),
                imageManifestMediaType=MANIFEST_TYPE,
                imageTag=name,
                imageDigest=image.digest,
            )
        except AwsError as error:
            # Both codes also occur if the tag is this image's already.
            named = await self.find(tag, {"imageTag": name}) if error.code in _TAG_EXISTS else None
            if named == image.digest:
                return
            if named is None:
                raise
            raise SandboxError(
                f"push of {tag.repository}:{name}",
                why=f"the tag belongs to {named}, and the tags are immutable ({error.why})",
                remedy="commit the change, which gives it another tag, or delete the old image",
            ) from error

    async def find(self, tag: Reference, image: Mapping[str, str]) -> str | None:
        """Return the digest of an image in the tag's repository, or None."""
        try:
            found = await self._call("describe_images", tag, imageIds=[image])
        except AwsError as error:
            if error.code in _GONE:
                return None
            raise
        details = found["imageDetails"]
        return str(details[0]["imageDigest"]) if details else None

    async def delete(self, tag: Reference, digest: str) -> None:
        """Delete the image of a digest with all its tags, if it exists.

        Raises:
            SandboxError: The registry does not delete it.
        """
        if await self.find(tag, {"imageDigest": digest}) is None:
            return
        image = {"imageDigest": digest}
        answer = await self._call("batch_delete_image", tag, imageIds=[image])
        for failure in answer.get("failures", ()):
            if failure.get("failureCode") != "ImageNotFound":
                raise SandboxError(
                    f"image {tag.repository}@{digest}",
                    why=f"ECR did not delete it: {failure.get('failureReason', failure)}",
                    remedy="correct that, and run the destroy again",
                )

    async def _check_repository(self, tag: Reference) -> None:
        name = tag.repository.partition("/")[2]
        try:
            found = await self._aws.call("ecr", "describe_repositories", repositoryNames=[name])
        except AwsError as error:
            if error.code != _NO_REPOSITORY:
                raise
            raise SandboxError(
                f"push to {tag.repository}",
                why=f"ECR has no repository {name!r}",
                remedy="deploy staging, which creates it, or correct the image's tags",
            ) from error
        address = found["repositories"][0]["repositoryUri"]
        if address != tag.repository:
            raise SandboxError(
                f"push to {tag.repository}",
                why=f"the URL of that repository is {address}",
                remedy="use the repository's URL that ECR returns",
            )

    async def _call(self, operation: str, tag: Reference, **parameters: Any) -> Properties:
        name = tag.repository.partition("/")[2]
        return await self._aws.call("ecr", operation, repositoryName=name, **parameters)


def folder_of_engine(address: str) -> Path | None:
    """Return the working directory of the engine at ``host:port``; None if it has ended.

    The engine does not pass its working directory to an attached plugin.
    """
    port = address.rpartition(":")[2]
    if not port.isdecimal():
        return None
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == int(port) and connection.pid is not None:
            try:
                return Path(psutil.Process(connection.pid).cwd())
            except psutil.Error:
                return None
    return None


def program_folder(start: Path) -> Path:
    """Return the program's folder, of the project that ``start`` is in.

    ``main`` in Pulumi.yaml is the folder or a file in it.

    Raises:
        SandboxError: There is no project, or its file can't be read.
    """
    for folder in (start, *start.parents):
        project = folder / "Pulumi.yaml"
        if not project.is_file():
            continue
        try:
            document = yaml.safe_load(project.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            raise SandboxError(
                str(project), why=f"it can't be read: {error}", remedy="correct the file"
            ) from error
        main = document.get("main") if isinstance(document, dict) else None
        program = (folder / (main if isinstance(main, str) else ".")).resolve()
        return program.parent if program.is_file() else program
    raise SandboxError(
        f"the Pulumi project of {start}",
        why="neither the folder nor one above it has a Pulumi.yaml",
        remedy="run pulumi in the project's folder",
    )
