"""The files that Secrets, ConfigMaps, tokens and the downward API become in a volume."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kube.objects import Object
from sandbox.node import downward
from sandbox.node.references import References, UnresolvedReferenceError

_DEFAULT_MODE = 0o644
# The kubelet asks for a new token when this part of the old one's life is over.
_TOKEN_LIFE = 0.8


@dataclass(frozen=True)
class File:
    """One file of a volume."""

    content: bytes
    mode: int


Payload = dict[str, File]
"""Files by their path relative to the volume."""


@dataclass
class Sources:
    """Fetches what the volumes of one Pod show.

    Attributes:
        pod: The latest object: labels and annotations may change.
        address: The Pod's address.
        host: What the Pod may see of its node.
        references: Reads of the Pod's namespace.
    """

    pod: Object
    address: str
    host: downward.Host
    references: References
    _tokens: dict[tuple[str, int], tuple[bytes, float]] = field(default_factory=dict)

    async def payload(self, volume: Mapping[str, Any]) -> Payload | None:
        """The volume's files; None when it is one that the containers fill themselves.

        Raises:
            UnresolvedReferenceError: When what it shows is not there.
        """
        for kind in ("secret", "configMap", "downwardAPI"):
            if source := volume.get(kind):
                return await self._one(kind, source, source.get("defaultMode", _DEFAULT_MODE))
        projected = volume.get("projected")
        if projected is None:
            return None
        mode = projected.get("defaultMode", _DEFAULT_MODE)
        files: Payload = {}
        for index, entry in enumerate(projected.get("sources") or ()):
            for kind, source in entry.items():
                if kind == "serviceAccountToken":
                    content = await self._token(volume["name"], index, source)
                    files[source["path"]] = File(content, mode)
                else:
                    files |= await self._one(kind, source, mode)
        return files

    async def _one(self, kind: str, source: Mapping[str, Any], mode: int) -> Payload:
        if kind == "downwardAPI":
            return {item["path"]: self._downward(item, mode) for item in source.get("items") or ()}
        optional = bool(source.get("optional"))
        if kind == "secret":
            name = source.get("secretName") or source["name"]
            data = await self.references.secret(name, optional=optional)
        else:
            name = source["name"]
            data = await self.references.config_map(name, optional=optional)
        return _select(data or {}, source.get("items"), f"{kind} {name!r}", mode, optional=optional)

    def _downward(self, item: Mapping[str, Any], mode: int) -> File:
        try:
            if reference := item.get("fieldRef"):
                text = downward.field(
                    self.pod, reference["fieldPath"], address=self.address, host=self.host
                )
            else:
                reference = item["resourceFieldRef"]
                owner = next(
                    container
                    for container in self.pod["spec"]["containers"]
                    if container["name"] == reference.get("containerName")
                )
                text = downward.resource(owner, reference, self.host)
        except (ValueError, StopIteration) as error:
            raise UnresolvedReferenceError(f"downwardAPI {item['path']}: {error}") from error
        return File(text.encode(), item.get("mode", mode))

    async def _token(self, volume: str, index: int, source: Object) -> bytes:
        content, renew_at = self._tokens.get((volume, index), (b"", 0.0))
        if time.monotonic() < renew_at:
            return content
        token, seconds = await self.references.token(self.pod, source)
        self._tokens[volume, index] = (token.encode(), time.monotonic() + seconds * _TOKEN_LIFE)
        return token.encode()


def _select(
    data: Mapping[str, bytes],
    items: list[Object] | None,
    what: str,
    mode: int,
    *,
    optional: bool,
) -> Payload:
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    files: Payload = {}
    for item in items:
        if item["key"] in data:
            files[item["path"]] = File(data[item["key"]], item.get("mode", mode))
        elif not optional:
            raise UnresolvedReferenceError(f"{what} has no key {item['key']!r}")
    return files
