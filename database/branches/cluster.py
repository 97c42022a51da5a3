"""The cluster, as far as the controller reads and writes it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from lightkube import ApiError, Client
from lightkube.resources.core_v1 import Namespace, Secret
from lightkube.types import PatchType

from database.branches.errors import NotReadyError
from database.branches.resources import (
    FINALIZER,
    Branch,
    DatabaseBranch,
    DatabaseGeneration,
    Generation,
    Object,
    read_branch,
    read_generation,
)

_EVERYWHERE = "*"
# A quiet watch is begun anew this often, so that a dead connection is noticed.
_WATCH_SECONDS = 240


class Cluster(Protocol):
    """What the controller asks of the cluster."""

    def branches(self) -> list[Branch]:
        """Every claim, in all namespaces."""

    def generations(self) -> list[Generation]:
        """Every server that was published."""

    def login(self, namespace: str, secret: str) -> tuple[str, str]:
        """User and password of a Secret.

        Raises:
            NotReadyError: It is not there, or lacks one of the two.
        """

    def is_gone(self, namespace: str) -> bool:
        """Whether a namespace does not exist; raises when there is no answer."""

    def keep(self, item: Object) -> None:
        """Keep an object until `release`."""

    def release(self, item: Object) -> None:
        """Let an object go."""

    def report(self, item: Object, status: Mapping[str, Any]) -> None:
        """Write an object's status."""


class KubernetesCluster:
    """A cluster behind its API server.

    Args:
        client: Talks to the API server.
        namespace: Where servers are published.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def branches(self) -> list[Branch]:
        """Every claim, in all namespaces."""
        return [read_branch(i) for i in self._client.list(DatabaseBranch, namespace=_EVERYWHERE)]

    def generations(self) -> list[Generation]:
        """Every server that was published."""
        listed = self._client.list(DatabaseGeneration, namespace=self._namespace)
        return [read_generation(item) for item in listed]

    def login(self, namespace: str, secret: str) -> tuple[str, str]:
        """User and password of a Secret."""
        try:
            data = self._client.get(Secret, secret, namespace=namespace).data or {}
            return _decoded(data["username"]), _decoded(data["password"])
        except KeyError as error:
            raise NotReadyError(f"Secret {namespace}/{secret} has no key {error}.") from error
        except ApiError as error:
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise
            raise NotReadyError(f"there is no Secret {namespace}/{secret} yet.") from error

    def is_gone(self, namespace: str) -> bool:
        """Whether a namespace does not exist."""
        try:
            self._client.get(Namespace, namespace)
        except ApiError as error:
            if error.status.code == HTTPStatus.NOT_FOUND:
                return True
            raise
        return False

    def keep(self, item: Object) -> None:
        """Put our finalizer onto an object."""
        self._patch_finalizers(item, [*item.finalizers, FINALIZER])

    def release(self, item: Object) -> None:
        """Take our finalizer off an object."""
        self._patch_finalizers(item, [f for f in item.finalizers if f != FINALIZER])

    def report(self, item: Object, status: Mapping[str, Any]) -> None:
        """Write an object's status."""
        self._patch(_kind(item).Status, item, {"status": dict(status)})

    def changes(self) -> Iterator[None]:
        """Something happens each time that a claim changes."""
        watched = self._client.watch(
            DatabaseBranch, namespace=_EVERYWHERE, server_timeout=_WATCH_SECONDS
        )
        for _ in watched:
            yield

    def publications(self) -> Iterator[None]:
        """Something happens each time that a server's publication changes."""
        watched = self._client.watch(
            DatabaseGeneration, namespace=self._namespace, server_timeout=_WATCH_SECONDS
        )
        for _ in watched:
            yield

    def _patch_finalizers(self, item: Object, finalizers: list[str]) -> None:
        # A list is replaced as a whole, so nobody may have changed it meanwhile.
        metadata = {"finalizers": finalizers, "resourceVersion": item.version}
        self._patch(_kind(item), item, {"metadata": metadata})

    def _patch(self, kind: Any, item: Object, change: dict[str, Any]) -> None:
        try:
            self._client.patch(
                kind,
                item.name,
                change,
                namespace=item.namespace,
                patch_type=PatchType.MERGE,
            )
        except ApiError as error:
            # What went meanwhile needs nothing said of it any more.
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise


def _kind(item: Object) -> Any:
    return DatabaseGeneration if isinstance(item, Generation) else DatabaseBranch


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode()
