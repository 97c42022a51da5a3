"""Kubernetes objects as the tests apply them."""

from __future__ import annotations

import copy
from typing import Any

GENERATORS = "generators.external-secrets.io/v1alpha1"

POD: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "web",
                "image": "web@sha256:0",
                "ports": [{"name": "http", "containerPort": 8000}],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    },
}

SERVICE: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}

PASSWORD: dict[str, Any] = {
    "apiVersion": GENERATORS,
    "kind": "Password",
    "metadata": {"name": "password"},
    "spec": {"length": 32, "digits": 6, "symbols": 0, "noUpper": False, "allowRepeat": True},
}

EXTERNAL_SECRET: dict[str, Any] = {
    "apiVersion": "external-secrets.io/v1",
    "kind": "ExternalSecret",
    "metadata": {"name": "database"},
    "spec": {
        "refreshPolicy": "CreatedOnce",
        "target": {"name": "database"},
        "dataFrom": [
            {
                "sourceRef": {
                    "generatorRef": {
                        "apiVersion": GENERATORS,
                        "kind": "Password",
                        "name": "password",
                    }
                }
            }
        ],
    },
}


def pod(**container: Any) -> dict[str, Any]:
    """A Pod that the restricted standard admits, with its container changed."""
    changed = copy.deepcopy(POD)
    changed["spec"]["containers"][0].update(container)
    return changed


def node(name: str, address: str) -> dict[str, Any]:
    """A ready node."""
    return {
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "100"},
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "100"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Test"}],
        },
    }
