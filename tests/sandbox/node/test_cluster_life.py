"""Lifecycle of real Pods: probes, hooks, restarts, limits, Jobs, deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.node.control_plane import World
from tests.sandbox.node.pods import Namespace, condition, container, processes_with, status_of
from tests.waiting import eventually

pytestmark = pytest.mark.sandbox

SERVE = "exec python3 -m http.server 8000 --bind $(IP) -d"
IP = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
WRITES = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
VOLUMES: list[dict[str, Any]] = [{"name": "v", "emptyDir": {}}]


def test_init_containers_run_in_order_and_a_sidecar_beside(namespace: Namespace) -> None:
    mount = [{"name": "shared", "mountPath": "/shared"}]
    namespace.run(
        "ordered",
        container("cat /shared/log; echo main >> /shared/log", volumeMounts=mount),
        initContainers=[
            container("echo first >> /shared/log", "first", volumeMounts=mount),
            container(
                "echo sidecar >> /shared/log; trap 'echo bye; exit 0' TERM; sleep 1000 & wait",
                "sidecar",
                volumeMounts=mount,
                restartPolicy="Always",
                startupProbe={"exec": {"command": ["grep", "-q", "sidecar", "/shared/log"]},
                              "periodSeconds": 1},
            ),
            container("echo last >> /shared/log", "last", volumeMounts=mount),
        ],
        volumes=[{"name": "shared", "emptyDir": {}}],
        restartPolicy="Never",
    )  # fmt: skip
    pod = namespace.until_phase("ordered", "Succeeded")
    assert namespace.logs("ordered", container="main") == "first\nsidecar\nlast\n"
    assert namespace.logs("ordered", container="sidecar") == "bye\n"
    assert condition(pod, "Initialized") == "True"
    assert status_of(pod, "first")["state"]["terminated"]["reason"] == "Completed"


def test_an_init_container_that_fails_for_good_fails_the_pod(namespace: Namespace) -> None:
    namespace.run(
        "fails",
        container("true"),
        initContainers=[container("echo no; exit 3", "init",
                                  terminationMessagePolicy="FallbackToLogsOnError")],
        restartPolicy="Never",
    )  # fmt: skip
    pod = namespace.until_phase("fails", "Failed")
    ended = status_of(pod, "init")["state"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (3, "no\n")


def test_a_pod_is_ready_when_its_probe_says_so_and_no_longer_when_not(
    namespace: Namespace,
) -> None:
    namespace.run(
        "probed",
        container(
            f"touch /v/ok; {SERVE} /v",
            env=[IP],
            ports=[{"name": "http", "containerPort": 8000}],
            startupProbe={
                "tcpSocket": {"port": "http"},
                "periodSeconds": 1,
                "failureThreshold": 300,
            },
            readinessProbe={
                "httpGet": {"path": "/ok", "port": "http"},
                "periodSeconds": 1,
                "failureThreshold": 1,
            },
            livenessProbe={
                "exec": {"command": ["test", "-d", "/v"]},
                "periodSeconds": 1,
                "timeoutSeconds": 30,
            },
            lifecycle={"postStart": {"exec": {"command": ["touch", "/v/hooked"]}}},
            **WRITES,
        ),
        volumes=VOLUMES,
    )
    pod = namespace.until_ready("probed")
    assert status_of(pod)["started"] is True
    assert condition(pod, "ContainersReady") == "True"
    volume = namespace.volume(pod["metadata"]["uid"])
    eventually((volume / "hooked").exists, "the hook after the start")
    (volume / "ok").unlink()
    eventually(lambda: condition(namespace.pod("probed"), "Ready") == "False", "readiness to go")
    failed = "Readiness probe failed: HTTP probe failed with statuscode: 404"
    namespace.until_event("probed", "Unhealthy", failed)
    assert namespace.state("probed")["restartCount"] == 0


def test_a_container_that_fails_its_liveness_probe_is_started_anew(namespace: Namespace) -> None:
    namespace.run(
        "hangs",
        container(
            "sleep 1000",
            livenessProbe={
                "exec": {"command": ["sh", "-c", "echo broken; exit 1"]},
                "periodSeconds": 1,
                "failureThreshold": 2,
                "terminationGracePeriodSeconds": 1,
            },
        ),
    )
    status = namespace.until_ended_before("hangs")
    # sh as the first process does not die of SIGTERM here; either way the end was forced.
    assert status["lastState"]["terminated"]["exitCode"] in {137, 143}
    namespace.until_event("hangs", "Killing", "failed liveness probe")
    namespace.until_event("hangs", "Unhealthy", "Liveness probe failed: broken\n")


def test_a_container_that_fails_its_startup_probe_is_started_anew(namespace: Namespace) -> None:
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    namespace.run(
        "slow", container("sleep 1000", startupProbe=probe), terminationGracePeriodSeconds=1
    )
    assert namespace.until_ended_before("slow")["started"] is False
    namespace.until_event("slow", "Unhealthy", "dial tcp")


def test_crashing_containers_are_backed_off_and_their_last_words_are_kept(
    namespace: Namespace,
) -> None:
    namespace.run(
        "crashes",
        container("echo started; echo why >&2; exit 7",
                  terminationMessagePolicy="FallbackToLogsOnError"),
    )  # fmt: skip
    status = namespace.until_waiting("crashes", "CrashLoopBackOff")
    # The first restart is immediate, as the kubelet's.
    assert status["restartCount"] == 1
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed")
    ended = status["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")
    assert sorted(ended["message"].splitlines()) == ["started", "why"]
    assert namespace.pod("crashes")["status"]["phase"] == "Running"
    assert "started" in namespace.logs("crashes", previous=True)
    namespace.until_event("crashes", "BackOff", "Back-off restarting")


def test_a_termination_message_is_read_from_its_file(namespace: Namespace) -> None:
    namespace.run(
        "says",
        container("echo because > /dev/termination-log; exit 1"),
        container("echo because > /tmp/why; exit 0", "other", terminationMessagePath="/tmp/why"),
        restartPolicy="Never",
    )
    pod = namespace.until_phase("says", "Failed")
    for name in ("main", "other"):
        assert status_of(pod, name)["state"]["terminated"]["message"] == "because\n"


@pytest.mark.parametrize("command", [["/no/such/program"], ["sh", "-c", "exit 128"]])
def test_a_program_that_cannot_be_started_is_told_from_one_that_fails(
    namespace: Namespace, command: list[str]
) -> None:
    namespace.run("starts", {**container(""), "command": command}, restartPolicy="Never")
    ended = status_of(namespace.until_phase("starts", "Failed"))["state"]["terminated"]
    exists = command[0] == "sh"
    assert ended["exitCode"] == 128
    assert ended["reason"] == ("Error" if exists else "StartError")
    assert ("not found" in ended.get("message", "")) is not exists


def test_a_container_above_its_memory_limit_is_killed(namespace: Namespace) -> None:
    script = "python3 -c 'import time; a = bytearray(200 << 20); time.sleep(60)'"
    namespace.run(
        "greedy",
        container(f"{script}; echo survived", resources={"limits": {"memory": "100Mi"}}),
        container("sleep 1000", "modest", resources={"limits": {"memory": "100Mi"}}),
        restartPolicy="OnFailure",
    )
    ended = namespace.until_ended_before("greedy")["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert namespace.state("greedy", "modest")["restartCount"] == 0


def test_a_pod_that_takes_too_long_is_failed(namespace: Namespace) -> None:
    namespace.run(
        "long",
        container("exec sleep 1000"),
        activeDeadlineSeconds=1,
        terminationGracePeriodSeconds=1,
        restartPolicy="Never",
    )
    pod = namespace.until_phase("long", "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"


def test_a_pod_that_fills_its_volume_is_evicted(namespace: Namespace) -> None:
    namespace.run(
        "fills",
        container(
            "dd if=/dev/zero of=/v/x bs=1M count=3; sleep 1000",
            volumeMounts=[{"name": "v", "mountPath": "/v"}],
        ),
        volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}],
    )
    # A kubelet measures volumes once a minute, and looks for whom to evict each ten seconds.
    pod = namespace.until_phase("fills", "Failed")
    assert pod["status"]["reason"] == "Evicted"
    assert 'EmptyDir volume "v" exceeds the limit' in pod["status"]["message"]


def _output_until_deleted(namespace: Namespace, name: str) -> list[str]:
    """Delete a Pod; return what its container went on to write into ``/v/output``."""
    uid = namespace.until_ready(name)["metadata"]["uid"]
    volume = namespace.volume(uid)
    output: Path = eventually(
        lambda: next(volume.glob("output"), None), "the container's first word"
    )
    with output.open() as file:  # It can be read when the volume is gone.
        file.read()
        namespace.delete(name)
        eventually(lambda: not namespace.exists(name), "the Pod to go")
        return file.read().split()


TICKS = "while true; do echo tick >> /v/output; sleep 0.1; done"


def test_deletion_waits_for_the_hook_and_the_container_and_no_longer(namespace: Namespace) -> None:
    namespace.run(
        "ends",
        container(
            f"trap 'echo stopping >> /v/output; exit 0' TERM; {TICKS}",
            lifecycle={"preStop": {"sleep": {"seconds": 3}}},
            **WRITES,
        ),
        volumes=VOLUMES,
        terminationGracePeriodSeconds=600,  # Nobody waits for it.
    )
    output = _output_until_deleted(namespace, "ends")
    # It worked on while the hook ran, and ended when it was asked to.
    assert output[-1] == "stopping"
    assert output.count("tick") >= 5
    namespace.until_event("ends", "Killing", "Stopping container")


def test_a_container_that_ignores_sigterm_is_killed_after_its_grace(namespace: Namespace) -> None:
    marker = "ignores-sigterm-of-this-test"
    namespace.run(
        "stubborn",
        container(f"trap 'echo told >> /v/output' TERM; : {marker}; {TICKS}", **WRITES),
        volumes=VOLUMES,
        terminationGracePeriodSeconds=3,
    )
    output = _output_until_deleted(namespace, "stubborn")
    # It was asked to end, and had some time to.
    assert output[output.index("told") :].count("tick") >= 5
    assert not processes_with(marker)


def test_a_forced_deletion_ends_the_process_too(namespace: Namespace, world: World) -> None:
    marker = "forced-away-in-this-test"
    namespace.run("forced", container(f"trap '' TERM; : {marker}; while true; do sleep 0.1; done"))
    uid = namespace.until_ready("forced")["metadata"]["uid"]
    assert processes_with(marker)
    namespace.delete("forced", gracePeriodSeconds=0)
    assert not namespace.exists("forced")
    eventually(lambda: not processes_with(marker), "the process to go")
    folder = world.node_folder / "kubelet/pods" / uid
    eventually(lambda: not folder.exists(), "the folder to go")


def test_what_a_container_leaves_behind_ends_with_it(namespace: Namespace) -> None:
    marker = "left-behind-in-this-test"
    left = f"setsid sh -c ': {marker}; sleep 1000; true' & sleep 0.5"
    namespace.run("leaves", container(left), restartPolicy="Never")
    namespace.until_phase("leaves", "Succeeded")
    assert not processes_with(marker)


def _job(namespace: Namespace, name: str, script: str, **spec: Any) -> str:
    template = {
        "spec": {
            "containers": [container(script)],
            "restartPolicy": spec.pop("restartPolicy", "Never"),
            "automountServiceAccountToken": False,
        }
    }
    path = f"/apis/batch/v1/namespaces/{namespace.name}/jobs"
    namespace.create(path, {"metadata": {"name": name}, "spec": {"template": template, **spec}})
    return f"{path}/{name}"


def test_jobs_succeed_and_fail(namespace: Namespace) -> None:
    good = _job(namespace, "good", "true")
    bad = _job(namespace, "bad", "exit 1", backoffLimit=0)
    twice = _job(namespace, "twice", "exit 1", backoffLimit=1, restartPolicy="OnFailure")

    def conditions(path: str) -> set[str]:
        status = namespace.world.api.get(path).json()["status"]
        return {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}

    eventually(lambda: "Complete" in conditions(good), "the good Job to complete")
    eventually(lambda: "Failed" in conditions(bad), "the bad Job to fail")
    eventually(lambda: "Failed" in conditions(twice), "the Job's second attempt to fail")
