"""Keeps a Pod's status in the API server as the node knows it."""

from __future__ import annotations

import asyncio
import logging

from sandbox.kube.client import CONFLICT, NOT_FOUND, UNREACHABLE, ApiClient, ApiError
from sandbox.kube.objects import Object, key_of, name_of, namespace_of, uid_of
from sandbox.node.status import PodState, pod_status

_LOG = logging.getLogger(__name__)
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0


def pod_path(pod: Object) -> str:
    """The Pod's path in the API."""
    return f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}"


class StatusWriter:
    """Writes the status when it has changed, always the latest, until it is in.

    Attributes:
        gone: Set when the API server says that this very Pod is no more.
    """

    def __init__(self, client: ApiClient, state: PodState) -> None:
        self._client = client
        self._state = state
        self._changed = asyncio.Event()
        self._written: Object | None = None
        self._settled = asyncio.Event()
        self.gone = asyncio.Event()

    def changed(self) -> None:
        """Something that the status shows may be different now."""
        if not self.gone.is_set():
            self._settled.clear()
            self._changed.set()

    async def settled(self) -> None:
        """Wait until the present status is in, or nobody wants it any more."""
        await self._settled.wait()

    async def run(self) -> None:
        """Write, until cancelled or the Pod is gone."""
        delay = _FIRST_RETRY_SECONDS
        while not self.gone.is_set():
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._write()
            except ApiError as error:
                if error.code in {NOT_FOUND, CONFLICT}:  # Conflict: another uid under this name.
                    break
                _LOG.warning("status of pod %s: %s", key_of(self._state.pod), error)
            except UNREACHABLE as error:
                _LOG.info("status of pod %s: %r", key_of(self._state.pod), error)
            else:
                delay = _FIRST_RETRY_SECONDS
                if not self._changed.is_set():
                    self._settled.set()
                continue
            self._changed.set()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY_SECONDS)
        self.gone.set()
        self._settled.set()

    async def _write(self) -> None:
        status = pod_status(self._state)
        if status == self._written:
            return
        pod = self._state.pod
        body = {"metadata": {"uid": uid_of(pod)}, "status": status}
        await self._client.patch(f"{pod_path(pod)}/status", body)
        self._written = status
