"""A container of a Pod as the process that the runtime starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.containers.runtime import ContainerSpec, Mount
from sandbox.kube.objects import Object, name_of
from sandbox.node import users
from sandbox.node.expansion import expand
from sandbox.node.images import NodeImage

_HOSTS = "/etc/hosts"
_LONGEST_HOSTNAME = 63
TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True)
class PodFiles:
    """The files of one Pod on this machine.

    Attributes:
        root: Its folder.
    """

    root: Path

    @property
    def volumes(self) -> Path:
        """A folder for each volume."""
        return self.root / "volumes"

    def hosts(self, container: str) -> Path:
        """What the container sees as ``/etc/hosts``.

        Each container's own, in its own folder: by this mount its processes are recognised.
        """
        return self.root / "containers" / container / "etc-hosts"

    def log(self, container: str, run: int) -> Path:
        """The log of the container's run with this number, from 0."""
        return self.root / "containers" / container / f"{run}.log"

    def termination_message(self, container: str, run: int) -> Path:
        """What the container sees at its ``terminationMessagePath``."""
        return self.root / "containers" / container / f"{run}.message"


def build(
    pod: Object,
    container: Mapping[str, Any],
    image: NodeImage,
    *,
    address: str,
    env: Mapping[str, str],
    volumes: list[Mount],
    files: PodFiles,
    run: int,
) -> ContainerSpec:
    """What the runtime is to start.

    Args:
        pod: The Pod.
        container: The container's entry of its spec.
        image: The container's image.
        address: The Pod's address.
        env: What the Pod adds to the image's environment, already expanded.
        volumes: The container's volume mounts.
        files: The Pod's files.
        run: Number of the run, from 0.

    Raises:
        RefusedUserError: When no user may run it.
        ValueError: When neither the Pod nor the image names a command.
    """
    context = container.get("securityContext") or {}
    user = users.resolve(
        pod["spec"].get("securityContext") or {},
        context,
        image_user=str(image.config.get("User") or ""),
        layers=image.layers,
    )
    return ContainerSpec(
        layers=image.layers,
        argv=_argv(container, image, env),
        env={**image.env, "HOSTNAME": hostname(pod), **env},
        cwd=container.get("workingDir") or image.config.get("WorkingDir") or "/",
        uid=user.uid,
        gid=user.gid,
        read_only_root=bool(context.get("readOnlyRootFilesystem")),
        mounts=tuple(
            _mounts(pod, container, address=address, volumes=volumes, files=files, run=run)
        ),
        hostname=hostname(pod),
    )


def hostname(pod: Object) -> str:
    """The Pod's host name: its ``hostname``, else its name as far as Linux takes it."""
    return str(pod["spec"].get("hostname") or name_of(pod)[:_LONGEST_HOSTNAME].rstrip("-."))


def hosts_file(pod: Object, address: str) -> str:
    """``/etc/hosts`` with the Pod's own name and its ``hostAliases``."""
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost"]
    lines.append(f"{address}\t{hostname(pod)}")
    lines += [
        "\t".join([alias["ip"], *(alias.get("hostnames") or ())])
        for alias in pod["spec"].get("hostAliases") or ()
    ]
    return "\n".join(lines) + "\n"


def _argv(
    container: Mapping[str, Any], image: NodeImage, env: Mapping[str, str]
) -> tuple[str, ...]:
    # A command in the Pod drops the image's arguments too; arguments alone replace only Cmd.
    command = container.get("command")
    arguments = container.get("args")
    if command:
        argv = [*command, *(arguments or ())]
        return tuple(expand(word, env) for word in argv)
    words = image.config.get("Entrypoint") or []
    if arguments:
        argv = [*words, *(expand(word, env) for word in arguments)]
    else:
        argv = [*words, *(image.config.get("Cmd") or ())]
    if not argv:
        msg = "no command specified: neither the Pod nor the image names one"
        raise ValueError(msg)
    return tuple(argv)


def _mounts(
    pod: Object,
    container: Mapping[str, Any],
    *,
    address: str,
    volumes: list[Mount],
    files: PodFiles,
    run: int,
) -> list[Mount]:
    mounts = list(volumes)
    targets = {mount.target for mount in volumes}
    hosts = files.hosts(container["name"])
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text(hosts_file(pod, address))
    if _HOSTS not in targets:
        mounts.append(Mount(hosts, _HOSTS))
    message = files.termination_message(container["name"], run)
    message.touch()
    message.chmod(0o666)
    target = container.get("terminationMessagePath") or TERMINATION_LOG
    if target not in targets:
        mounts.append(Mount(message, target, read_only=False))
    return mounts
