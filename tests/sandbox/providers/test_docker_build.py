from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.ecr.models import ecr_backends
from moto.server import ThreadedMotoServer

from sandbox.aws import ecr
from sandbox.containers.build import build
from sandbox.containers.store import ImageStore, StoredImage
from sandbox.errors import SandboxError
from sandbox.providers import docker_build
from sandbox.providers.aws.clients import Clients
from sandbox.providers.base import Call, Connection
from sandbox.providers.docker_build import Image

DOCKERFILE = "FROM python:3-slim\nCOPY app.txt /app/\nRUN cat /app/app.txt > /app/copied\n"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def endpoint(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(ecr_backends, "backend", ecr_backends.backend)
    ecr.install(store)
    ecr_backends.clear()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    ecr_backends.clear()


@pytest.fixture
def registry(endpoint: str) -> Any:
    return boto3.client(
        "ecr",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


@pytest.fixture
def url(registry: Any) -> str:
    name = f"previews/{uuid.uuid4().hex}"
    made = registry.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
    return str(made["repository"]["repositoryUri"])


@pytest.fixture(params=["infra", "infra/__main__.py"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    project = tmp_path / "project"
    (project / "infra").mkdir(parents=True)
    (project / "infra/__main__.py").touch()
    (project / "Pulumi.yaml").write_text(f"name: x\nmain: {request.param}\n")
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / ".dockerignore").write_text("*\n!app.txt\n")
    (project / "app.txt").write_text("one")
    return project


@pytest.fixture
def image(store: ImageStore, endpoint: str, project: Path) -> Image:
    return Image(store, Clients(endpoint, "us-east-1"), project)


@pytest.fixture
def call() -> Call:
    return Call(Connection(), "urn:pulumi:pr-42::x::docker-build:index:Image::image", "image")


@pytest.fixture
def inputs(url: str) -> dict[str, Any]:
    return {
        "context": {"location": ".."},
        "dockerfile": {"location": "../Dockerfile"},
        "labels": {"previews.stack": "pr-42"},
        "push": True,
        "buildOnPreview": False,
        "tags": [f"{url}:pr-42-abc"],
    }


async def checked(image: Image, call: Call, inputs: dict[str, Any]) -> dict[str, Any]:
    result, problems = await image.check(call, {}, inputs)
    assert problems == []
    return result


async def test_an_image_is_built_pushed_and_named_by_digest(
    image: Image, call: Call, inputs: dict[str, Any], registry: Any, store: ImageStore, url: str
) -> None:
    made = await image.create(call, await checked(image, call, inputs))
    digest = made.outputs["digest"]
    assert made.identity == digest
    assert made.outputs["ref"] == f"{url}:pr-42-abc@{digest}"
    (described,) = registry.describe_images(repositoryName=url.partition("/")[2])["imageDetails"]
    assert (described["imageDigest"], described["imageTags"]) == (digest, ["pr-42-abc"])
    found = store.find(f"{url}:pr-42-abc")
    assert found.digest == digest
    assert found.config["config"]["Labels"] == {"previews.stack": "pr-42"}


async def test_creating_it_again_changes_nothing(
    image: Image, call: Call, inputs: dict[str, Any]
) -> None:
    described = await checked(image, call, inputs)
    assert (await image.create(call, described)).identity == (
        await image.create(call, described)
    ).identity


async def test_only_what_may_enter_the_build_is_a_change(
    image: Image, call: Call, inputs: dict[str, Any], project: Path
) -> None:
    before = await checked(image, call, inputs)
    (project / "README.md").write_text("ignored")
    same = await checked(image, call, inputs)
    assert (await image.diff(call, "id", before, same)).changes == {}
    (project / "app.txt").write_text("two")
    after = await checked(image, call, inputs)
    diff = await image.diff(call, "id", before, after)
    assert (list(diff.changes), diff.replaces) == (["contextHash"], False)
    (project / "Dockerfile").write_text(DOCKERFILE + "ENV A=1\n")
    assert (await checked(image, call, inputs))["contextHash"] != after["contextHash"]


async def test_an_update_pushes_and_leaves_the_former_image(
    image: Image, call: Call, inputs: dict[str, Any], project: Path, store: ImageStore, url: str
) -> None:
    old = await checked(image, call, inputs)
    made = await image.create(call, old)
    (project / "app.txt").write_text("two")
    new = await checked(image, call, {**inputs, "tags": [f"{url}:pr-42-def"]})
    outputs = await image.update(call, made.identity, old, made.outputs, new)
    assert outputs["digest"] != made.identity
    assert set(store.list()) == {outputs["digest"], made.identity}
    found = await image.read(call, made.identity, new, outputs)
    assert found is not None


async def test_a_tag_that_names_another_image_is_not_moved(
    image: Image, call: Call, inputs: dict[str, Any], project: Path
) -> None:
    made = await image.create(call, await checked(image, call, inputs))
    (project / "app.txt").write_text("two")
    changed = await checked(image, call, inputs)
    with pytest.raises(SandboxError, match=r"pr-42-abc: the tag belongs to sha256:(.|\n)*commit"):
        await image.update(call, made.identity, inputs, made.outputs, changed)


async def test_a_deletion_leaves_no_image_and_can_be_repeated(
    image: Image, call: Call, inputs: dict[str, Any], store: ImageStore, registry: Any, url: str
) -> None:
    described = await checked(image, call, inputs)
    made = await image.create(call, described)
    for _ in range(2):
        await image.delete(call, made.identity, described, made.outputs)
    assert store.list() == ()
    assert await image.read(call, made.identity, described, made.outputs) is None
    registry.delete_repository(repositoryName=url.partition("/")[2])
    await image.delete(call, made.identity, described, made.outputs)


async def test_a_repository_that_is_not_there_or_elsewhere_is_named(
    image: Image, call: Call, inputs: dict[str, Any], url: str
) -> None:
    host, _, name = url.partition("/")
    missing = {**inputs, "tags": [f"{host}/nowhere:x"]}
    with pytest.raises(SandboxError, match="ECR has no repository 'nowhere'"):
        await image.create(call, await checked(image, call, missing))
    elsewhere = {**inputs, "tags": [f"registry.invalid/{name}:x"]}
    with pytest.raises(SandboxError, match="the URL of that repository is"):
        await image.create(call, await checked(image, call, elsewhere))


async def test_an_image_that_could_not_be_pushed_is_not_kept(
    image: Image, call: Call, inputs: dict[str, Any], store: ImageStore
) -> None:
    described = await checked(image, call, inputs)
    gone = {**described, "tags": [described["tags"][0].replace("previews/", "gone/")]}
    with pytest.raises(SandboxError, match="ECR has no repository"):
        await image.create(call, gone)
    assert kept(store) == ([], [])

    pushed = await image.create(call, described)
    with pytest.raises(SandboxError, match="ECR has no repository"):
        await image.create(call, gone)
    assert store.list() == (pushed.identity,)


async def test_an_image_that_was_done_as_its_command_was_killed_is_not_kept(
    image: Image,
    call: Call,
    inputs: dict[str, Any],
    store: ImageStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    described = await checked(image, call, inputs)
    creating = asyncio.ensure_future(image.create(call, described))
    cancelled = threading.Event()
    creating.add_done_callback(lambda _: cancelled.set())

    def build_and_lose_the_client(*arguments: Any, **options: Any) -> StoredImage:
        made = build(*arguments, **options)
        loop.call_soon_threadsafe(creating.cancel)
        assert cancelled.wait(60)
        return made

    monkeypatch.setattr(docker_build, "build", build_and_lose_the_client)
    with pytest.raises(asyncio.CancelledError):
        await creating
    # What the thread still does.
    await loop.shutdown_default_executor()
    assert kept(store) == ([], [])


def kept(store: ImageStore) -> tuple[list[str], list[str]]:
    """The images, and the manifests and configurations, that the store holds."""
    return list(store.list()), sorted(path.name for path in (store.root / "blobs").iterdir())


async def test_a_build_that_fails_shows_the_line_and_pushes_nothing(
    image: Image, call: Call, inputs: dict[str, Any], project: Path, store: ImageStore
) -> None:
    (project / "Dockerfile").write_text("FROM python\nRUN echo why >&2; exit 4\n")
    with pytest.raises(SandboxError, match=r"Dockerfile line 2: RUN(.|\n)*exited with 4(.|\n)*why"):
        await image.create(call, await checked(image, call, inputs))
    assert store.list() == ()


@pytest.mark.parametrize(
    ("changed", "named", "reason"),
    [
        ({"cacheFrom": [{"registry": {"ref": "x"}}]}, "cacheFrom", "does not support"),
        ({"secrets": {"a": "b"}}, "secrets", "does not support"),
        ({"registries": []}, "registries", "does not support"),
        ({"push": False}, "push", "only True"),
        ({"buildOnPreview": True}, "buildOnPreview", "only False"),
        ({"network": "none"}, "network", "default"),
        ({"ssh": []}, "ssh", "does not support"),
        ({"target": "x"}, "dockerfile", "no such stage"),
        ({"buildArgs": {"A": 1}}, "buildArgs.A", "must be a string"),
        ({"context": {"location": "..", "named": {}}}, "context.named", "does not support"),
        ({"platforms": ["linux/s390x"]}, "platforms[0]", "builds linux/"),
        ({"tags": []}, "tags", "at least one"),
        ({"tags": ["no registry"]}, "tags[0]", "expected repository"),
        ({"tags": ["service:x"]}, "tags[0]", "<registry>"),
        ({"labels": {"a": 1}}, "labels.a", "a string"),
        ({"context": {"location": "nowhere"}}, "context.location", "no folder"),
        ({"dockerfile": {"location": "x", "inline": "x"}}, "dockerfile.inline", "does not support"),
        ({"dockerfile": {"location": "../adds"}}, "dockerfile", "line 1: ADD a b"),
        ({"dockerfile": {"location": "nowhere"}}, "dockerfile", "No such file"),
    ],
)
async def test_an_input_that_cannot_be_honoured_is_refused_by_name(
    store: ImageStore,
    project: Path,
    call: Call,
    changed: dict[str, Any],
    named: str,
    reason: str,
) -> None:
    (project / "adds").write_text("ADD a b\n")
    inputs = {"context": {"location": ".."}, "push": True, "tags": ["registry.invalid/x:y"]}
    image = Image(store, Clients("http://127.0.0.1:1", "us-east-1"), project)
    _, problems = await image.check(call, {}, {**inputs, **changed})
    assert [problem.property for problem in problems] == [named]
    assert reason in problems[0].reason
