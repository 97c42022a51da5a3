"""One context of the kubeconfig, with its cluster and user, as kubectl reads them."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml
from lightkube.config.client_adapter import ExecAuth, user_auth
from lightkube.config.kubeconfig import DEFAULT_KUBECONFIG, KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

_EXEC_GROUP = "client.authentication.k8s.io"
_PATHS = frozenset(
    {"certificate-authority", "client-certificate", "client-key", "tokenFile"},
)
"""Fields whose value is a path, relative to the folder of the file that has them."""


@dataclass(frozen=True)
class ClusterContext:
    """A context, and those options of its cluster that lightkube does not read.

    Attributes:
        config: The context as lightkube takes it.
        proxy: The cluster's ``proxy-url``.
        server_name: The cluster's ``tls-server-name``.
    """

    config: SingleConfig
    proxy: str | None = None
    server_name: str | None = None

    @property
    def plugin(self) -> PluginAuth | None:
        """The authentication by the user's exec plugin; None where it has other credentials."""
        user = self.config.user
        if user and user.exec and isinstance(user_auth(user), ExecAuth):
            return PluginAuth(user.exec)
        return None


class PluginAuth(ExecAuth):
    """The token of an exec plugin; output without one is an error of the configuration."""

    def sync_auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Authenticate a request, as httpx2 defines it."""
        try:
            yield from super().sync_auth_flow(request)
        except (KeyError, TypeError) as error:
            msg = f"the output of {self._exec.command} has no status.token"
            raise ConfigError(msg) from error


def current_context() -> str:
    """Return the name of the current context: that of the first file which has one, as kubectl.

    Raises:
        ConfigError: No file has one.
    """
    documents = _documents()
    for document in documents.values():
        if name := document.get("current-context"):
            return str(name)
    raise ConfigError(f"no current-context in {_listed(documents)}")


def read_context(name: str) -> ClusterContext:
    """Return a context from the files that KUBECONFIG lists.

    As for kubectl, the first entry of a name applies, wherever the others that it names are, and
    a file that is missing or empty has none. Entries of other contexts are not interpreted.

    Args:
        name: The context's name.
    """
    documents = _documents()
    context = _entry(documents, "context", name)
    cluster = _entry(documents, "cluster", context["cluster"])
    user = _entry(documents, "user", context["user"]) if context.get("user") else {}
    plugin = user.get("exec")
    if plugin and plugin.get("apiVersion") == f"{_EXEC_GROUP}/v1":
        # lightkube 1.0.1 rejects v1, which has the fields of v1beta1; it runs the same command,
        # and reads the same status.token.
        user["exec"] = {**plugin, "apiVersion": f"{_EXEC_GROUP}/v1beta1"}
    single = {
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {**context, "cluster": name, "user": name}}],
    }
    config = KubeConfig.from_dict(single).get(name)
    if config is None:
        raise ConfigError(f"no context {name}")
    return ClusterContext(
        config, cluster.get("proxy-url") or None, cluster.get("tls-server-name") or None
    )


def _documents() -> dict[Path, dict[str, Any]]:
    listed = os.environ.get("KUBECONFIG") or str(DEFAULT_KUBECONFIG)
    files = [Path(file).expanduser().absolute() for file in listed.split(os.pathsep) if file]
    return {file: _read(file) for file in files if file.is_file()}


def _listed(documents: dict[Path, dict[str, Any]]) -> str:
    return os.pathsep.join(map(str, documents)) or "KUBECONFIG: none of its files exists"


def _read(file: Path) -> dict[str, Any]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{file} is no kubeconfig")
    return document


def _entry(documents: dict[Path, dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    for file, document in documents.items():
        for entry in document.get(f"{kind}s") or []:
            if isinstance(entry, dict) and entry.get("name") == name:
                return {
                    key: str(file.parent / value) if key in _PATHS and value else value
                    for key, value in (entry.get(kind) or {}).items()
                }
    raise ConfigError(f"no {kind} {name} in {_listed(documents)}")
