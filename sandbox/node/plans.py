"""Plan of a container's process, from the kubelet's request and the image's configuration."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from sandbox.containers.accounts import user_of
from sandbox.containers.machine import base_image
from sandbox.containers.runtime import ContainerSpec
from sandbox.containers.store import StoredImage
from sandbox.containers.tree import ImageTree
from sandbox.errors import SandboxError
from sandbox.node.container import Plan
from sandbox.node.messages import Message, Messages
from sandbox.node.volumes import mounts


def plan(
    messages: Messages, config: Message, pod: Message, image: StoredImage, api: tuple[str, int]
) -> Plan:
    """Return the plan of a container.

    Args:
        messages: Source of the signals' names.
        config: The kubelet's ``ContainerConfig``.
        pod: Its ``PodSandboxConfig``.
        image: The container's image.
        api: Address and port of the API server.

    Raises:
        SandboxError: The image lacks the user, or neither it nor the Pod has a command.
    """
    defaults: Mapping[str, Any] = image.config.get("config") or {}
    security = config.linux.security_context
    uid, gid = _user(security, defaults, image)
    return Plan(
        spec=ContainerSpec(
            layers=image.layers,
            argv=_command(config, defaults),
            env=_environment(config, defaults, pod, api),
            cwd=config.working_dir or defaults.get("WorkingDir") or "/",
            uid=uid,
            gid=gid,
            groups=tuple(security.supplemental_groups),
            read_only_root=security.readonly_rootfs,
            mounts=mounts(config),
            hostname=pod.hostname or None,
        ),
        image=image.digest,
        memory_limit=config.linux.resources.memory_limit_in_bytes,
        stop_signal=_signal(
            messages.name("Signal", config.stop_signal)
            if config.stop_signal
            else defaults.get("StopSignal") or "SIGTERM"
        ),
    )


def _command(config: Message, defaults: Mapping[str, Any]) -> tuple[str, ...]:
    command, arguments = list(config.command), list(config.args)
    if not command:
        command = list(defaults.get("Entrypoint") or ())
        arguments = arguments or list(defaults.get("Cmd") or ())
    if not command + arguments:
        raise SandboxError(
            f"container {config.metadata.name}",
            why="neither the Pod nor the image has a command",
            remedy="set one in the Pod, or with CMD in the Dockerfile",
        )
    return tuple(command + arguments)


def _environment(
    config: Message, defaults: Mapping[str, Any], pod: Message, api: tuple[str, int]
) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in defaults.get("Env") or ())
    values = {"HOSTNAME": pod.hostname} if pod.hostname else {}
    values |= {name: value for name, _, value in pairs}
    values |= {entry.key: entry.value.decode() for entry in config.envs}
    if "KUBERNETES_SERVICE_HOST" in values:
        # Cluster addresses of Services are not served here.
        host, port = api
        values["KUBERNETES_SERVICE_HOST"] = host
        values["KUBERNETES_SERVICE_PORT"] = values["KUBERNETES_SERVICE_PORT_HTTPS"] = str(port)
    return values


def _user(security: Message, defaults: Mapping[str, Any], image: StoredImage) -> tuple[int, int]:
    """Return uid and gid; the kubelet has checked ``runAsNonRoot``."""
    requested = str(security.run_as_user.value) if security.HasField("run_as_user") else ""
    name = requested or security.run_as_username or defaults.get("User") or "0"
    try:
        uid, gid = user_of(name, ImageTree(image.layers, base_image()), base_image())
    except ValueError as error:
        raise SandboxError(
            f"user {name} of image {image.digest}",
            why=str(error),
            remedy="create it in the Dockerfile, or set a number in the Pod",
        ) from error
    return uid, security.run_as_group.value if security.HasField("run_as_group") else gid


def _signal(name: str) -> signal.Signals:
    bare = name.removeprefix("SIG")
    try:
        return signal.Signals(int(bare)) if bare.isdecimal() else signal.Signals[f"SIG{bare}"]
    except (KeyError, ValueError) as error:
        raise SandboxError(
            f"stop signal {name}",
            why="Linux has no signal of that name",
            remedy="use one of signal(7), such as SIGTERM",
        ) from error
