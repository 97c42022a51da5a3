"""The Container Runtime Interface's service of Pods and containers on this node.

A Pod's sandbox is an address and a folder, ``pods/<sandbox>/``. The folder holds the status of the
Pod and of its containers, from which a restarted runtime recovers.
"""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError
from sandbox.node.addresses import Addresses
from sandbox.node.container import Container
from sandbox.node.denials import PodIdentity
from sandbox.node.gate import Launcher
from sandbox.node.messages import Message, Messages, MissingError
from sandbox.node.network import Network
from sandbox.node.plans import plan
from sandbox.node.refusals import refuse_container, refuse_sandbox
from sandbox.node.services import HOSTS
from sandbox.node.usage import tree

_POD_FILE = "pod"
_HOSTS_FILE = "hosts"
_NAME = "bubblewrap"
_VERSION = "0.11.0"


@dataclass
class _Pod:
    """A Pod's sandbox.

    Attributes:
        status: Status that is reported to the kubelet.
        folder: Folder that holds the status.
        containers: Its containers, by identifier.
        launcher: Thread that starts its processes; None before the first.
    """

    status: Message
    folder: Path
    containers: dict[str, Container] = field(default_factory=dict)
    launcher: Launcher | None = None

    @property
    def identity(self) -> PodIdentity:
        """The Pod as policies know it."""
        metadata = self.status.metadata
        return PodIdentity(
            address=self.status.network.ip,
            namespace=metadata.namespace,
            name=metadata.name,
            uid=metadata.uid,
            labels=dict(self.status.labels),
        )

    def processes(self) -> list[int]:
        """Return its process identifiers."""
        inits = [each.init for each in list(self.containers.values()) if each.init]
        return [process for init in inits for process in tree(init)]


