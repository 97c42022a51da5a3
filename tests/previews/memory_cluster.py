"""A cluster in memory: the API server's answers, and what its controllers do after a change."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster as ServerAddress
from lightkube.config.models import Context, User

from previews.kubeconfig import ClusterContext
from previews.kubernetes import Cluster, KubernetesObject, _Client

Document = dict[str, Any]


@dataclass(eq=False)
class MemoryCluster(Cluster):
    """A `Cluster` whose API server is this memory.

    Attributes:
        react: What the controllers do when an object is created or patched.
        answers: False for an API server that can't be reached.
        refuses: Names of objects that may be neither changed nor deleted.
        lingers: Names of objects whose deletion is accepted and never ends.
        logs: Lines by pod, and by whether they are of the run before.
    """

    name = "sandbox"

    objects: list[KubernetesObject] = field(default_factory=list)
    patched: list[tuple[str, str, Document]] = field(default_factory=list)
    react: Callable[[KubernetesObject], None] = lambda _: None
    answers: bool = True
    refuses: tuple[str, ...] = ()
    lingers: tuple[str, ...] = ()
    deleted: list[tuple[str, str]] = field(default_factory=list)
    logs: dict[tuple[str, bool], list[str]] = field(default_factory=dict)

    @property
    def _client(self) -> _Client:  # type: ignore[override]
        address = ServerAddress(server="http://memory")
        config = SingleConfig("memory", Context(cluster="memory"), address, User())
        transport = httpx2.MockTransport(self._handle)
        return _Client(ClusterContext(config), transport=transport, pause=0)

    def add(self, resource: str, name: str, namespace: str, **rest: Any) -> KubernetesObject:
        metadata = {
            "name": name,
            "namespace": namespace,
            "generation": 1,
            "creationTimestamp": "2030-01-31T12:00:00Z",
            **rest.pop("metadata", {}),
        }
        live = KubernetesObject(resource, {"metadata": metadata, **rest})
        self.objects.append(live)
        return live

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        if not self.answers:
            msg = "no answer"
            raise httpx2.ConnectError(msg)
        resource, namespace, name, sub = _parse(request.url.path)
        found = [
            live
            for live in self.objects
            if live.resource == resource and namespace in {"", live.namespace}
        ]
        if request.method == "POST":
            return self._create(resource, json.loads(request.content))
        if not name:
            wanted = request.url.params.get("fieldSelector", "").removeprefix("metadata.name=")
            items = [live.raw for live in found if wanted in {"", live.name}]
            return httpx2.Response(200, json={"items": copy.deepcopy(items), "metadata": {}})
        live = next((live for live in found if live.name == name), None)
        if live is None:
            return _failure(404, f"{name} not found")
        if sub == "log":
            return self._log(name, request.url.params)
        if name in self.refuses:
            return _failure(403, f"{name} is forbidden")
        if request.method == "PATCH":
            assert request.headers["Content-Type"] == "application/merge-patch+json"
            change = json.loads(request.content)
            _merge(live.raw, change)
            self.patched.append((resource, name, change))
            self.react(live)
        else:
            assert request.method == "DELETE"
            # lightkube has it in the query, which the API server reads where there is no body.
            assert not request.content
            assert request.url.params["propagationPolicy"] == "Background"
            self.deleted.append((resource, name))
            if name not in self.lingers:
                self.objects.remove(live)
        return httpx2.Response(200, json=live.raw)

    def _create(self, resource: str, document: Document) -> httpx2.Response:
        metadata = document["metadata"]
        live = self.add(
            resource,
            metadata["name"],
            metadata["namespace"],
            metadata=metadata,
            spec=document["spec"],
        )
        self.react(live)
        return httpx2.Response(201, json=live.raw)

    def _log(self, name: str, options: Any) -> httpx2.Response:
        lines = self.logs.get((name, options.get("previous") == "true"))
        if lines is None:
            return _failure(400, f"no log of {name}")
        return httpx2.Response(200, text="\n".join(lines[-int(options["tailLines"]) :]))


def _parse(path: str) -> tuple[str, str, str, str]:
    """Return resource, namespace, name and subresource of a request's path."""
    root, *rest = path.strip("/").split("/")
    group, rest = ("", rest) if root == "api" else (rest[0], rest[1:])
    version, *rest = rest
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, sub = [*rest, "", ""][:3]
    return f"{plural}.{version}.{group}" if group else plural, namespace, name, sub


def _failure(code: int, message: str) -> httpx2.Response:
    return httpx2.Response(code, json={"kind": "Status", "code": code, "message": message})


def _merge(document: Document, change: Document) -> None:
    for key, value in change.items():
        if isinstance(value, dict):
            _merge(document.setdefault(key, {}), value)
        else:
            document[key] = value
