"""Events: what ``kubectl describe`` shows beneath an object."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

from sandbox.kube import clock
from sandbox.kube.client import UNREACHABLE, ApiClient, ApiError
from sandbox.kube.objects import Object, name_of, namespace_of, uid_of

_LOG = logging.getLogger(__name__)
_REMEMBERED = 256
_QUEUED = 1000
_LONGEST_MESSAGE = 1024  # validation of core/v1 Event


@dataclass(frozen=True)
class _Notice:
    subject: Object
    kind: str
    reason: str
    message: str
    field_path: str

    @property
    def identity(self) -> tuple[str, str, str, str, str]:
        return (uid_of(self.subject), self.kind, self.reason, self.message, self.field_path)


class Recorder:
    """Writes Events in the background; a repeated one raises its count.

    An Event is news, not state: one that can't be written is logged and dropped.
    """

    def __init__(self, client: ApiClient, *, component: str, host: str) -> None:
        self._client = client
        self._source = {"component": component, "host": host}
        self._queue: asyncio.Queue[_Notice] = asyncio.Queue(_QUEUED)
        self._written: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()

    def normal(self, subject: Object, reason: str, message: str, field_path: str = "") -> None:
        """Something went as it should."""
        self._put(_Notice(subject, "Normal", reason, message, field_path))

    def warning(self, subject: Object, reason: str, message: str, field_path: str = "") -> None:
        """Something a person should look at."""
        self._put(_Notice(subject, "Warning", reason, message, field_path))

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        while True:
            notice = await self._queue.get()
            try:
                await self._write(notice)
            except (ApiError, *UNREACHABLE) as error:
                _LOG.info("event %s %s not written: %s", notice.reason, notice.message, error)

    def _put(self, notice: _Notice) -> None:
        try:
            self._queue.put_nowait(notice)
        except asyncio.QueueFull:
            _LOG.warning("event dropped: %s %s", notice.reason, notice.message)

    async def _write(self, notice: _Notice) -> None:
        namespace = namespace_of(notice.subject) or "default"
        collection = f"/api/v1/namespaces/{namespace}/events"
        moment = clock.rfc3339(clock.now())
        if known := self._written.get(notice.identity):
            name, count = known
            try:
                await self._client.patch(
                    f"{collection}/{name}", {"count": count + 1, "lastTimestamp": moment}
                )
            except ApiError:  # It expired, or its namespace came anew: write it again.
                del self._written[notice.identity]
            else:
                self._written[notice.identity] = (name, count + 1)
                return
        # As client-go names them: kubectl shows those of one second in the order of their names.
        name = f"{name_of(notice.subject)}.{time.time_ns():x}"
        await self._client.create(collection, self._event(notice, namespace, name, moment))
        self._written[notice.identity] = (name, 1)
        if len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)

    def _event(self, notice: _Notice, namespace: str, name: str, moment: str) -> Object:
        subject = notice.subject
        involved = {
            "apiVersion": subject.get("apiVersion", "v1"),
            "kind": subject["kind"],
            "name": name_of(subject),
            "uid": uid_of(subject),
            "resourceVersion": subject["metadata"].get("resourceVersion", ""),
        }
        if namespace_of(subject):
            involved["namespace"] = namespace
        if notice.field_path:
            involved["fieldPath"] = notice.field_path
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "type": notice.kind,
            "reason": notice.reason,
            "message": notice.message[:_LONGEST_MESSAGE],
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source["host"],
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
