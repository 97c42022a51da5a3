"""The cluster that all previews share, through the kubeconfig's context of its name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, cast

import httpx
import kr8s
from kr8s.objects import APIObject, object_from_spec

from previews.errors import PreviewsError


class Cluster:
    """Asks the cluster's API server.

    Attributes:
        name: The cluster's name, and that of the kubeconfig's context for it.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def each(self, kind: str, *, namespace: str = kr8s.ALL) -> Iterator[APIObject]:
        """Every object of a kind, in all namespaces or in one.

        Raises:
            PreviewsError: The cluster gives no answer.
        """
        with self.answered(kind):
            yield from cast("Iterator[APIObject]", self.api.get(kind, namespace=namespace))

    def find(self, kind: str, name: str, *, namespace: str | None = None) -> APIObject | None:
        """One object, or None where there is no such object.

        Args:
            kind: Such as ``deployments.v1.apps``.
            name: Its name.
            namespace: Its namespace; None for a kind that is in none.

        Raises:
            PreviewsError: The cluster gives no answer, or knows no such kind.
        """
        with self.answered(f"{kind} {name}"):
            selector = {"metadata.name": name}
            found = self.api.get(kind, namespace=namespace or kr8s.ALL, field_selector=selector)
            return cast("APIObject | None", next(iter(found), None))

    def create(self, document: dict[str, Any]) -> None:
        """Make an object.

        Raises:
            PreviewsError: The cluster gives no answer, or refuses it.
        """
        name = f"{document['kind']} {document['metadata']['name']}"
        with self.answered(name):
            object_from_spec(document, api=self.api).create()

    def patch(self, thing: APIObject, change: dict[str, Any]) -> None:
        """Change an object.

        Raises:
            PreviewsError: The cluster gives no answer, or refuses it.
        """
        with self.answered(f"{thing.kind} {thing.name}"):
            thing.patch(change)

    def delete(self, thing: APIObject) -> None:
        """Ask an object to go, and with it what it owns; one that is gone is fine.

        Raises:
            PreviewsError: The cluster gives no answer, or refuses it.
        """
        with self.answered(f"{thing.kind} {thing.name}"), suppress(kr8s.NotFoundError):
            thing.delete(propagation_policy="Background")

    @cached_property
    def api(self) -> kr8s.Api:
        """The connection, made when it is first needed."""
        with self.answered("connection"), warnings.catch_warnings():
            # It warns of each version that is newer than itself, and works.
            warnings.filterwarnings("ignore", message="Kubernetes version .* is not supported")
            return kr8s.api(context=self.name)

    @contextmanager
    def answered(self, what: str) -> Iterator[None]:
        """Tell of what goes wrong meanwhile as of a cluster that gives no usable answer.

        Args:
            what: What the cluster is asked about.

        Raises:
            PreviewsError: It did.
        """
        failures = (kr8s.ServerError, kr8s.APITimeoutError, kr8s.ConnectionClosedError)
        try:
            yield
        except (*failures, httpx.HTTPError, OSError, ValueError) as error:
            raise PreviewsError(
                "kubernetes-failed",
                f"{what} in cluster {self.name}",
                why=f"the cluster gives no usable answer: {error!r}",
                remedy=f"check KUBECONFIG: `aws eks update-kubeconfig --name {self.name}"
                f" --alias {self.name}`, and that `kubectl get namespaces` answers.",
            ) from error