class RuntimeService:
    """The methods of ``runtime.v1.RuntimeService``.

    Args:
        messages: The interface's messages.
        home: The runtime's own folder.
        images: Images of containers.
        addresses: Allocator of Pods' addresses.
        network: Enforces NetworkPolicies on the Pods.
        api: Address and port of the API server, for containers.
    """

    def __init__(
        self,
        messages: Messages,
        home: Path,
        images: ImageStore,
        addresses: Addresses,
        network: Network,
        api: tuple[str, int],
    ) -> None:
        self._m = messages
        self._home = home / "pods"
        self._images = images
        self._addresses = addresses
        self._network = network
        self._api = api
        self._pods: dict[str, _Pod] = {}
        self._ready = messages.number("PodSandboxState", "SANDBOX_READY")
        self._not_ready = messages.number("PodSandboxState", "SANDBOX_NOTREADY")
        self._running = messages.number("ContainerState", "CONTAINER_RUNNING")

    def recover(self) -> None:
        """Load the Pods of an earlier runtime; its containers' processes ended with it."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._home.parent.chmod(0o700)  # The socket in it gives access to everything.
        for folder in self._home.iterdir():
            try:
                status = self._m.PodSandboxStatus.FromString((folder / _POD_FILE).read_bytes())
            except FileNotFoundError:  # Killed while it was created or deleted.
                shutil.rmtree(folder)
                continue
            pod = _Pod(status, folder)
            self._pods[folder.name] = pod
            if status.state == self._ready and self._addresses.reserve(status.network.ip):
                self._network.add(pod.identity)
            for path in folder.glob("*.container"):
                record = self._m.ContainerStatus.FromString(path.read_bytes())
                container = Container(self._m, folder.name, record, path)
                container.recover()
                pod.containers[record.id] = container

    async def shut_down(self, seconds: float) -> None:
        """Stop all containers, each within ``seconds``."""
        await asyncio.gather(*(each.stop(seconds) for each in self._containers()))

    async def version(self, _request: Message) -> Message:
        return self._m.VersionResponse(
            version="0.1.0",
            runtime_name=_NAME,
            runtime_version=_VERSION,
            runtime_api_version="v1",
        )

    async def status(self, _request: Message) -> Message:
        conditions = [
            self._m.RuntimeCondition(type=kind, status=True)
            for kind in ("RuntimeReady", "NetworkReady")
        ]
        return self._m.StatusResponse(status=self._m.RuntimeStatus(conditions=conditions))

    async def run_pod_sandbox(self, request: Message) -> Message:
        config = request.config
        refuse_sandbox(config)
        identifier = uuid.uuid4().hex
        status = self._m.PodSandboxStatus(
            id=identifier,
            metadata=config.metadata,
            state=self._ready,
            created_at=time.time_ns(),
            labels=config.labels,
            annotations=config.annotations,
        )
        status.network.ip = self._addresses.allocate()
        pod = _Pod(status, self._home / identifier)
        _make_folders(pod.folder, Path(config.log_directory))
        self._keep(pod)
        self._pods[identifier] = pod
        self._network.add(pod.identity)
        return self._m.RunPodSandboxResponse(pod_sandbox_id=identifier)

    async def stop_pod_sandbox(self, request: Message) -> Message:
        pod = self._pods.get(request.pod_sandbox_id)
        if pod:
            await asyncio.gather(*(each.stop(0) for each in pod.containers.values()))
            if pod.launcher:
                pod.launcher.close()
                pod.launcher = None
            if pod.status.state == self._ready:
                pod.status.state = self._not_ready
                self._network.remove(pod.identity)
                self._addresses.release(pod.status.network.ip)
                self._keep(pod)
        return self._m.StopPodSandboxResponse()

    async def remove_pod_sandbox(self, request: Message) -> Message:
        await self.stop_pod_sandbox(request)
        pod = self._pods.pop(request.pod_sandbox_id, None)
        if pod:
            await asyncio.gather(*(each.remove() for each in pod.containers.values()))
            shutil.rmtree(pod.folder)
        return self._m.RemovePodSandboxResponse()

    async def pod_sandbox_status(self, request: Message) -> Message:
        return self._m.PodSandboxStatusResponse(status=self._pod(request.pod_sandbox_id).status)

    async def list_pod_sandbox(self, request: Message) -> Message:
        return self._m.ListPodSandboxResponse(
            items=[
                self._m.PodSandbox(
                    id=pod.status.id,
                    metadata=pod.status.metadata,
                    state=pod.status.state,
                    created_at=pod.status.created_at,
                    labels=pod.status.labels,
                    annotations=pod.status.annotations,
                )
                for pod in self._pods.values()
                if _matches(pod.status, request.filter)
            ]
        )

    async def create_container(self, request: Message) -> Message:
        config, pod = request.config, self._pod(request.pod_sandbox_id)
        refuse_container(config)
        image = self._images.get(config.image.image)
        identifier = uuid.uuid4().hex
        status = self._m.ContainerStatus(
            id=identifier,
            metadata=config.metadata,
            image=self._m.ImageSpec(
                image=config.image.user_specified_image,
                user_specified_image=config.image.user_specified_image,
            ),
            image_ref=_reference(config.image.user_specified_image, image.digest),
            image_id=image.digest,
            labels=config.labels,
            annotations=config.annotations,
            mounts=config.mounts,
            log_path=str(Path(request.sandbox_config.log_directory, config.log_path)),
        )
        self._name_services(pod, config)
        made = Container(self._m, pod.status.id, status, pod.folder / f"{identifier}.container")
        made.create(plan(self._m, config, request.sandbox_config, image, self._api))
        pod.containers[identifier] = made
        return self._m.CreateContainerResponse(container_id=identifier)

    def _name_services(self, pod: _Pod, config: Message) -> None:
        """Mount a file with the names of Services in place of the kubelet's ``/etc/hosts``."""
        for mount in config.mounts:
            if mount.container_path == HOSTS:
                path = pod.folder / _HOSTS_FILE
                own = Path(mount.host_path).read_text()
                self._network.hosts_files.add(pod.identity, path, own)
                mount.host_path = str(path)

    async def start_container(self, request: Message) -> Message:
        container = self._container(request.container_id)
        await container.start(self._images, self._launcher(self._pod(container.pod)))
        if container.status.reason == "StartError":
            raise SandboxError(
                f"container {container.status.metadata.name}",
                why=container.status.message,
                remedy="correct the command of the Pod or of the image",
            )
        return self._m.StartContainerResponse()

    async def stop_container(self, request: Message) -> Message:
        for container in self._containers():
            if container.status.id == request.container_id:
                await container.stop(request.timeout)
        return self._m.StopContainerResponse()

    async def remove_container(self, request: Message) -> Message:
        for pod in self._pods.values():
            container = pod.containers.pop(request.container_id, None)
            if container:
                await container.remove()
        return self._m.RemoveContainerResponse()

    async def list_containers(self, request: Message) -> Message:
        return self._m.ListContainersResponse(
            containers=[
                self._m.Container(
                    id=each.status.id,
                    pod_sandbox_id=each.pod,
                    metadata=each.status.metadata,
                    image=each.status.image,
                    image_ref=each.status.image_ref,
                    image_id=each.status.image_id,
                    state=each.status.state,
                    created_at=each.status.created_at,
                    labels=each.status.labels,
                    annotations=each.status.annotations,
                )
                for each in self._containers()
                if request.filter.pod_sandbox_id in {"", each.pod}
                and _matches(each.status, request.filter)
            ]
        )

    async def container_status(self, request: Message) -> Message:
        return self._m.ContainerStatusResponse(status=self._container(request.container_id).status)

    async def reopen_container_log(self, request: Message) -> Message:
        self._container(request.container_id).reopen_log()
        return self._m.ReopenContainerLogResponse()

    async def exec_sync(self, request: Message) -> Message:
        container = self._container(request.container_id)
        if not container.running:
            msg = f"container {request.container_id} does not run"
            raise MissingError(msg)
        output = await container.run(list(request.cmd), float(request.timeout))
        return self._m.ExecSyncResponse(
            stdout=output.stdout, stderr=output.stderr, exit_code=output.exit_code
        )

    async def exec(self, _request: Message) -> Message:
        raise _no_streams("exec")

    async def attach(self, _request: Message) -> Message:
        raise _no_streams("attach")

    async def port_forward(self, _request: Message) -> Message:
        raise _no_streams("port-forward")

    async def container_stats(self, request: Message) -> Message:
        return self._m.ContainerStatsResponse(
            stats=self._stats(self._container(request.container_id))
        )

    async def list_container_stats(self, request: Message) -> Message:
        return self._m.ListContainerStatsResponse(
            stats=[
                self._stats(each)
                for each in self._containers()
                if request.filter.pod_sandbox_id in {"", each.pod}
                and _matches(each.status, request.filter)
            ]
        )

    def _stats(self, container: Container) -> Message:
        now, status = time.time_ns(), container.status
        processor, memory = container.processor_nanoseconds(), container.memory_bytes()
        return self._m.ContainerStats(
            attributes=self._m.ContainerAttributes(
                id=status.id,
                metadata=status.metadata,
                labels=status.labels,
                annotations=status.annotations,
            ),
            cpu=self._m.CpuUsage(
                timestamp=now, usage_core_nano_seconds=self._m.UInt64Value(value=processor)
            ),
            memory=self._m.MemoryUsage(
                timestamp=now,
                working_set_bytes=self._m.UInt64Value(value=memory),
                rss_bytes=self._m.UInt64Value(value=memory),
            ),
        )

    def _launcher(self, pod: _Pod) -> Launcher:
        if pod.launcher is None:
            pod.launcher = self._network.launcher(pod.identity, pod.processes)
        return pod.launcher

    def _pod(self, identifier: str) -> _Pod:
        pod = self._pods.get(identifier)
        if pod is None:
            msg = f"there is no Pod sandbox {identifier}"
            raise MissingError(msg)
        return pod

    def _containers(self) -> Iterator[Container]:
        for pod in list(self._pods.values()):
            yield from list(pod.containers.values())

    def _container(self, identifier: str) -> Container:
        for container in self._containers():
            if container.status.id == identifier:
                return container
        msg = f"there is no container {identifier}"
        raise MissingError(msg)

    def _keep(self, pod: _Pod) -> None:
        temporary = pod.folder / f"{_POD_FILE}.new"
        temporary.write_bytes(pod.status.SerializeToString())
        temporary.replace(pod.folder / _POD_FILE)


def _no_streams(what: str) -> SandboxError:
    return SandboxError(
        f"kubectl {what}",
        why=f"the sandbox's node does not support {what}: its containers are processes of this"
        " machine",
        remedy="read their logs with `kubectl logs`, and list them with `ps`",
    )


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)


def _matches(status: Message, chosen: Message) -> bool:
    """Return True if a Pod or container matches a filter."""
    if chosen.id and chosen.id != status.id:
        return False
    has_state = "state" in chosen.DESCRIPTOR.fields_by_name and chosen.HasField("state")
    if has_state and chosen.state.state != status.state:
        return False
    wanted: Iterable[tuple[str, str]] = chosen.label_selector.items()
    return all(status.labels.get(name) == value for name, value in wanted)


def _reference(image: str, digest: str) -> str:
    """Return ``repository@digest`` of an image reference with a tag or a digest."""
    repository = image.partition("@")[0]
    name, colon, tag = repository.rpartition(":")
    return f"{name if colon and '/' not in tag else repository}@{digest}"
