"""Updates of Ingresses by the controller: finalizer, address and Events."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event
from lightkube.resources.networking_v1 import Ingress
from lightkube.types import PatchType

from sandbox.balancer.ingress_options import Options
from sandbox.balancer.model import Model, Object, key_of

_LOG = logging.getLogger(__name__)
_OWN = "ingress.k8s.aws/resources"
_GROUP = "group.ingress.k8s.aws/"
_RETRY_SECONDS = 0.5
_LONGEST_MESSAGE = 1024  # validation of core/v1 Event


class IngressStatus:
    """Updates Ingresses to the latest model, in the background."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._ingresses: list[Object] = []
        self._model = Model()
        self._changed = asyncio.Event()
        self._told: dict[str, str] = {}

    def update(self, ingresses: Iterable[Object], model: Model) -> None:
        """Set the current Ingresses and model."""
        self._ingresses = list(ingresses)
        self._model = model
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled; failed writes are tried again."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._forget()
            results = await asyncio.gather(
                *(self._settle(ingress) for ingress in self._ingresses), return_exceptions=True
            )
            failed = [result for result in results if isinstance(result, BaseException)]
            for error in failed:
                expected = isinstance(error, httpx2.HTTPError)
                _LOG.warning("ingress: %r", error, exc_info=None if expected else error)
            if failed:
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()

    async def _settle(self, ingress: Object) -> None:
        if "deletionTimestamp" in ingress["metadata"]:
            await self._release(ingress)
            return
        key = key_of(ingress)
        if problem := self._model.problems.get(key):
            await self._report(ingress, problem)
        elif options := self._model.served.get(key):
            await self._claim(ingress, options)
            await self._publish(ingress, options)
            await self._report(ingress, "")

    async def _claim(self, ingress: Object, options: Options) -> None:
        """Add the finalizer, so that the Ingress stays until its rules are deleted."""
        finalizers = ingress["metadata"].get("finalizers") or []
        wanted = _GROUP + options.group if options.group else _OWN
        others = [name for name in finalizers if not _is_own(name)]
        if wanted not in finalizers or len(others) + 1 != len(finalizers):
            await self._finalizers(ingress, [*others, wanted])

    async def _release(self, ingress: Object) -> None:
        # The current model does not contain it: it routes nothing any more.
        finalizers = ingress["metadata"].get("finalizers") or []
        others = [name for name in finalizers if not _is_own(name)]
        if others != finalizers:
            await self._finalizers(ingress, others)

    async def _finalizers(self, ingress: Object, finalizers: list[str]) -> None:
        version = ingress["metadata"]["resourceVersion"]
        body = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
        await self._patch(Ingress, ingress, body)

    async def _publish(self, ingress: Object, options: Options) -> None:
        wanted = [{"hostname": host_name(ingress, options)}]
        status = (ingress.get("status") or {}).get("loadBalancer") or {}
        if [{"hostname": entry.get("hostname")} for entry in status.get("ingress") or ()] != wanted:
            body = {"status": {"loadBalancer": {"ingress": wanted}}}
            await self._patch(Ingress.Status, ingress, body)

    async def _patch(self, kind: Any, ingress: Object, body: Object) -> None:
        name, namespace = ingress["metadata"]["name"], ingress["metadata"]["namespace"]
        try:
            await self._client.patch(
                kind, name, body, namespace=namespace, patch_type=PatchType.MERGE
            )
        except ApiError as error:
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise

    async def _report(self, ingress: Object, problem: str) -> None:
        """Create an Event when an Ingress begins or stops being served, or the reason changes."""
        uid = ingress["metadata"]["uid"]
        if self._told.get(uid) == problem:
            return
        self._told[uid] = problem
        if problem:
            _LOG.warning("ingress %s: %s", key_of(ingress), problem)
        try:
            await self._client.create(_event(ingress, problem))
        except httpx2.HTTPError as error:
            # An Event is not part of the state, so its loss is accepted.
            _LOG.info("event of ingress %s not written: %s", key_of(ingress), error)

    def _forget(self) -> None:
        living = {ingress["metadata"]["uid"] for ingress in self._ingresses}
        self._told = {uid: problem for uid, problem in self._told.items() if uid in living}


def host_name(ingress: Object, options: Options) -> str:
    """Return the load balancer's name in AWS's form, below ``localhost`` so that it resolves."""
    group = options.group or key_of(ingress).replace("/", "-")
    digest = hashlib.sha256(group.encode()).hexdigest()[:10]
    # A DNS label has at most 63 characters.
    return f"k8s-{group.replace('.', '-')[:40].strip('-')}-{digest}.elb.localhost"


def _event(ingress: Object, problem: str) -> Event:
    metadata, now = ingress["metadata"], datetime.now(UTC)
    message = f"Failed build model due to {problem}" if problem else "Successfully reconciled"
    return Event(
        # Named as by client-go: kubectl sorts Events of the same second by name.
        metadata=ObjectMeta(
            name=f"{metadata['name']}.{time.time_ns():x}", namespace=metadata["namespace"]
        ),
        involvedObject=ObjectReference(
            apiVersion="networking.k8s.io/v1",
            kind="Ingress",
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            resourceVersion=metadata["resourceVersion"],
        ),
        type="Warning" if problem else "Normal",
        reason="FailedBuildModel" if problem else "SuccessfullyReconciled",
        message=message[:_LONGEST_MESSAGE],
        source=EventSource(component="ingress"),
        firstTimestamp=now,
        lastTimestamp=now,
        count=1,
    )


def _is_own(finalizer: str) -> bool:
    return finalizer == _OWN or finalizer.startswith(_GROUP)
