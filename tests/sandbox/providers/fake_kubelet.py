"""What a node would write into the status of Pods, where there is no node."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx

from sandbox.providers.kubernetes.kubeconfig import resolve

_SECONDS = 0.05
_NODE = "fake"


class FakeKubelet:
    """Gives every Pod of the cluster the status that its ``fate`` label asks for.

    ``fails`` ends it with exit code 3 and a termination message, ``waits`` leaves it
    pending, anything else makes Jobs' Pods succeed and all others run and be ready.
    """

    def __init__(self, kubeconfig: str, context: str) -> None:
        cluster = resolve(kubeconfig, context)
        self._http = httpx.AsyncClient(base_url=cluster.server, verify=cluster.tls())

    async def run(self) -> None:
        """Work until cancelled."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE}}
        await self._http.post("/api/v1/nodes", json=node)
        while True:
            with contextlib.suppress(httpx.HTTPError, ValueError):
                for pod in (await self._http.get("/api/v1/pods")).json()["items"]:
                    await self._look_after(pod)
            await asyncio.sleep(_SECONDS)

    async def _look_after(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        status = _status(pod)
        if "deletionTimestamp" in metadata:
            await self._http.delete(path, params={"gracePeriodSeconds": "0"})
        elif status and "nodeName" not in pod["spec"]:
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": metadata["name"]},
                "target": {"apiVersion": "v1", "kind": "Node", "name": _NODE},
            }
            await self._http.post(f"{path}/binding", json=binding)
        elif status and pod["status"].get("phase") != status["phase"]:
            await self._http.patch(
                f"{path}/status",
                json={"status": status},
                headers={"Content-Type": "application/strategic-merge-patch+json"},
            )


def _status(pod: dict[str, Any]) -> dict[str, Any] | None:
    labels = pod["metadata"].get("labels", {})
    fate = labels.get("fate")
    if fate == "waits":
        return None
    if fate == "fails":
        return _ended(pod, "Failed", 3, "FATAL: column orders.total does not exist")
    if "batch.kubernetes.io/controller-uid" in labels:
        return _ended(pod, "Succeeded", 0, "")
    container = pod["spec"]["containers"][0]["name"]
    return {
        "phase": "Running",
        "podIP": "127.171.10.1",
        "podIPs": [{"ip": "127.171.10.1"}],
        "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [
            {
                "name": container,
                "ready": True,
                "started": True,
                "restartCount": 0,
                "image": "x",
                "imageID": "x",
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }
        ],
    }


def _ended(pod: dict[str, Any], phase: str, code: int, message: str) -> dict[str, Any]:
    ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "message": message}
    return {
        "phase": phase,
        "containerStatuses": [
            {
                "name": pod["spec"]["containers"][0]["name"],
                "ready": False,
                "restartCount": 0,
                "image": "x",
                "imageID": "x",
                "state": {"terminated": ended},
            }
        ],
    }
