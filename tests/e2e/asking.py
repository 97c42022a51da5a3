"""Connections that a pod of a namespace tries, and what becomes of them."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.world import World
from tests.waiting import eventually

_NAME = "asking"
_ASK = """
import socket, sys

for target in sys.argv[1:]:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
        print(target, "open")
    except OSError as error:
        print(target, error.strerror)
"""
OPEN, DENIED = "open", "Connection timed out"


def ask(world: World, namespace: str, name: str, image: str, *targets: str) -> dict[str, str]:
    """Run a pod that connects to each target, and return what it says of them.

    Args:
        world: The sandbox.
        namespace: Namespace of the pod.
        name: Its label with the name of what it runs.
        image: An image that has Python.
        targets: Each a host and a port.
    """
    file = world.settings.home / f"{_NAME}.json"
    file.write_text(json.dumps(_pod(namespace, name, image, targets)))
    world.kubectl("create", "--filename", str(file))
    try:
        eventually(
            lambda: (
                world.kubectl("get", "pod", _NAME, "--namespace", namespace)["status"]["phase"]
                in {"Succeeded", "Failed"}
            ),
            f"{_NAME} in {namespace} ends",
        )
        log = world.run("kubectl", "logs", _NAME, "--namespace", namespace)
    finally:
        world.run("kubectl", "delete", "pod", _NAME, "--namespace", namespace, "--wait=true")
    said = (line.partition(" ") for line in log.splitlines())
    return {target: answer for target, _, answer in said if target in targets}


def _pod(namespace: str, name: str, image: str, targets: tuple[str, ...]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": _NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": name},
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": _NAME,
                    "image": image,
                    "command": ["python", "-c", _ASK, *targets],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
