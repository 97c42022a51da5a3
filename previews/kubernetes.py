"""The cluster that all previews share, through the kubeconfig's context of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from http import HTTPStatus
from threading import Lock
from typing import Any

import httpx2
import yaml
from lightkube import ApiError, Client
from lightkube.core.exceptions import ConfigError
from lightkube.generic_resource import create_global_resource, create_namespaced_resource
from lightkube.resources.core_v1 import PodLog
from lightkube.types import CascadeType, PatchType
from tenacity import RetryCallState, Retrying, wait_exponential
from tenacity.stop import stop_after_attempt, stop_after_delay

from contract.kubernetes import plural_of
from previews.errors import PreviewsError
from previews.kubeconfig import ClusterContext, current_context, read_context

_EVERYWHERE = "*"
_TIMEOUT = httpx2.Timeout(60, connect=10)
_BUSY = frozenset({429, 500, 502, 503, 504})
# A new kubeconfig, access entry or role binding takes seconds to apply.
_UNAUTHORIZED = frozenset({401, 403})
_ATTEMPTS, _ATTEMPTS_UNAUTHORIZED, _RETRY_SECONDS = 4, 3, 120
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout)

_FAILURES = (httpx2.HTTPError, ConfigError, yaml.YAMLError, OSError, ValueError)
# What lightkube raises, besides errors of its own, for a document that is not as it expects.
_UNEXPECTED = (AssertionError, AttributeError, KeyError, TypeError)


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
        """Connect at the first request.

        Args:
            name: The cluster's name, and that of the kubeconfig's context for it.
        """
        self.name = name

    @classmethod
    def current(cls) -> Cluster:
        """Return the cluster of the kubeconfig's current context.

        Raises:
            PreviewsError: There is no such context, or the kubeconfig can't be read.
        """
        try:
            return cls(current_context())
        except _FAILURES as error:
            raise PreviewsError(
                "kubeconfig",
                "current context of the kubeconfig",
                why=str(error),
                remedy="choose the platform's cluster: `aws eks update-kubeconfig --name NAME"
                " --alias NAME`.",
            ) from error

    def each(
        self, resource: str, *, namespace: str | None = None, fields: dict[str, Any] | None = None
    ) -> Iterator[KubernetesObject]:
        """Yield every object of a resource.

        Args:
            resource: The resource as ``plural.version.group``; ``namespaces`` for core v1.
            namespace: Only those in this namespace; None for all.
            fields: Only those whose fields have these values.
        """
        return self._each(resource, resource, namespace, fields)

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
        what = str(KubernetesObject(resource, {"metadata": {"name": name, "namespace": namespace}}))
        return next(self._each(what, resource, namespace, {"metadata.name": name}), None)

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

    def ask_service(
        self,
        namespace: str,
        service: str,
        *,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        content: bytes,
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send an HTTP request to a pod of a Service, at its port ``http``, through the API.

        Args:
            namespace: The Service's namespace.
            service: Its name.
            method: The request's method.
            target: Its path and query.
            headers: Its headers, with the Host that the pod sees.
            content: Its body.

        Returns:
            The pod's response: status, headers and body.
        """
        what = f"service {namespace}/{service}"
        with self._explained(what):
            path = f"/api/v1/namespaces/{namespace}/services/{service}:http/proxy{target}"
            response = self._client.send_as_it_is(method, path, headers, content)
            if response.status_code in _UNAUTHORIZED and _is_of_the_server(response):
                msg = f"it may not be asked through the API: {response.json().get('message')}"
                raise ValueError(msg)
            return (
                response.status_code,
                [(name.lower(), value) for name, value in response.headers.multi_items()],
                response.content,
            )

    @cached_property
    def _client(self) -> _Client:
        try:
            return _Client(read_context(self.name))
        except (*_UNEXPECTED, ImportError) as error:
            raise ConfigError(f"the kubeconfig is unusable: {error!r}") from error

    def _each(
        self, what: str, resource: str, namespace: str | None, fields: dict[str, Any] | None
    ) -> Iterator[KubernetesObject]:
        with self._explained(what):
            # The list of a resource in all namespaces is where that of a cluster's is.
            model = _model(resource, namespaced=True)
            for found in self._client.list(
                model, namespace=namespace or _EVERYWHERE, fields=fields
            ):
                yield KubernetesObject(resource, dict(found))

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
    """lightkube's client, which repeats requests that fail for a moment."""

    def __init__(
        self,
        context: ClusterContext,
        *,
        transport: httpx2.BaseTransport | None = None,
        pause: float = 0.5,
    ) -> None:
        super().__init__(context.config, timeout=_TIMEOUT, transport=transport, proxy=context.proxy)
        self._server = context.config.cluster.server.rstrip("/")
        self._server_name = context.server_name
        self._pause = pause
        self._http = self._client._client  # noqa: SLF001 - it has no public name
        if context.plugin:
            self._http.auth = context.plugin
        self._handle: Callable[..., Any] = self._client.handle_response
        vars(self._client).update(send=self._send, handle_response=self._read)

    def _send(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        if self._server_name:
            request.extensions["sni_hostname"] = self._server_name
        attempts = Retrying(
            retry=_is_temporary,
            stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(_RETRY_SECONDS),
            wait=wait_exponential(multiplier=self._pause),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        return attempts(self._http.send, request, stream=stream)

    def _read(self, method: str, response: httpx2.Response, request: Any) -> Any:
        try:
            return self._handle(method, response, request)
        except _UNEXPECTED as error:
            raise ValueError(f"unexpected content of the response: {error!r}") from error

    def send_as_it_is(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], content: bytes
    ) -> httpx2.Response:
        """Send a request that is not about an object, once."""
        url = f"{self._server}{path}"
        request = self._http.build_request(method, url, headers=[*headers], content=content)
        if self._server_name:
            request.extensions["sni_hostname"] = self._server_name
        return self._http.send(request, follow_redirects=False)

    def log_with(self, pod: str, namespace: str | None, options: dict[str, Any]) -> list[str]:
        # `Client.log` of lightkube 1.0.1 has no `previous`:
        # https://github.com/gtsystem/lightkube/blob/master/src/lightkube/core/client.py
        request = self._client.prepare_request(
            "get", PodLog, name=pod, namespace=namespace, params=options
        )
        response = self._client.send(self._client.build_adapter_request(request))
        response.raise_for_status()
        return str(response.text).splitlines()


def _is_temporary(state: RetryCallState) -> bool:
    """Return True if the same request may succeed in a moment, and has not taken effect."""
    reads = state.args[0].method == "GET"
    error = state.outcome and state.outcome.exception()
    if error:
        return isinstance(error, httpx2.TransportError if reads else _UNSENT)
    status = state.outcome and state.outcome.result().status_code
    if status in _UNAUTHORIZED:
        return reads and state.attempt_number < _ATTEMPTS_UNAUTHORIZED
    return reads and status in _BUSY


def _is_of_the_server(response: httpx2.Response) -> bool:
    """Return True for a response of the API server itself, and not of what it forwards to."""
    try:
        body = response.json()
    except ValueError:
        return False
    return isinstance(body, dict) and (body.get("kind"), body.get("apiVersion")) == ("Status", "v1")


def resource_of(api_version: str, kind: str) -> str:
    """Return the resource of a kind, as ``plural.version.group``.

    Without a request: the cluster rejects a plural that is wrong.
    """
    group, _, version = api_version.rpartition("/")
    plural = plural_of(kind)
    return f"{plural}.{version}.{group}" if group else plural


_registration = Lock()


def _model(resource: str, *, namespaced: bool) -> Any:
    # lightkube rejects a second model of a resource, which two threads could make at once.
    with _registration:
        return _registered(resource, namespaced=namespaced)


@cache
def _registered(resource: str, *, namespaced: bool) -> Any:
    plural, _, rest = resource.partition(".")
    version, _, group = rest.partition(".")
    make = create_namespaced_resource if namespaced else create_global_resource
    # lightkube registers models by kind; the plural is as unique, and known here.
    kind = plural if namespaced else f"global {plural}"
    return make(group, version or "v1", kind, plural)
