"""The node, the API server and everything else killed while Pods run."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.sandbox.node.control_plane import World
from tests.sandbox.node.pods import (
    Namespace,
    Object,
    condition,
    container,
    processes_with,
    status_of,
)
from tests.waiting import eventually

pytestmark = pytest.mark.sandbox

MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
VOLUMES: list[Object] = [{"name": "v", "emptyDir": {}}]
UNTIL_TOLD = "until [ -e /v/end ]; do sleep 0.1; done; echo done"


def tell(namespace: Namespace, pod: Object) -> None:
    """Let the container of a Pod end that waits to be told so."""
    (namespace.volume(pod["metadata"]["uid"]) / "end").touch()


def test_after_kill_9_nothing_runs_and_a_new_node_brings_it_back(
    namespace: Namespace, world: World
) -> None:
    marker = "survivor-of-kill-9"
    child = f"setsid sh -c ': {marker}; while true; do sleep 1; done' & "
    namespace.run(
        "always",
        container(f"{child} : {marker}; while true; do sleep 1; done"),
        initContainers=[container("echo again", "init")],
    )
    namespace.run("never", container(f": {marker}; while true; do sleep 1; done"),
                  restartPolicy="Never")  # fmt: skip
    namespace.run("done", container("echo finished"), restartPolicy="Never")
    before = namespace.until_ready("always")
    namespace.until_ready("never")
    namespace.until_phase("done", "Succeeded")

    world.kill("node")
    eventually(lambda: not processes_with(marker), "the containers to die")
    world.start("node")

    never = namespace.until_phase("never", "Failed")
    ended = status_of(never)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")
    eventually(lambda: namespace.state("always")["restartCount"] == 1, "the restart")
    after = namespace.until_ready("always")
    assert after["status"]["podIP"] == before["status"]["podIP"]
    assert status_of(after)["lastState"]["terminated"]["exitCode"] == 137
    # Its Pod has lost nothing that an init container made.
    assert status_of(after, "init")["restartCount"] == 0
    # The one of before is gone: it and its child run once.
    eventually(lambda: len(processes_with(marker)) == 2, "two processes")
    assert namespace.pod("done")["status"]["phase"] == "Succeeded"
    assert namespace.logs("done") == "finished\n"


def test_what_was_deleted_meanwhile_is_cleaned_up(namespace: Namespace, world: World) -> None:
    namespace.run("graceful", container("exec sleep 1000"))
    namespace.run("forced", container("exec sleep 1000"))
    uids = [namespace.until_ready(name)["metadata"]["uid"] for name in ("graceful", "forced")]
    world.kill("node")
    namespace.delete("graceful", gracePeriodSeconds=1)
    namespace.delete("forced", gracePeriodSeconds=0)
    assert namespace.exists("graceful")
    assert not namespace.exists("forced")
    world.start("node")
    eventually(lambda: not namespace.exists("graceful"), "the deletion to be confirmed")
    folders = [world.node_folder / "kubelet/pods" / uid for uid in uids]
    eventually(lambda: not any(folder.exists() for folder in folders), "the folders to go")


def test_a_job_whose_pod_is_lost_gets_another(namespace: Namespace, world: World) -> None:
    spec = {"containers": [container(UNTIL_TOLD, **MOUNT)], "volumes": VOLUMES,
            "restartPolicy": "Never", "automountServiceAccountToken": False}  # fmt: skip
    path = f"/apis/batch/v1/namespaces/{namespace.name}/jobs"
    job = {"metadata": {"name": "work"}, "spec": {"template": {"spec": spec}, "backoffLimit": 3}}
    namespace.create(path, job)

    def status() -> Any:
        return world.api.get(f"{path}/work").json()["status"]

    def second() -> Any:
        pods = world.api.get(f"{namespace.base}/pods").json()["items"]
        return next((pod for pod in pods if condition(pod, "Ready") == "True"), None)

    eventually(lambda: status().get("ready"), "the Job to run")
    world.kill("node")
    world.start("node")
    eventually(lambda: status().get("failed") == 1, "the lost Pod to count as failed")
    tell(namespace, eventually(second, "the second Pod to run"))
    eventually(lambda: status().get("succeeded") == 1, "the Job to succeed")


def test_pods_live_through_restarts_of_the_api_server(namespace: Namespace, world: World) -> None:
    namespace.run("lives", container("exec sleep 1000"))
    before = status_of(namespace.until_ready("lives"))
    world.kill("kube-apiserver")
    time.sleep(0.5)  # A while in which watches and leases fail.
    world.start("kube-apiserver")
    assert status_of(namespace.pod("lives"))["containerID"] == before["containerID"]
    # The watch has found its way back, too.
    namespace.run("later", container("exec sleep 1000"))
    namespace.until_ready("later")
    namespace.delete("lives", gracePeriodSeconds=1)
    eventually(lambda: not namespace.exists("lives"), "the deletion")


def test_pods_live_through_a_kill_of_the_kubelet(namespace: Namespace, world: World) -> None:
    namespace.run("lives", container("exec sleep 1000"))
    before = namespace.until_ready("lives")
    ends = container(UNTIL_TOLD, **MOUNT)
    namespace.run("ends", ends, volumes=VOLUMES, restartPolicy="Never")
    told = namespace.until_ready("ends")
    world.kill("kubelet")
    tell(namespace, told)
    world.start("kubelet")
    namespace.until_phase("ends", "Succeeded")
    assert namespace.logs("ends") == "done\n"
    after = namespace.until_ready("lives")
    assert status_of(after)["containerID"] == status_of(before)["containerID"]


def test_a_node_that_is_asked_to_stop_lets_containers_end_and_leaves_the_status(
    namespace: Namespace, world: World
) -> None:
    marker = "asked-to-stop"
    script = f": {marker}; trap 'echo bye; exit 0' TERM; echo armed; while true; do sleep 0.1; done"
    namespace.run("polite", container(script))
    uid = namespace.until_ready("polite")["metadata"]["uid"]
    eventually(lambda: "armed" in namespace.logs("polite"))
    world.kill("node", signal.SIGTERM)
    assert not processes_with(marker)
    [log] = world.node_folder.glob(f"logs/*{uid}/main/0.log")
    assert log.read_text().endswith("stdout F bye\n")
    assert condition(namespace.pod("polite"), "Ready") == "True"
    world.start("node")
    eventually(lambda: namespace.state("polite")["restartCount"] == 1, "the restart")
    namespace.until_ready("polite")


def test_the_node_is_ready_and_its_lease_is_fresh(world: World) -> None:
    nodes = "/api/v1/nodes"
    eventually(
        lambda: [condition(n, "Ready") for n in world.api.get(nodes).json()["items"]] == ["True"]
    )
    node = world.api.get(f"{nodes}/sandbox").json()
    addresses = {a["type"]: a["address"] for a in node["status"]["addresses"]}
    assert addresses["InternalIP"] == world.settings.node_address
    offered = node["status"]["allocatable"]
    assert int(offered["cpu"]) == 8 * (os.cpu_count() or 1)
    assert int(offered["ephemeral-storage"].removesuffix("Ki")) > 1 << 20
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/sandbox"
    first = eventually(lambda: world.api.get(leases).json().get("spec", {}).get("renewTime"))
    eventually(lambda: world.api.get(leases).json()["spec"]["renewTime"] > first, "renewal")
