"""The runtime as the kubelet uses it, on its own messages, without a cluster."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

import pytest

from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError
from sandbox.node.addresses import Addresses
from sandbox.node.image_service import ImageService
from sandbox.node.messages import Messages, MissingError
from sandbox.node.network import Network, Surroundings
from sandbox.node.runtime_service import RuntimeService
from sandbox.settings import Settings
from sandbox.tools import locate

pytestmark = pytest.mark.sandbox
API = ("127.99.0.1", 6443)
IMAGE = "registry.test/base:1"


@pytest.fixture(scope="module")
def messages() -> Messages:
    try:
        return Messages.of(locate(Settings(), ["kubernetes"]).program("cri-descriptors"))
    except SandboxError as error:
        pytest.skip(f"Kubernetes is not built: {error}")


class World:
    """A runtime with one image."""

    def __init__(self, messages: Messages, home: Path) -> None:
        self.m = messages
        self.home = home
        self.store = ImageStore(home / "images")
        config = {"Env": ["A=image", "B=image"], "Entrypoint": ["sh", "-c"], "Cmd": ["exit 9"]}
        self.digest = self.store.put({"config": {**config, "User": "10001"}}, [])
        self.store.tag("registry.test/base", "1", self.digest)
        self.images = ImageService(messages, self.store)
        self.runtime = self.new_runtime()

    def new_runtime(self) -> RuntimeService:
        network = ipaddress.IPv4Network("127.99.0.0/16")
        addresses = Addresses(network, self.home / "last-address")
        around = Surroundings(network, API, ("127.99.0.2", 4566), frozenset())
        runtime = RuntimeService(
            self.m, self.home / "node", self.store, addresses, Network(around), API
        )
        runtime.recover()
        return runtime

    def pod_config(self, **options: int) -> Any:
        security = self.m.LinuxSandboxSecurityContext(
            namespace_options=self.m.NamespaceOption(**{"pid": 1, **options})
        )
        metadata = self.m.PodSandboxMetadata(name="p", uid="u", namespace="n")
        logs = str(self.home / "logs")
        return self.m.PodSandboxConfig(
            metadata=metadata,
            hostname="named",
            log_directory=logs,
            linux=self.m.LinuxPodSandboxConfig(security_context=security),
        )

    async def pod(self) -> str:
        request = self.m.RunPodSandboxRequest(config=self.pod_config())
        return str((await self.runtime.run_pod_sandbox(request)).pod_sandbox_id)

    async def create(self, pod: str, *command: str, **fields: Any) -> str:
        config = self.m.ContainerConfig(
            metadata=self.m.ContainerMetadata(name="main"),
            image=self.m.ImageSpec(image=self.digest, user_specified_image=IMAGE),
            args=command,
            log_path="main/0.log",
            **fields,
        )
        answer = await self.runtime.create_container(
            self.m.CreateContainerRequest(
                pod_sandbox_id=pod, config=config, sandbox_config=self.pod_config()
            )
        )
        return str(answer.container_id)

    async def start(self, pod: str, *command: str, **fields: Any) -> str:
        identifier = await self.create(pod, *command, **fields)
        await self.runtime.start_container(self.m.StartContainerRequest(container_id=identifier))
        return identifier

    async def status(self, identifier: str) -> Any:
        request = self.m.ContainerStatusRequest(container_id=identifier)
        return (await self.runtime.container_status(request)).status

    async def until_ended(self, identifier: str) -> Any:
        async with asyncio.timeout(30):
            while not (status := await self.status(identifier)).finished_at:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return status

    def log(self) -> str:
        return (self.home / "logs/main/0.log").read_text()


@pytest.fixture
def world(messages: Messages, tmp_path: Path) -> World:
    return World(messages, tmp_path)


async def test_a_container_gets_what_pod_and_image_say(world: World) -> None:
    pod = await world.pod()
    envs = [world.m.KeyValue(key=k, value=v.encode()) for k, v in
            (("B", "pod"), ("KUBERNETES_SERVICE_HOST", "10.100.0.1"))]  # fmt: skip
    script = "id -u; echo $A $B $HOSTNAME; echo $KUBERNETES_SERVICE_HOST; hostname"
    status = await world.until_ended(await world.start(pod, script, envs=envs))
    lines = [line.split(" ", 3)[3] for line in world.log().splitlines()]
    assert lines == ["10001", "image pod named", API[0], "named"]
    assert (status.exit_code, status.reason) == (0, "Completed")
    assert status.image_ref == f"registry.test/base@{world.digest}"


async def test_what_a_killed_runtime_left_is_reported_as_ended_and_keeps_its_address(
    world: World,
) -> None:
    pod = await world.pod()
    identifier = await world.start(pod, "sleep 1000")
    request = world.m.PodSandboxStatusRequest(pod_sandbox_id=pod)
    before = (await world.runtime.pod_sandbox_status(request)).status.network.ip
    old, world.runtime = world.runtime, world.new_runtime()
    status = await world.status(identifier)
    assert (status.exit_code, status.reason) == (137, "ContainerStatusUnknown")
    assert (await world.runtime.pod_sandbox_status(request)).status.network.ip == before
    other = world.m.PodSandboxStatusRequest(pod_sandbox_id=await world.pod())
    assert (await world.runtime.pod_sandbox_status(other)).status.network.ip != before
    await old.shut_down(0)


async def test_lists_are_filtered_and_a_removed_pod_leaves_nothing(world: World) -> None:
    pod, other = await world.pod(), await world.pod()
    identifier = await world.start(pod, "sleep 1000")
    m, runtime = world.m, world.runtime

    async def containers(**fields: Any) -> list[str]:
        request = m.ListContainersRequest(filter=m.ContainerFilter(**fields))
        return [each.id for each in (await runtime.list_containers(request)).containers]

    assert await containers(pod_sandbox_id=pod) == [identifier]
    assert await containers(pod_sandbox_id=other) == []
    assert await containers(label_selector={"app": "none"}) == []
    running = m.ContainerStateValue(state=m.number("ContainerState", "CONTAINER_RUNNING"))
    assert await containers(state=running) == [identifier]
    exited = m.ContainerStateValue(state=m.number("ContainerState", "CONTAINER_EXITED"))
    assert await containers(state=exited) == []
    for _ in range(2):  # Each call may be repeated.
        await runtime.stop_pod_sandbox(m.StopPodSandboxRequest(pod_sandbox_id=pod))
        await runtime.remove_pod_sandbox(m.RemovePodSandboxRequest(pod_sandbox_id=pod))
    assert await containers() == []
    assert [folder.name for folder in (world.home / "node/pods").iterdir()] == [other]
    with pytest.raises(MissingError):
        await world.status(identifier)


async def test_a_command_inside_has_an_end_a_result_and_a_time(world: World) -> None:
    identifier = await world.start(await world.pod(), "sleep 1000")
    m = world.m
    request = m.ExecSyncRequest(
        container_id=identifier, cmd=["sh", "-c", "id -u; echo e >&2; exit 3"]
    )
    output = await world.runtime.exec_sync(request)
    assert (output.exit_code, output.stdout, output.stderr) == (3, b"10001\n", b"e\n")
    late = m.ExecSyncRequest(container_id=identifier, cmd=["sleep", "60"], timeout=1)
    with pytest.raises(TimeoutError, match="timed out"):
        await world.runtime.exec_sync(late)
    await world.runtime.shut_down(0)


async def test_use_is_counted(world: World) -> None:
    script = "python3 -c 'a = bytearray(50 << 20); print(1, flush=True); [0 for _ in iter(int, 1)]'"
    identifier = await world.start(await world.pod(), script)
    request = world.m.ContainerStatsRequest(container_id=identifier)
    async with asyncio.timeout(30):
        while True:
            stats = (await world.runtime.container_stats(request)).stats
            if stats.cpu.usage_core_nano_seconds.value > 10**8:
                break
            await asyncio.sleep(0.05)
    assert 50 << 20 <= stats.memory.working_set_bytes.value < 100 << 20
    await world.runtime.shut_down(0)


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ("hostNetwork", {"network": 2}),
        ("hostPID", {"pid": 2}),
        ("hostIPC", {"ipc": 2}),
        ("shareProcessNamespace", {"pid": 0}),
    ],
)
async def test_a_pod_that_cannot_be_honoured_is_refused(
    world: World, named: str, options: dict[str, int]
) -> None:
    request = world.m.RunPodSandboxRequest(config=world.pod_config(**options))
    with pytest.raises(SandboxError, match=named):
        await world.runtime.run_pod_sandbox(request)


async def test_an_image_is_there_or_is_missed_by_name(world: World) -> None:
    m = world.m

    async def status(image: str) -> Any:
        request = m.ImageStatusRequest(image=m.ImageSpec(image=image))
        return await world.images.image_status(request)

    found = (await status(IMAGE)).image
    assert (found.id, found.uid.value, found.size > 0) == (world.digest, 10001, True)
    assert list(found.repo_digests) == [f"registry.test/base@{world.digest}"]
    assert (await status(world.digest)).image.id == world.digest
    assert not (await status("registry.test/base:2")).HasField("image")
    request = m.PullImageRequest(image=m.ImageSpec(image="registry.test/base:2"))
    with pytest.raises(SandboxError, match="no image in the sandbox's store has that tag"):
        await world.images.pull_image(request)
    [listed] = (await world.images.list_images(m.ListImagesRequest())).images
    assert list(listed.repo_tags) == [IMAGE]
