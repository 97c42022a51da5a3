"""A cache of one kind of object that follows the API server.

Level-triggered: after every list, whatever differs from the cache is reported,
so nothing that happened while the connection was away is missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from sandbox.kube.client import GONE, UNREACHABLE, ApiClient, ApiError
from sandbox.kube.objects import Object, key_of, uid_of

_LOG = logging.getLogger(__name__)
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 5.0

Change = Callable[[Object | None, Object | None], None]
"""Called with what was and what is: (None, new), (old, new) or (old, None)."""


class Informer:
    """Lists and watches a collection, and keeps doing so until cancelled.

    Attributes:
        objects: What exists, by ``namespace/name``.
        synced: Set after the first list.
    """

    def __init__(
        self,
        client: ApiClient,
        path: str,
        *,
        kind: str,
        on_change: Change,
        params: Mapping[str, str] | None = None,
    ) -> None:
        self.objects: dict[str, Object] = {}
        self.synced = asyncio.Event()
        self._client = client
        self._path = path
        # A list says its items' kind once, for all of them.
        self._type = {"apiVersion": _api_version(path), "kind": kind}
        self._params = dict(params or {})
        self._on_change = on_change

    async def run(self) -> None:
        """Follow the collection; survives restarts of the API server and 410 Gone."""
        delay = _FIRST_RETRY_SECONDS
        version = ""
        while True:
            try:
                if not version:
                    version = await self._list()
                async for event in self._client.watch(
                    self._path, {**self._params, "resourceVersion": version}
                ):
                    version = self._apply(event)
                    delay = _FIRST_RETRY_SECONDS
            except ApiError as error:
                version = ""
                if error.code != GONE:
                    _LOG.warning("watch of %s: %s", self._path, error)
            except UNREACHABLE as error:
                _LOG.info("watch of %s: %r", self._path, error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY_SECONDS)

    async def _list(self) -> str:
        answer = await self._client.get(self._path, self._params)
        found = {key_of(item): item for item in answer.get("items") or ()}
        for key in [key for key in self.objects if key not in found]:
            self._forget(key)
        for item in found.values():
            self._store(item)
        self.synced.set()
        return str(answer["metadata"]["resourceVersion"])

    def _apply(self, event: Object) -> str:
        item = event["object"]
        match event["type"]:
            case "ERROR":
                raise ApiError(item.get("code", 0), item.get("reason", ""), item.get("message", ""))
            case "ADDED" | "MODIFIED":
                self._store(item)
            case "DELETED":
                self._forget(key_of(item))
        return str(item["metadata"]["resourceVersion"])

    def _store(self, item: Object) -> None:
        item = {**self._type, **item}
        item["metadata"].pop("managedFields", None)  # Half the size, and nobody reads it.
        key = key_of(item)
        old = self.objects.get(key)
        if old is not None and uid_of(old) != uid_of(item):
            self._forget(key)
            old = None
        if old is not None and _version(old) == _version(item):
            return
        self.objects[key] = item
        self._on_change(old, item)

    def _forget(self, key: str) -> None:
        old = self.objects.pop(key, None)
        if old is not None:
            self._on_change(old, None)


def _api_version(path: str) -> str:
    # "/api/v1/pods", "/apis/networking.k8s.io/v1/ingresses"
    parts = path.strip("/").split("/")
    return parts[1] if parts[0] == "api" else "/".join(parts[1:3])


def _version(item: Object) -> str:
    return str(item["metadata"].get("resourceVersion"))
