"""The Kubernetes API as the controller uses it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from lightkube import ApiError, Client
from lightkube.resources.core_v1 import Namespace, Secret
from lightkube.types import PatchType

from contract.kubernetes import FINALIZER
from contract.stack_name import PLATFORM_APP, StackName
from database.branches.errors import NotReadyError
from database.branches.resources import (
    Branch,
    DatabaseBranch,
    DatabaseGeneration,
    Generation,
    Object,
    read_branch,
    read_generation,
)

_ALL_NAMESPACES = "*"
# A watch is renewed this often, so that a dead connection is noticed.
_WATCH_SECONDS = 240


class Cluster(Protocol):
    """Reads and writes of the controller."""

    def branches(self) -> list[Branch]:
        """Return the requests that this controller serves."""

    def generations(self) -> list[Generation]:
        """Return all published servers."""

    def login(self, namespace: str, secret: str) -> tuple[str, str]:
        """Return user and password from a Secret.

        Raises:
            NotReadyError: The Secret, or one of its two keys, is missing.
        """

    def is_gone(self, namespace: str) -> bool:
        """Return whether a namespace does not exist; raise if the cluster does not answer."""

    def add_finalizer(self, item: Object) -> None:
        """Keep an object until `remove_finalizer`."""

    def remove_finalizer(self, item: Object) -> None:
        """Allow an object to be deleted."""

    def write_status(self, item: Object, status: Mapping[str, Any]) -> None:
        """Merge fields into an object's status."""


class KubernetesCluster:
    """A cluster behind its API server.

    Args:
        client: A client of the API server.
        namespace: The namespace in which servers are published.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def branches(self) -> list[Branch]:
        """Return the requests of the app's namespaces; every other app has its own controller."""
        listed = self._client.list(DatabaseBranch, namespace=_ALL_NAMESPACES)
        found = [read_branch(item) for item in listed]
        return [branch for branch in found if controlled_from(branch.namespace) == self._namespace]

    def generations(self) -> list[Generation]:
        """Return all published servers."""
        listed = self._client.list(DatabaseGeneration, namespace=self._namespace)
        return [read_generation(item) for item in listed]

    def login(self, namespace: str, secret: str) -> tuple[str, str]:
        """Return user and password from a Secret."""
        try:
            data = self._client.get(Secret, secret, namespace=namespace).data or {}
            return _decoded(data["username"]), _decoded(data["password"])
        except KeyError as error:
            raise NotReadyError(f"Secret {namespace}/{secret} has no key {error}.") from error
        except ApiError as error:
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise
            raise NotReadyError(f"Secret {namespace}/{secret} does not exist yet.") from error

    def is_gone(self, namespace: str) -> bool:
        """Return whether a namespace does not exist."""
        try:
            self._client.get(Namespace, namespace)
        except ApiError as error:
            if error.status.code == HTTPStatus.NOT_FOUND:
                return True
            raise
        return False

    def add_finalizer(self, item: Object) -> None:
        """Add our finalizer to an object."""
        self._patch_finalizers(item, [*item.finalizers, FINALIZER])

    def remove_finalizer(self, item: Object) -> None:
        """Remove our finalizer from an object."""
        self._patch_finalizers(item, [f for f in item.finalizers if f != FINALIZER])

    def write_status(self, item: Object, status: Mapping[str, Any]) -> None:
        """Merge fields into an object's status."""
        self._patch(_kind(item).Status, item, {"status": dict(status)})

    def watch_branches(self) -> Iterator[None]:
        """Yield each time that a request changes."""
        watched = self._client.watch(
            DatabaseBranch, namespace=_ALL_NAMESPACES, server_timeout=_WATCH_SECONDS
        )
        for _ in watched:
            yield

    def watch_generations(self) -> Iterator[None]:
        """Yield each time that a published server changes."""
        watched = self._client.watch(
            DatabaseGeneration, namespace=self._namespace, server_timeout=_WATCH_SECONDS
        )
        for _ in watched:
            yield

    def _patch_finalizers(self, item: Object, finalizers: list[str]) -> None:
        # A list is replaced as a whole, so a concurrent change has to be refused.
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
            # An object that was deleted meanwhile needs no change any more.
            if error.status.code != HTTPStatus.NOT_FOUND:
                raise


def controlled_from(namespace: str) -> str:
    """Return the namespace of the controller that answers the requests of a namespace.

    A namespace that is no preview's is answered by the platform's own, which refuses it.
    """
    stack = StackName.of_resource(namespace)
    return (PLATFORM_APP if stack is None else stack.app).branches_namespace


def _kind(item: Object) -> Any:
    return DatabaseGeneration if isinstance(item, Generation) else DatabaseBranch


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode()
