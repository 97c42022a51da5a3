"""The Secrets, ConfigMaps, Services and tokens that Pods refer to."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.kube.client import NOT_FOUND, UNREACHABLE, ApiClient, ApiError
from sandbox.kube.objects import Object, name_of, namespace_of, uid_of


class UnresolvedReferenceError(Exception):
    """Something that a Pod refers to is not there, or not as the Pod expects it."""


class References:
    """Reads, for one Pod's namespace, what the Pod refers to."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._base = f"/api/v1/namespaces/{namespace}"

    async def secret(self, name: str, *, optional: bool = False) -> dict[str, bytes] | None:
        """A Secret's decoded data; None when it is optional and missing.

        Raises:
            UnresolvedReferenceError: When it can't be read.
        """
        item = await self._read("secrets", "secret", name, optional=optional)
        return None if item is None else _decoded(item.get("data"))

    async def config_map(self, name: str, *, optional: bool = False) -> dict[str, bytes] | None:
        """A ConfigMap's data, text and binary; None when it is optional and missing.

        Raises:
            UnresolvedReferenceError: When it can't be read.
        """
        item = await self._read("configmaps", "configmap", name, optional=optional)
        if item is None:
            return None
        text = {key: value.encode() for key, value in (item.get("data") or {}).items()}
        return text | _decoded(item.get("binaryData"))

    async def services(self) -> list[Object]:
        """The namespace's Services."""
        try:
            return list((await self._client.get(f"{self._base}/services")).get("items") or ())
        except (ApiError, *UNREACHABLE) as error:
            raise UnresolvedReferenceError(f"services: {error}") from error

    async def token(self, pod: Object, projection: Object) -> tuple[str, int]:
        """A service account token bound to the Pod, and the seconds it is valid for.

        Raises:
            UnresolvedReferenceError: When the API server gives none.
        """
        account = pod["spec"].get("serviceAccountName") or "default"
        audience = projection.get("audience")
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": projection.get("expirationSeconds") or 3600,
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": name_of(pod),
                    "uid": uid_of(pod),
                },
            },
        }
        path = f"/api/v1/namespaces/{namespace_of(pod)}/serviceaccounts/{account}/token"
        try:
            answer = await self._client.create(path, body)
        except (ApiError, *UNREACHABLE) as error:
            raise UnresolvedReferenceError(
                f"token of serviceaccount {account!r}: {error}"
            ) from error
        return answer["status"]["token"], int(answer["spec"]["expirationSeconds"])

    async def _read(
        self, collection: str, kind: str, name: str, *, optional: bool
    ) -> Object | None:
        try:
            return await self._client.get(f"{self._base}/{collection}/{name}")
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise UnresolvedReferenceError(f"{kind} {name!r}: {error}") from error
            if optional:
                return None
            raise UnresolvedReferenceError(f"{kind} {name!r} not found") from error
        except UNREACHABLE as error:
            raise UnresolvedReferenceError(f"{kind} {name!r}: API server: {error!r}") from error


def _decoded(data: Any) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (data or {}).items()}
