"""The Kubernetes API over HTTPS: discovery, server-side apply, watches.

The usual client library costs a second and 100 MB to import; the stand-in needs six verbs.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from sandbox.errors import SandboxError
from sandbox.providers.kubernetes.kubeconfig import Cluster

Object = dict[str, Any]
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 60.0
_WATCH_SECONDS: Final = 300
_COMES_BACK_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.2


class ApiError(SandboxError):
    """An answer of the API server that is an error.

    Attributes:
        code: HTTP status.
        reason: The API's own word for it, ``Conflict``.
    """

    def __init__(self, what: str, code: int, reason: str, message: str) -> None:
        super().__init__(
            what,
            why=f"the API server says: {message}",
            remedy="correct the manifest, or what is in the cluster, and run it again",
        )
        self.code = code
        self.reason = reason


class UnreachableError(SandboxError):
    """No answer at all."""


@dataclass(frozen=True)
class Ref:
    """One object: where it is in the API, and what a person calls it."""

    api_version: str
    kind: str
    collection: str
    name: str

    @property
    def path(self) -> str:
        """Its URL's path."""
        return f"{self.collection}/{self.name}"

    def __str__(self) -> str:
        """``Deployment pr-42/web`` or ``Namespace pr-42``."""
        _, _, rest = self.collection.partition("/namespaces/")
        namespace = rest.partition("/")[0]
        return f"{self.kind} {namespace}/{self.name}" if namespace else f"{self.kind} {self.name}"


class Api:
    """One API server; safe for any number of calls at once."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        headers = {"Authorization": f"Bearer {cluster.token}"} if cluster.token else {}
        self._http = httpx.AsyncClient(
            base_url=cluster.server,
            verify=cluster.tls(),
            headers=headers,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            # Every waiting resource holds a connection for its watch.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=16),
            # The API server is on this machine; a proxy in the environment is not for it.
            trust_env=False,
        )
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    async def ref(self, api_version: str, kind: str, namespace: str | None, name: str) -> Ref:
        """Where an object is; its namespace is the context's unless given.

        Raises:
            SandboxError: When the API server has no such kind.
        """
        plural, namespaced = await self._kind(api_version, kind)
        root = _root(api_version)
        if namespaced:
            root += f"/namespaces/{namespace or self.cluster.namespace}"
        return Ref(api_version, kind, f"{root}/{plural}", name)

    async def get(self, ref: Ref) -> Object | None:
        """The object, or None."""
        try:
            return await self._request(str(ref), "GET", ref.path)
        except ApiError as error:
            if error.code == httpx.codes.NOT_FOUND:
                return None
            raise

    async def list_of(self, collection: str, labels: Mapping[str, str]) -> list[Object]:
        """The objects of a collection that carry the labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        answer = await self._request(
            collection, "GET", collection, params={"labelSelector": selector}
        )
        items: list[Object] = answer["items"]
        return items

    async def apply(self, ref: Ref, body: Object, manager: str) -> Object:
        """Server-side apply; unknown and duplicate fields are errors, and so are conflicts."""
        return await self._request(
            str(ref),
            "PATCH",
            ref.path,
            params={"fieldManager": manager, "fieldValidation": "Strict"},
            content=json.dumps(body),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    async def delete(self, ref: Ref) -> bool:
        """Ask for its deletion, dependents first; False when there is none."""
        try:
            await self._request(
                str(ref), "DELETE", ref.path, json={"propagationPolicy": "Foreground"}
            )
        except ApiError as error:
            if error.code == httpx.codes.NOT_FOUND:
                return False
            if error.code != httpx.codes.CONFLICT:  # A namespace that is being deleted already.
                raise
        return True

    async def log(self, pod: Ref, container: str, lines: int) -> str:
        """The last lines that a container wrote; empty when there is no log to be had."""
        try:
            answer = await self._http.get(
                f"{pod.path}/log", params={"container": container, "tailLines": lines}
            )
        except httpx.HTTPError:
            return ""
        return answer.text.strip() if answer.is_success else ""

    async def follow(self, ref: Ref) -> AsyncGenerator[Object | None, None]:
        """The object now and after each change, None while there is none; endless.

        An API server that went away is given time to come back: whoever waits has a limit.
        """
        selector = {"fieldSelector": f"metadata.name={ref.name}"}
        answered = time.monotonic()
        while True:
            try:
                found = await self._request(str(ref), "GET", ref.collection, params=selector)
            except UnreachableError:
                if time.monotonic() - answered > _COMES_BACK_SECONDS:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            items = found["items"]
            yield _typed(ref, items[0]) if items else None
            async for event in self._watch(ref, selector, found["metadata"]["resourceVersion"]):
                if event["type"] == "ERROR":
                    break  # Too old a version: list again.
                yield None if event["type"] == "DELETED" else event["object"]
            answered = time.monotonic()

    async def _watch(
        self, ref: Ref, selector: Mapping[str, str], version: str
    ) -> AsyncGenerator[Object, None]:
        params = {
            **selector,
            "watch": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        timeout = httpx.Timeout(_WATCH_SECONDS + _ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        try:
            async with self._http.stream(
                "GET", ref.collection, params=params, timeout=timeout
            ) as answer:
                async for line in answer.aiter_lines():
                    yield json.loads(line)
        except httpx.TransportError:
            return  # The server went away in the middle; listing again says whether it is back.

    async def _kind(self, api_version: str, kind: str) -> tuple[str, bool]:
        if kind not in self._kinds.get(api_version, {}):
            self._kinds[api_version] = await self._discover(api_version)
        known = self._kinds[api_version]
        if kind in known:
            return known[kind]
        raise SandboxError(
            f"{kind} of {api_version}",
            why=f"the API server has no such kind; {api_version} has "
            + (", ".join(sorted(known)) or "none"),
            remedy="correct apiVersion or kind, or install its CustomResourceDefinition first",
        )

    async def _discover(self, api_version: str) -> dict[str, tuple[str, bool]]:
        try:
            answer = await self._request(api_version, "GET", _root(api_version))
        except ApiError as error:
            if error.code == httpx.codes.NOT_FOUND:
                return {}
            raise
        return {
            item["kind"]: (item["name"], item["namespaced"])
            for item in answer["resources"]
            if "/" not in item["name"]
        }

    async def _request(self, what: str, method: str, path: str, **options: Any) -> Object:
        try:
            answer = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"the Kubernetes API at {self.cluster.server}",
                why=str(error) or type(error).__name__,
                remedy="see `sandbox status`; start the sandbox with `sandbox up`",
            ) from error
        body = _body(answer)
        if answer.is_success:
            return body
        raise ApiError(
            what, answer.status_code, body.get("reason", ""), body.get("message", answer.text)
        )


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _body(answer: httpx.Response) -> Object:
    try:
        body = answer.json()
    except json.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _typed(ref: Ref, item: Object) -> Object:
    """An item of a list lacks what the list says once."""
    return {"apiVersion": ref.api_version, "kind": ref.kind, **item}
