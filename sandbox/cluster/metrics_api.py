"""That the API server passes ``metrics.k8s.io`` on to metrics-server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from sandbox.cluster.layout import Layout, Port

METRICS_NAMESPACE = "kube-system"
_NAME = "metrics-server"
_GROUP, _VERSION = "metrics.k8s.io", "v1beta1"


def metrics_api(layout: Layout) -> Iterator[dict[str, Any]]:
    """The Service, and the API that it serves, as metrics-server's own manifests have them.

    They differ in where metrics-server is: it is a process and no Pod, so that its Service
    is another name of its address.
    """
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _NAME, "namespace": METRICS_NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": layout.settings.control_plane},
    }
    yield {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{_VERSION}.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "version": _VERSION,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "caBundle": base64.b64encode(layout.authority.read_bytes()).decode(),
            "service": {
                "name": _NAME,
                "namespace": METRICS_NAMESPACE,
                "port": Port.METRICS_SERVER.value,
            },
        },
    }
