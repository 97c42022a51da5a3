"""The cluster that all previews share, through the kubeconfig's context of its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube import ApiError, Client
from lightkube.config.kubeconfig import DEFAULT_KUBECONFIG, KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.resources.core_v1 import PodLog
from lightkube.types import CascadeType, PatchType

from previews.errors import PreviewsError

_EVERYWHERE = "*"
# What lightkube raises for a kubeconfig that is unusable: only some are errors of its own.
_FAILURES = (
    *(httpx2.HTTPError, ConfigError, yaml.YAMLError),
    *(OSError, AssertionError, AttributeError, KeyError, TypeError, ValueError),
)


@dataclass(frozen=True)
class KubernetesObject:
    """An object as the API server returned it.

    Attributes:
        resource: Its resource as ``plural.version.group``: ``deployments.v1.apps``, ``pods``.
        raw: The whole document.
    """

    resource: str
    raw: dict[str, Any]

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.resource.partition('.')[0]} {where}{self.name}"

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata."""
        return dict(self.raw["metadata"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata["name"])

    @property
    def namespace(self) -> str | None:
        """Its namespace; None for a resource that has none."""
        return self.metadata.get("namespace") or None

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.metadata.get("labels") or {})

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        return dict(self.metadata.get("annotations") or {})


class Cluster:
    """The API server of a cluster.

    Every method raises a `PreviewsError` where the cluster gives no usable response.
    """

    def __init__(self, name: str) -> None:
        """Connect to nothing yet.

        Args:
            name: The cluster's name, and that of the kubeconfig's context for it.
        """
        self.name = name

    def each(
        self, resource: str, *, namespace: str | None = None, fields: dict[str, Any] | None = None
    ) -> Iterator[KubernetesObject]:
        """Yield every object of a resource.

        Args:
            resource: The resource as ``plural.version.group``; ``namespaces`` for core v1.
            namespace: Only those in this namespace; None for all.
            fields: Only those whose fields have these values.
        """
        with self._explained(resource):
            # The list of a resource in all namespaces is where that of a cluster's is.
            model = _model(resource, namespaced=True)
            for found in self._client.list(
                model, namespace=namespace or _EVERYWHERE, fields=fields
            ):
                yield KubernetesObject(resource, dict(found))

    def find(
        self, resource: str, name: str, *, namespace: str | None = None
    ) -> KubernetesObject | None:
        """Return one object, or None where there is no such object.

        It is looked for in the list: a resource that the cluster does not serve is then an
        error, and not taken for an absent object.

        Args:
            resource: As in `each`.
            name: Its name.
            namespace: Its namespace; None for a resource that has none.
        """
        return next(self.each(resource, namespace=namespace, fields={"metadata.name": name}), None)

    def read(self, manifest: Mapping[str, Any]) -> KubernetesObject | None:
        """Return the object that a manifest describes, or None where there is no such object."""
        metadata = manifest["metadata"]
        resource = resource_of(manifest["apiVersion"], manifest["kind"])
        return self.find(resource, metadata["name"], namespace=metadata.get("namespace"))

    def log(
        self, pod: KubernetesObject, *, lines: int, container: str = "", previous: bool = False
    ) -> list[str]:
        """Return the last lines of a container's log.

        Args:
            pod: Its pod.
            lines: The maximum number of lines.
            container: Its name; empty for the pod's only one.
            previous: The log of its run before the last restart.
        """
        with self._explained(f"log of {pod}"):
            options = {"tailLines": lines, "container": container or None, "previous": previous}
            return self._client.log_with(pod.name, pod.namespace, options)

    def create(self, document: dict[str, Any]) -> None:
        """Create an object of a namespaced resource."""
        resource = resource_of(document["apiVersion"], document["kind"])
        with self._explained(str(KubernetesObject(resource, document))):
            self._client.create(_model(resource, namespaced=True)(document))

    def patch(self, live: KubernetesObject, change: dict[str, Any]) -> None:
        """Change an object by a merge patch."""
        with self._explained(str(live)):
            model = _model(live.resource, namespaced=live.namespace is not None)
            self._client.patch(
                model, live.name, change, namespace=live.namespace, patch_type=PatchType.MERGE
            )

    def delete(self, live: KubernetesObject) -> None:
        """Request the deletion of an object and of its dependents; one that is gone is fine."""
        with self._explained(str(live)):
            model = _model(live.resource, namespaced=live.namespace is not None)
            try:
                self._client.delete(
                    model, live.name, namespace=live.namespace, cascade=CascadeType.BACKGROUND
                )
            except ApiError as error:
                if error.status.code != HTTPStatus.NOT_FOUND:
                    raise

    @cached_property
    def _client(self) -> _Client:
        return _Client(_read_context(self.name))

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise PreviewsError(
                "kubernetes-failed",
                f"{what} in cluster {self.name}",
                why=f"the cluster gives no usable response: {error!r}",
                remedy=f"check KUBECONFIG: `aws eks update-kubeconfig --name {self.name}"
                f" --alias {self.name}`, and that `kubectl get namespaces` answers.",
            ) from error


class _Client(Client):
    def log_with(self, pod: str, namespace: str | None, options: dict[str, Any]) -> list[str]:
        # `Client.log` of lightkube 1.0.1 has no `previous`:
        # https://github.com/gtsystem/lightkube/blob/master/src/lightkube/core/client.py
        request = self._client.prepare_request(
            "get", PodLog, name=pod, namespace=namespace, params=options
        )
        response = self._client.send(self._client.build_adapter_request(request))
        response.raise_for_status()
        return str(response.text).splitlines()


def resource_of(api_version: str, kind: str) -> str:
    """Return the resource of a kind, as ``plural.version.group``.

    The plural follows the rules of English, without a request; the cluster rejects a wrong one.
    """
    group, _, version = api_version.rpartition("/")
    singular = kind.lower()
    if singular.endswith(("s", "x", "ch", "sh")):
        plural = f"{singular}es"
    elif singular.endswith("y") and not singular.endswith(("ay", "ey")):
        plural = f"{singular[:-1]}ies"
    else:
        plural = f"{singular}s"
    return f"{plural}.{version}.{group}" if group else plural


@cache
def _model(resource: str, *, namespaced: bool) -> Any:
    plural, _, rest = resource.partition(".")
    version, _, group = rest.partition(".")
    make = create_namespaced_resource if namespaced else create_global_resource
    # lightkube registers models by kind; the plural is as unique, and known here.
    kind = plural if namespaced else f"global {plural}"
    return make(group, version or "v1", kind, plural)


def _read_context(name: str) -> SingleConfig:
    """Return the context from the first kubeconfig that has it; KUBECONFIG may list several."""
    listed = os.environ.get("KUBECONFIG") or str(DEFAULT_KUBECONFIG)
    files = [Path(file).expanduser() for file in listed.split(os.pathsep) if file]
    for file in files:
        if file.is_file():
            config = KubeConfig.from_file(file)
            if name in config.contexts:
                found = config.get(name)
                if found is not None:
                    return found
    msg = f"no context {name} in {listed}"
    raise ConfigError(msg)
