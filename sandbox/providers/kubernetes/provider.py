"""The stand-in for the Kubernetes plugin: every kind, none of its charts and macros."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from typing_extensions import override

from sandbox.errors import SandboxError
from sandbox.providers.attachments import plugin_version
from sandbox.providers.base import Provider, Resource
from sandbox.providers.kubernetes.api import Api
from sandbox.providers.kubernetes.kubeconfig import Cluster, resolve
from sandbox.providers.kubernetes.resource import KubernetesObject
from sandbox.providers.schema import Input, Schema, Type
from sandbox.providers.values import Properties

_NOT_OBJECTS = ("kubernetes:helm.sh/", "kubernetes:kustomize", "kubernetes:yaml")


class KubernetesProvider(Provider):
    """Kubernetes as the settings' kubeconfig and context name it."""

    name = "kubernetes"
    version = plugin_version("kubernetes")
    settings: ClassVar[Schema] = {
        "kubeconfig": Input(),
        "context": Input(),
        "namespace": Input(),
        "enableServerSideApply": Input(Type.BOOLEAN, allowed=(True,)),
    }

    def __init__(self) -> None:
        self.resources = {}
        self.functions = {}
        self._object = KubernetesObject()
        self._apis: dict[Cluster, Api] = {}

    @override
    async def configure(self, settings: Properties) -> Api:
        """The API server; connections to the same one share it."""
        cluster = resolve(settings.get("kubeconfig"), settings.get("context"))
        if namespace := settings.get("namespace"):
            cluster = replace(cluster, namespace=namespace)
        if cluster not in self._apis:
            self._apis[cluster] = Api(cluster)
        return self._apis[cluster]

    @override
    async def moves(self, old: Properties, new: Properties) -> bool:
        """Another API server; where the old settings led can no longer be seen, the same."""
        try:
            before = resolve(old.get("kubeconfig"), old.get("context"))
        except SandboxError:
            return False
        return before.server != resolve(new.get("kubeconfig"), new.get("context")).server

    @override
    def resource(self, token: str) -> Resource:
        """Every kind is the same to the API server, but what is no object is refused."""
        if token.startswith(_NOT_OBJECTS) or token.endswith(("Patch", "List")):
            raise SandboxError(
                f"resource type {token}",
                why="the sandbox's stand-in for the kubernetes plugin knows single objects only",
                remedy="declare the objects one by one, or install the kubernetes plugin",
            )
        return self._object
