"""What the controller writes to Ingresses: finalizer, address and Events."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable

from sandbox.balancer.ingress_options import Options
from sandbox.balancer.model import Model
from sandbox.kube.client import NOT_FOUND, UNREACHABLE, ApiClient, ApiError
from sandbox.kube.events import Recorder
from sandbox.kube.objects import Object, is_deleting, key_of, name_of, namespace_of, uid_of

_LOG = logging.getLogger(__name__)
_OWN = "ingress.k8s.aws/resources"
_GROUP = "group.ingress.k8s.aws/"
_RETRY_SECONDS = 0.5


class IngressStatus:
    """Brings Ingresses to what the latest model says, in the background."""

    def __init__(self, client: ApiClient, events: Recorder) -> None:
        self._client = client
        self._events = events
        self._ingresses: list[Object] = []
        self._model = Model()
        self._changed = asyncio.Event()
        self._told: dict[str, str] = {}

    def update(self, ingresses: Iterable[Object], model: Model) -> None:
        """Take in what is."""
        self._ingresses = list(ingresses)
        self._model = model
        self._changed.set()

    async def run(self) -> None:
        """Write, until cancelled; what could not be written is tried again."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._forget()
            results = await asyncio.gather(
                *(self._settle(ingress) for ingress in self._ingresses), return_exceptions=True
            )
            failed = [result for result in results if isinstance(result, BaseException)]
            for error in failed:
                expected = isinstance(error, (ApiError, *UNREACHABLE))
                _LOG.warning("ingress: %r", error, exc_info=None if expected else error)
            if failed:
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()

    async def _settle(self, ingress: Object) -> None:
        if is_deleting(ingress):
            await self._release(ingress)
            return
        key = key_of(ingress)
        if problem := self._model.problems.get(key):
            self._tell(ingress, problem)
        elif options := self._model.served.get(key):
            await self._claim(ingress, options)
            await self._publish(ingress, options)
            self._tell(ingress, "")

    async def _claim(self, ingress: Object, options: Options) -> None:
        """So that the Ingress stays until its rules are gone."""
        finalizers = ingress["metadata"].get("finalizers") or []
        wanted = _GROUP + options.group if options.group else _OWN
        others = [name for name in finalizers if not _is_own(name)]
        if wanted not in finalizers or len(others) + 1 != len(finalizers):
            await self._finalizers(ingress, [*others, wanted])

    async def _release(self, ingress: Object) -> None:
        # The model has been built without it already: nothing is routed by it any more.
        finalizers = ingress["metadata"].get("finalizers") or []
        others = [name for name in finalizers if not _is_own(name)]
        if others != finalizers:
            await self._finalizers(ingress, others)

    async def _finalizers(self, ingress: Object, finalizers: list[str]) -> None:
        version = ingress["metadata"]["resourceVersion"]
        body = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
        await self._patch(ingress, "", body)

    async def _publish(self, ingress: Object, options: Options) -> None:
        wanted = [{"hostname": host_name(ingress, options)}]
        status = (ingress.get("status") or {}).get("loadBalancer") or {}
        if [{"hostname": entry.get("hostname")} for entry in status.get("ingress") or ()] != wanted:
            await self._patch(ingress, "/status", {"status": {"loadBalancer": {"ingress": wanted}}})

    async def _patch(self, ingress: Object, subresource: str, body: Object) -> None:
        namespace, name = namespace_of(ingress), name_of(ingress)
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}{subresource}"
        try:
            await self._client.patch(path, body, strategic=False)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise

    def _tell(self, ingress: Object, problem: str) -> None:
        """An Event for each change between served and not, or of the reason."""
        if self._told.get(uid_of(ingress)) == problem:
            return
        self._told[uid_of(ingress)] = problem
        if problem:
            _LOG.warning("ingress %s: %s", key_of(ingress), problem)
            self._events.warning(
                ingress, "FailedBuildModel", f"Failed build model due to {problem}"
            )
        else:
            self._events.normal(ingress, "SuccessfullyReconciled", "Successfully reconciled")

    def _forget(self) -> None:
        living = {uid_of(ingress) for ingress in self._ingresses}
        self._told = {uid: problem for uid, problem in self._told.items() if uid in living}


def host_name(ingress: Object, options: Options) -> str:
    """The load balancer's name, formed as AWS does; below ``localhost`` it resolves."""
    group = options.group or f"{namespace_of(ingress)}-{name_of(ingress)}"
    digest = hashlib.sha256(group.encode()).hexdigest()[:10]
    # A label of DNS: at most 63 characters.
    return f"k8s-{group.replace('.', '-')[:40].strip('-')}-{digest}.elb.localhost"


def _is_own(finalizer: str) -> bool:
    return finalizer == _OWN or finalizer.startswith(_GROUP)
