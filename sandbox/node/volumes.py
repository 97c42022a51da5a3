"""The volumes of one Pod: made, kept up to date, measured and removed."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.containers.runtime import Mount
from sandbox.kube.objects import Object
from sandbox.node import atomic_files, quantities
from sandbox.node.expansion import expand
from sandbox.node.payload import Sources
from sandbox.node.references import UnresolvedReferenceError

REFRESH_SECONDS = 60.0
"""How often the kubelet looks at what volumes show (its sync period)."""


class Volumes:
    """The volumes of one Pod.

    Args:
        folder: Where they are kept, those of medium ``Memory`` too.
        sources: Fetches what they show.
    """

    def __init__(self, folder: Path, sources: Sources) -> None:
        self._folder = folder
        self._emptied: set[Path] = set()
        self.sources = sources
        spec = sources.pod["spec"]
        self._volumes: list[Object] = spec.get("volumes") or []
        self._group: int | None = (spec.get("securityContext") or {}).get("fsGroup")

    async def prepare(self) -> None:
        """Make every volume, or bring it up to date.

        Raises:
            UnresolvedReferenceError: Naming the volume and what is missing.
        """
        await asyncio.gather(*(self._prepare(volume) for volume in self._volumes))

    async def _prepare(self, volume: Object) -> None:
        try:
            payload = await self.sources.payload(volume)
        except UnresolvedReferenceError as error:
            msg = f'MountVolume.SetUp failed for volume "{volume["name"]}": {error}'
            raise UnresolvedReferenceError(msg) from error
        folder = self._path(volume)
        if payload is not None:
            folder.mkdir(parents=True, exist_ok=True)
            atomic_files.write(folder, payload, group=self._group)
            return
        if (volume["emptyDir"] or {}).get("medium") == "Memory" and folder not in self._emptied:
            # What was in memory does not outlive the node, as after a reboot.
            shutil.rmtree(folder, ignore_errors=True)
            self._emptied.add(folder)
        if not folder.exists():
            folder.mkdir(parents=True)
            atomic_files.give_group(folder, self._group)
            folder.chmod(0o777 if self._group is None else 0o2777)

    def mounts(self, container: Mapping[str, Any], env: Mapping[str, str]) -> list[Mount]:
        """What of the volumes a container sees, and where.

        Raises:
            UnresolvedReferenceError: When a subPath leads out of its volume or is not there.
        """
        by_name = {volume["name"]: volume for volume in self._volumes}
        return [
            self._mount(by_name[entry["name"]], entry, env)
            for entry in container.get("volumeMounts") or ()
        ]

    def _mount(self, volume: Object, entry: Object, env: Mapping[str, str]) -> Mount:
        root = self._path(volume).resolve()
        source = root
        below = entry.get("subPath") or expand(entry.get("subPathExpr", ""), env)
        if below:
            source = (root / below).resolve()
            if not source.is_relative_to(root):
                raise UnresolvedReferenceError(f"subPath {below!r} leads out of {entry['name']!r}")
            if not source.exists():
                if not self._is_empty_dir(volume):
                    raise UnresolvedReferenceError(
                        f"subPath {below!r}: no such file in {entry['name']!r}"
                    )
                source.mkdir(parents=True)
                source.chmod(0o777)  # The kubelet's own is root's; here a volume is one Pod's.
        # Volumes that show API objects are always read-only, whatever the mount says.
        read_only = bool(entry.get("readOnly")) or not self._is_empty_dir(volume)
        return Mount(source, entry["mountPath"], read_only=read_only)

    def usage(self) -> list[tuple[str, int, int | None]]:
        """``(name, bytes, sizeLimit)`` of each emptyDir."""
        found = []
        for volume in self._volumes:
            if self._is_empty_dir(volume):
                limit = (volume["emptyDir"] or {}).get("sizeLimit")
                size = folder_size(self._path(volume))
                found.append((volume["name"], size, quantities.to_bytes(limit) if limit else None))
        return found

    def remove(self) -> None:
        """Remove every volume and what containers wrote to it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, volume: Object) -> Path:
        return self._folder / str(volume["name"])

    @staticmethod
    def _is_empty_dir(volume: Object) -> bool:
        return "emptyDir" in volume


def folder_size(folder: Path) -> int:
    """Bytes on disk of everything below ``folder``; what vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total
