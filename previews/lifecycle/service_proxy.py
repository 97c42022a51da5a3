"""Requests to an app through the Kubernetes API, past the load balancer.

For a run that may reach the cluster's API and not the preview's address. The API server forwards a
request to a pod of a Service as it is, with its Host; only credentials of `Authorization` are its
own, so that a request with that header can't be sent this way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from typing_extensions import override

from contract.kubernetes import SERVICE, web_service

if TYPE_CHECKING:
    from contract.app.model import App
    from previews.kubernetes import Cluster

# Of the connection between the API server and here, or of a body that is decoded by now.
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-encoding", "content-length", "transfer-encoding"}
)


class ServiceProxy(httpx.BaseTransport):
    """A transport that sends each request to the web service that serves its path."""

    def __init__(self, cluster: Cluster, namespace: str, app: App) -> None:
        """Send to the services of one namespace.

        Args:
            cluster: The cluster.
            namespace: The app's namespace.
            app: The app's description.
        """
        self._cluster = cluster
        self._namespace = namespace
        self._app = app

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if "authorization" in request.headers:
            msg = "the header Authorization can't be sent through the cluster (PREVIEWS_SMOKE=url)"
            raise httpx.UnsupportedProtocol(msg, request=request)
        status, headers, content = self._cluster.ask_service(
            self._namespace,
            service_of(self._app, request.url.path),
            method=request.method,
            target=request.url.raw_path.decode(),
            headers=[
                (name, value)
                for name, value in request.headers.multi_items()
                if name not in _OF_THE_CONNECTION
            ],
            content=request.read(),
        )
        kept = [(name, value) for name, value in headers if name not in _OF_THE_CONNECTION]
        return httpx.Response(status, headers=kept, content=content, request=request)


def service_of(app: App, path: str) -> str:
    """Return the name of the Service that serves a path: that of the longest prefix."""
    prefixes = {
        SERVICE: app.service.path,
        **{web_service(name): web.path for name, web in app.web.items()},
    }
    serving = [name for name, prefix in prefixes.items() if _is_below(path, prefix)]
    return max(serving, key=lambda name: len(prefixes[name]), default=SERVICE)


def _is_below(path: str, prefix: str) -> bool:
    """Return True if a path is below a prefix of whole path elements."""
    return f"{path}/".startswith(f"{prefix.rstrip('/')}/")
