"""Kinds of volumes that Pods can have on this node: the one table to extend for a further kind.

The kubelet makes each volume a folder and passes its path to the runtime, which shows the folder
in the container. No kind is mounted, since that needs root. Other kinds are refused by name: by
the kubelet ("no volume plugin matched") and by the runtime (``UnsupportedBySandbox``).

To support a further kind, add a row to ``KINDS``, and then:

- call its ``ProbeVolumePlugins`` in the kubelet, if its plugin needs no mount
  (``sandbox/tools/modules/kubernetes/overlay/cmd/kubelet/app/sandbox.go``; this builds Kubernetes
  again, and ``tests/sandbox/node/test_volumes.py`` compares the two);
- else handle it in ``mounts``: a volume of kind ``image`` arrives there without a folder;
- for claims (PersistentVolumeClaim, ephemeral), also start the controllers that serve them
  (``_CONTROLLERS_OFF`` in ``sandbox/cluster/control_plane.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.containers.runtime import Mount
from sandbox.node.messages import Message

# Where the kubelet keeps a Pod's volumes: <root>/pods/<uid>/volumes/<plugin>/<name>.
_FOLDER = re.compile(r"/pods/[^/]+/volumes/([^/]+)/")


@dataclass(frozen=True)
class VolumeKind:
    """One kind of volume.

    Attributes:
        field: Its field in a Pod's ``spec.volumes``.
        package: The kubelet's package that makes its folder, below ``pkg/volume``.
        plugin: Name of that package's plugin in the folder's path.
        note: Difference from the same kind on a real node.
    """

    field: str
    package: str
    plugin: str
    note: str = ""


KINDS = (
    VolumeKind(
        "emptyDir",
        "emptydir",
        "kubernetes.io~empty-dir",
        note="of medium Memory: a folder on disk, not counted as memory",
    ),
    VolumeKind("secret", "secret", "kubernetes.io~secret", note="on disk, not in memory"),
    VolumeKind("configMap", "configmap", "kubernetes.io~configmap"),
    VolumeKind("downwardAPI", "downwardapi", "kubernetes.io~downward-api"),
    VolumeKind("projected", "projected", "kubernetes.io~projected", note="on disk, not in memory"),
)

_PLUGINS = {kind.plugin for kind in KINDS}


def mounts(config: Message) -> tuple[Mount, ...]:
    """Return the mounts of a container from the kubelet's ``ContainerConfig``."""
    return tuple(
        Mount(Path(mount.host_path), mount.container_path, mount.readonly)
        for mount in config.mounts
    )


def unsupported(config: Message) -> Iterator[str]:
    """Yield the names of what a container's volumes need and this node does not support."""
    for mount in config.mounts:
        if mount.image.image:
            yield "volumes.image"
        if mount.propagation:
            yield "volumeMounts.mountPropagation"
        found = _FOLDER.search(mount.host_path)
        if found and found[1] not in _PLUGINS:
            yield f"volumes of plugin {found[1].replace('~', '/')}"
