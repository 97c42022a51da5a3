"""Events on Pods whose connections were denied, once for each destination."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event

from contract.networks import NOT_PUBLIC
from sandbox.node.network_policy import EGRESS, Denial

_LOG = logging.getLogger(__name__)

REASON: Final = "NetworkPolicyDenied"
_COMPONENT: Final = "network-policy"
_MOST_OF_A_POD: Final = 20
_RETRY_SECONDS: Final = 0.5
# A program asks about a name's addresses by UDP just before it connects by TCP.
_GATHER_SECONDS: Final = 0.2
_LONGEST_MESSAGE: Final = 1024  # validation of core/v1 Event
_LONGEST_NAME: Final = 253
_GONE: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT}
"""Answers for a namespace that has ended or is ending, and for an Event that is there."""


@dataclass(frozen=True)
class PodIdentity:
    """A Pod as the kubelet names it.

    Attributes:
        address: Its address.
        namespace: Its namespace.
        name: Its name.
        uid: Its identifier.
        labels: Its labels when it was started; later ones come from the API.
    """

    address: str
    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Denied:
    """A connection that was denied.

    Attributes:
        pod: Pod that wanted it.
        protocol: ``TCP`` or ``UDP``.
        address: Where to.
        port: Likewise.
        denial: Why; None for a loopback address where the Pod itself does not listen.
        target: What has that address, if that is known.
        stands_for: Address that it was judged as.
    """

    pod: PodIdentity
    protocol: str
    address: str
    port: int
    denial: Denial | None = None
    target: str = ""
    stands_for: str = ""

    @property
    def destination(self) -> str:
        """Where to, for people."""
        return f"{self.protocol.lower()} {self.address}:{self.port}"

    @property
    def message(self) -> str:
        """What happened, and what to do."""
        to = f"{self.destination} ({self.target})" if self.target else self.destination
        if self.denial is None:
            return (
                f"{to} is refused: no process of this Pod listens there, and on a cluster it"
                " reaches no other program by a loopback address"
            )
        policies = ", ".join(self.denial.policies)
        if self.denial.direction == EGRESS:
            advice = (
                "no preview may connect to a private network"
                if _is_private(self.stands_for or self.address)
                else "if the app needs it, name its host and port under `egress` in preview.yaml"
            )
            return f"{to} is denied by {policies}: no rule allows this Pod to connect; {advice}"
        return f"{to} is denied by {policies}: no rule lets this Pod in"


class Reporter:
    """Writes the Events."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[Denied] = []
        self._filled = asyncio.Event()
        self._told: dict[str, set[str]] = {}

    def report(self, denied: Denied) -> None:
        """Report a denied connection, from any thread."""
        _LOG.info("%s/%s: %s", denied.pod.namespace, denied.pod.name, denied.message)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, denied)

    def forget(self, pod: PodIdentity) -> None:
        """Forget a Pod that has ended."""
        self._told.pop(pod.uid, None)

    async def run(self, client: AsyncClient) -> None:
        """Write until cancelled; an Event that can't be written is tried again."""
        self._loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._filled.clear()
            waiting, self._waiting = self._waiting, []
            by_tcp = {(d.pod.uid, d.address, d.port) for d in waiting if d.protocol == "TCP"}
            for denied in waiting:
                key = (denied.pod.uid, denied.address, denied.port)
                if denied.protocol == "TCP" or key not in by_tcp:
                    await self._write(client, denied)

    def _add(self, denied: Denied) -> None:
        told = self._told.setdefault(denied.pod.uid, set())
        if denied.destination in told or len(told) >= _MOST_OF_A_POD:
            return
        told.add(denied.destination)
        self._waiting.append(denied)
        self._filled.set()

    async def _write(self, client: AsyncClient, denied: Denied) -> None:
        event = _event(denied)
        while True:
            try:
                await client.create(event)
            except ApiError as error:
                if error.status.code not in _GONE:
                    _LOG.warning("Event of %s: %r", denied.pod.name, error)
            except httpx2.HTTPError as error:
                _LOG.info("Event of %s: %r", denied.pod.name, error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            return


def _is_private(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(network) for network in NOT_PUBLIC)


def _event(denied: Denied) -> Event:
    pod, now = denied.pod, datetime.now(UTC)
    # The same name after a restart of the node, so that it is written once.
    code = hashlib.sha256(f"{pod.uid} {denied.destination}".encode()).hexdigest()[:16]
    return Event(
        metadata=ObjectMeta(
            name=f"{pod.name[: _LONGEST_NAME - 17]}.{code}", namespace=pod.namespace
        ),
        involvedObject=ObjectReference(
            apiVersion="v1", kind="Pod", name=pod.name, namespace=pod.namespace, uid=pod.uid
        ),
        type="Warning",
        reason=REASON,
        message=denied.message[:_LONGEST_MESSAGE],
        source=EventSource(component=_COMPONENT),
        reportingComponent=_COMPONENT,
        firstTimestamp=now,
        lastTimestamp=now,
        count=1,
    )
