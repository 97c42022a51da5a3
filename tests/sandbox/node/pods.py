"""Pods of the tests, and what became of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from tests.sandbox.node.control_plane import IMAGE, World
from tests.waiting import eventually

Object = dict[str, Any]


def container(script: str, name: str = "main", **fields: Any) -> Object:
    """One that runs a shell script."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **fields}


class Namespace:
    """Objects and queries of a test in its own namespace."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.base = f"/api/v1/namespaces/{name}"

    def create(self, path: str, body: Object) -> Object:
        answer = self.world.api.post(path, json=body)
        assert answer.status_code == 201, answer.text
        made: Object = answer.json()
        return made

    def secret(self, name: str, **data: str) -> None:
        self.create(f"{self.base}/secrets", {"metadata": {"name": name}, "stringData": data})

    def config_map(self, name: str, **data: str) -> None:
        self.create(f"{self.base}/configmaps", {"metadata": {"name": name}, "data": data})

    def run(self, name: str, *containers: Object, **spec: Any) -> str:
        metadata = {"name": name, **spec.pop("metadata", {})}
        body = {"metadata": metadata, "spec": {"containers": list(containers), **spec}}
        body["spec"].setdefault("automountServiceAccountToken", False)
        self.create(f"{self.base}/pods", body)
        return name

    def pod(self, name: str) -> Object:
        answer = self.world.api.get(f"{self.base}/pods/{name}")
        assert answer.status_code == 200, answer.text
        found: Object = answer.json()
        return found

    def exists(self, name: str) -> bool:
        return self.world.api.get(f"{self.base}/pods/{name}").status_code == 200

    def delete(self, name: str, **options: Any) -> None:
        answer = self.world.api.request("DELETE", f"{self.base}/pods/{name}", json=options)
        assert answer.status_code == 200, answer.text

    def until_phase(self, name: str, *phases: str) -> Object:
        def reached() -> Object | None:
            pod = self.pod(name)
            return pod if pod["status"].get("phase") in phases else None

        found: Object = eventually(reached, f"{name} to be {phases}")
        return found

    def until_ready(self, name: str) -> Object:
        def ready() -> Object | None:
            pod = self.pod(name)
            return pod if condition(pod, "Ready") == "True" else None

        found: Object = eventually(ready, f"{name} to be ready")
        return found

    def state(self, name: str, of: str = "main") -> Object:
        """The container's ``containerStatuses`` entry, empty before there is one."""
        return status_of(self.pod(name), of)

    def until_waiting(self, name: str, reason: str, of: str = "main") -> Object:
        def waits() -> Object | None:
            status = self.state(name, of)
            waiting = status.get("state", {}).get("waiting", {})
            return status if waiting.get("reason") == reason else None

        found: Object = eventually(waits, f"{name} to wait for {reason}")
        return found

    def logs(self, name: str, **params: Any) -> str:
        answer = self.world.api.get(f"{self.base}/pods/{name}/log", params=params)
        assert answer.status_code == 200, answer.text
        return answer.text

    def events(self, name: str, reason: str) -> list[Object]:
        selector = f"involvedObject.name={name},reason={reason}"
        answer = self.world.api.get(f"{self.base}/events", params={"fieldSelector": selector})
        return list(answer.json()["items"])

    def until_event(self, name: str, reason: str, saying: str = "") -> Object:
        """Wait for an event whose message has the text; others of its reason may come before."""

        def told() -> Object | None:
            events = self.events(name, reason)
            return next((event for event in events if saying in event["message"]), None)

        found: Object = eventually(told, f"an event {reason} that says {saying!r}")
        return found

    def until_ended_before(self, name: str, of: str = "main") -> Object:
        """Wait until the container was restarted, and return its status of that moment."""

        def again() -> Object | None:
            status = self.state(name, of)
            return status if "terminated" in status.get("lastState", {}) else None

        found: Object = eventually(again, f"{of} of {name} to be restarted")
        return found

    def volume(self, uid: str, name: str = "v") -> Path:
        """Folder of an ``emptyDir`` of the Pod, by which a test tells its containers something."""
        kept = self.world.node_folder / "kubelet/pods" / uid / "volumes/kubernetes.io~empty-dir"
        return kept / name


def status_of(pod: Object, of: str = "main") -> Object:
    status = pod.get("status", {})
    for field in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(field) or ():
            if entry["name"] == of:
                found: Object = entry
                return found
    return {}


def condition(pod: Object, kind: str) -> str | None:
    conditions = pod.get("status", {}).get("conditions") or ()
    return next((entry["status"] for entry in conditions if entry["type"] == kind), None)


def processes_with(marker: str) -> list[int]:
    """Pids of processes whose command line holds the marker."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            # Bubblewrap's own processes name the command that they start.
            others = (b"pytest" in command, command.split(b"\0")[0].endswith(b"/bwrap"))
            if marker.encode() in command and not any(others):
                found.append(int(entry.name))
    return found


def kubectl(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    from sandbox.tools import locate

    program = locate(world.settings, ["kubernetes"]).kubectl
    return subprocess.run(
        [program, *arguments],
        env={**os.environ, "KUBECONFIG": str(world.settings.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
