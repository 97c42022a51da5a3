"""Objects by which the API server forwards ``metrics.k8s.io`` to metrics-server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from sandbox.cluster.layout import Layout, Port

METRICS_NAMESPACE = "kube-system"
_NAME = "metrics-server"
_GROUP, _VERSION = "metrics.k8s.io", "v1beta1"


def metrics_api(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield the Service and the APIService, as in metrics-server's own manifests.

    Since metrics-server is a process and no Pod, its Service is an external name for its
    address.
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
