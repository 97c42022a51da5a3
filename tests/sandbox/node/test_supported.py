from __future__ import annotations

import copy
from typing import Any

import pytest

from sandbox.node.supported import refusals

Object = dict[str, Any]

FULL: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 15,
    "dnsPolicy": "ClusterFirst",
    "serviceAccountName": "default",
    "serviceAccount": "default",
    "automountServiceAccountToken": False,
    "enableServiceLinks": True,
    "nodeName": "sandbox",
    "schedulerName": "default-scheduler",
    "priority": 0,
    "preemptionPolicy": "PreemptLowerPriority",
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "topologySpreadConstraints": [{"maxSkew": 1}],
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "initContainers": [{"name": "init", "image": "i", "restartPolicy": "Always"}],
    "containers": [
        {
            "name": "web",
            "image": "i",
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "resources": {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "readinessProbe": {"httpGet": {"path": "/", "port": "http", "scheme": "HTTP"},
                               "timeoutSeconds": 1},
            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
    ],
    "volumes": [
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "t", "projected": {"defaultMode": 420,
                                    "sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ],
}  # fmt: skip


def test_what_previews_use_is_supported() -> None:
    assert refusals(FULL) == []


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("hostNetwork", True, "spec.hostNetwork"),
        ("hostPID", True, "spec.hostPID"),
        ("hostUsers", False, "spec.hostUsers"),
        ("runtimeClassName", "gvisor", "spec.runtimeClassName"),
        ("fieldOfTheFuture", {}, "spec.fieldOfTheFuture"),
        ("ephemeralContainers", [{"name": "d"}], "spec.ephemeralContainers"),
        ("resourceClaims", [{}], "spec.resourceClaims"),
        ("os.name", "windows", "spec.os.name"),
        ("dnsPolicy", "None", "spec.dnsPolicy"),
        ("securityContext.sysctls", [{}], "spec.securityContext.sysctls"),
        ("securityContext.supplementalGroups", [1], "spec.securityContext.supplementalGroups"),
        ("securityContext.seccompProfile.type", "Localhost", "seccompProfile.type"),
        ("containers.0.securityContext.privileged", True, "spec.containers[web].securityContext"),
        ("containers.0.securityContext.procMount", "Unmasked", "procMount"),
        ("containers.0.securityContext.capabilities.add", ["NET_ADMIN"], "capabilities.add"),
        ("containers.0.ports.0.hostPort", 80, "spec.containers[web].ports[http].hostPort"),
        ("containers.0.tty", True, "spec.containers[web].tty"),
        ("containers.0.volumeDevices", [{}], "volumeDevices"),
        ("containers.0.volumeMounts.0.mountPropagation", "Bidirectional", "mountPropagation"),
        ("containers.0.resources.limits", {"nvidia.com/gpu": 1}, "nvidia.com/gpu"),
        ("containers.0.resources.claims", [{}], "resources.claims"),
        ("containers.0.restartPolicy", "Never", "spec.containers[web].restartPolicy"),
        ("containers.0.livenessProbe", {"grpc": {"port": 1}}, "livenessProbe.grpc"),
        ("containers.0.lifecycle.stopSignal", "SIGNOPE", "lifecycle.stopSignal"),
        ("initContainers.0.restartPolicy", "Never", "spec.initContainers[init].restartPolicy"),
        ("volumes.0.hostPath", {"path": "/"}, "spec.volumes[tmp].hostPath"),
        ("volumes.0.persistentVolumeClaim", {"claimName": "c"}, "persistentVolumeClaim"),
        ("volumes.0.emptyDir.medium", "HugePages", "emptyDir.medium"),
        ("volumes.1.projected.sources.0.clusterTrustBundle", {}, "clusterTrustBundle"),
    ],
)
def test_what_cannot_be_honoured_is_named(path: str, value: object, named: str) -> None:
    spec = copy.deepcopy(FULL)
    *parents, last = path.split(".")
    at: Any = spec
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    at[last] = value
    found = refusals(spec)
    assert len(found) == 1
    assert named in found[0]


def test_every_refusal_is_told_at_once() -> None:
    assert len(refusals({"containers": [], "hostNetwork": True, "hostIPC": True})) == 2
