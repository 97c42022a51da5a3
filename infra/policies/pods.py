"""Pods: the Pod Security Standard ``restricted`` and more, and images by digest.

The namespace's labels make Kubernetes enforce the standard. Here it is refused before anything is
created, in any namespace.
https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.policies.declared import Declared, below, each, get, listed
from infra.policies.rule import Rule
from infra.policies.workloads import TYPES, Container, containers, pod_spec

_DIGEST = re.compile(r"^[^@\s]+@sha256:[0-9a-f]{64}$")
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_syncookies",
    }
)


def image_by_digest(workload: Declared) -> Iterator[str]:
    """Require images by digest: a tag can be moved to another image."""
    for container in containers(workload):
        image = str(container.properties.get("image") or "")
        if not _DIGEST.match(image):
            yield f"container {container.name} runs {image!r}: expected …@sha256:<digest>"


def restricted(workload: Declared) -> Iterator[str]:
    """Require the standard ``restricted``, and a root folder that is read-only or limited."""
    pod = pod_spec(workload)
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key} is true"
    for volume in each(pod, "volumes"):
        kinds = {key for key, value in volume.items() if key != "name" and value is not None}
        if not kinds <= _VOLUMES:
            yield f"volume {volume.get('name')} is of {', '.join(sorted(kinds - _VOLUMES))}"
    for sysctl in each(pod, "securityContext", "sysctls"):
        if sysctl.get("name") not in _SAFE_SYSCTLS:
            yield f"it sets {sysctl.get('name')}"
    for container in containers(workload):
        yield from _confined(container)


def _confined(container: Container) -> Iterator[str]:
    own = below(container.properties, "securityContext")
    capabilities = below(own, "capabilities")
    wanted = {
        "privileged is true": bool(get(own, "privileged")),
        "allowPrivilegeEscalation is not false": (
            get(own, "allowPrivilegeEscalation") is not False
        ),
        "it may write to its root folder without a limit": (
            get(own, "readOnlyRootFilesystem") is not True
            and not get(container.properties, "resources", "limits", "ephemeral-storage")
        ),
        "capabilities.drop lacks ALL": "ALL" not in listed(capabilities, "drop"),
        "capabilities.add has more than NET_BIND_SERVICE": not (
            set(listed(capabilities, "add")) <= {"NET_BIND_SERVICE"}
        ),
        "runAsNonRoot is not true": container.secured("runAsNonRoot") is not True,
        "runAsUser is 0": container.secured("runAsUser") == 0,
        "seccompProfile is not RuntimeDefault": (
            get(container.secured("seccompProfile"), "type") not in {"RuntimeDefault", "Localhost"}
        ),
        "procMount is not Default": get(own, "procMount") not in {None, "Default"},
        "it opens a port of its node": any(
            port.get("hostPort") for port in each(container.properties, "ports")
        ),
    }
    for complaint, found in wanted.items():
        if found:
            yield f"container {container.name}: {complaint}"


def without_token(workload: Declared) -> Iterator[str]:
    """Require that a stack's own pods get no token; controllers run elsewhere."""
    if workload.namespace != workload.stack.namespace:
        return
    if pod_spec(workload).get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"


RULES = (
    Rule("image-by-digest", "Pods run images by digest.", image_by_digest, TYPES),
    Rule("pod-restricted", "Pods meet the standard `restricted`.", restricted, TYPES),
    Rule("pod-without-token", "A stack's own pods get no token.", without_token, TYPES),
)
