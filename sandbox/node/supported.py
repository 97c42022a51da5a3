"""Which fields of a Pod this node honours: one table, checked against the whole spec.

What is not in the table is refused by its path, whatever it is: a field that is ignored
would make a Pod behave here as it would not on a real node. Fields that only the API
server, the scheduler or the controllers act on are in the table because those are real.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = Callable[[Any], str | None]
"""Says what is wrong with a value, None when it is honoured."""


def anything(_value: Any) -> str | None:
    """Honoured whatever it is; the API server has checked its form."""
    return None


def only(*values: Any, why: str) -> Check:
    """Honoured when it is one of ``values``."""

    def check(value: Any) -> str | None:
        if value in values:
            return None
        return f"{value!r} is not supported: {why}"

    return check


def each(rule: Rule) -> Check:
    """A list whose entries follow ``rule``."""
    return _Each(rule)


class _Each:
    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __call__(self, value: Any) -> str | None:  # pragma: no cover - taken apart by _walk
        raise NotImplementedError


Rule = Check | Mapping[str, Any]

_OFF = only(False, None, why="containers share this machine's kernel and network")
_PROFILE = {
    "type": only(
        "RuntimeDefault",
        "Unconfined",
        why="no profile is applied here; RuntimeDefault is accepted without a filter",
    )
}


def _no_capability(value: Any) -> str | None:
    return f"{value!r} is not supported: no process gets a capability here" if value else None


def _resource_names(value: Any) -> str | None:
    known = {"cpu", "memory", "ephemeral-storage"}
    others = sorted(set(value or ()) - known)
    return f"{', '.join(others)}: this node has only {', '.join(sorted(known))}" if others else None


def _signal(value: Any) -> str | None:
    return None if value in signal.Signals.__members__ else f"{value!r} is no signal of Linux"


def _file_key(value: Any) -> str | None:
    return (
        f"{value!r} is not supported: name the value, a Secret, a ConfigMap or a field"
        if value
        else None
    )


_SECURITY = {
    "runAsUser": anything,
    "runAsGroup": anything,
    "runAsNonRoot": anything,
    "seccompProfile": _PROFILE,
    "appArmorProfile": _PROFILE,
}
_ACTION = {
    "exec": {"command": anything},
    "httpGet": {
        "path": anything,
        "port": anything,
        "host": anything,
        "scheme": anything,
        "httpHeaders": anything,
    },
    "tcpSocket": {"port": anything, "host": anything},
}
_PROBE = {
    **_ACTION,
    "initialDelaySeconds": anything,
    "periodSeconds": anything,
    "timeoutSeconds": anything,
    "successThreshold": anything,
    "failureThreshold": anything,
    "terminationGracePeriodSeconds": anything,
}
_HANDLER = {**_ACTION, "sleep": {"seconds": anything}}
_CONTAINER: Mapping[str, Any] = {
    "name": anything,
    "image": anything,
    "imagePullPolicy": anything,  # The registry is this machine's image store.
    "command": anything,
    "args": anything,
    "workingDir": anything,
    "ports": each(
        {
            "name": anything,
            "containerPort": anything,
            "protocol": anything,
            "hostPort": only(None, 0, why="a Pod has an address of its own"),
        }
    ),
    "envFrom": anything,
    "env": each(
        {
            "name": anything,
            "value": anything,
            "valueFrom": {
                "fieldRef": anything,
                "resourceFieldRef": anything,
                "configMapKeyRef": anything,
                "secretKeyRef": anything,
                "fileKeyRef": _file_key,
            },
        }
    ),
    "resources": {"limits": _resource_names, "requests": _resource_names},
    "resizePolicy": anything,  # The API server fills it in; a resize itself is refused.
    "volumeMounts": each(
        {
            "name": anything,
            "mountPath": anything,
            "readOnly": anything,
            "recursiveReadOnly": anything,
            "subPath": anything,
            "subPathExpr": anything,
            "mountPropagation": only("None", why="mounts of a container are its own"),
        }
    ),
    "startupProbe": _PROBE,
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
    "lifecycle": {"postStart": _HANDLER, "preStop": _HANDLER, "stopSignal": _signal},
    "terminationMessagePath": anything,
    "terminationMessagePolicy": anything,
    "securityContext": {
        **_SECURITY,
        "readOnlyRootFilesystem": anything,
        "allowPrivilegeEscalation": anything,  # No process here ever gets privileges.
        "privileged": _OFF,
        "procMount": only("Default", why="the machine's /proc is shown"),
        "capabilities": {"drop": anything, "add": _no_capability},
    },
    "stdin": _OFF,
    "stdinOnce": _OFF,
    "tty": _OFF,
}
_VOLUME = {
    "name": anything,
    "emptyDir": {
        "medium": only("", "Memory", why="there are no huge pages here"),
        "sizeLimit": anything,
    },
    "secret": anything,
    "configMap": anything,
    "downwardAPI": anything,
    "projected": {
        "defaultMode": anything,
        "sources": each(
            {
                "secret": anything,
                "configMap": anything,
                "downwardAPI": anything,
                "serviceAccountToken": anything,
            }
        ),
    },
}
POD: Mapping[str, Any] = {
    "containers": each(_CONTAINER),
    "initContainers": each(
        {**_CONTAINER, "restartPolicy": only("Always", why="other rules are for real nodes")}
    ),
    "volumes": each(_VOLUME),
    "restartPolicy": anything,
    "terminationGracePeriodSeconds": anything,
    "activeDeadlineSeconds": anything,
    "hostname": anything,
    "hostAliases": anything,
    "enableServiceLinks": anything,
    "automountServiceAccountToken": anything,
    "imagePullSecrets": anything,  # The image store asks for no credential.
    "securityContext": {
        **_SECURITY,
        "fsGroup": anything,
        "fsGroupChangePolicy": anything,
        "supplementalGroupsPolicy": only("Merge", why="a process has one group"),
    },
    "hostNetwork": _OFF,
    "hostPID": _OFF,
    "hostIPC": _OFF,
    "hostUsers": only(True, why="user namespaces are the node's own choice"),
    "shareProcessNamespace": _OFF,
    "setHostnameAsFQDN": _OFF,
    "dnsPolicy": only("ClusterFirst", "Default", why="names are looked up as this machine does"),
    "os": {"name": only("linux", why="this node runs Linux")},
    # For the API server, the scheduler and the controllers:
    "nodeName": anything,
    "nodeSelector": anything,
    "affinity": anything,
    "tolerations": anything,
    "topologySpreadConstraints": anything,
    "schedulerName": anything,
    "schedulingGates": anything,
    "priority": anything,
    "priorityClassName": anything,
    "preemptionPolicy": anything,
    "serviceAccount": anything,
    "serviceAccountName": anything,
}


def refusals(spec: Mapping[str, Any]) -> list[str]:
    """Every field of a Pod's spec that can't be honoured, each with its path and the reason."""
    return list(_walk(spec, POD, "spec"))


def _walk(value: Any, rule: Rule, path: str) -> Iterator[str]:
    if isinstance(rule, _Each):
        for index, entry in enumerate(value or ()):
            name = entry.get("name") if isinstance(entry, Mapping) else None
            yield from _walk(entry, rule.rule, f"{path}[{name or index}]")
    elif isinstance(rule, Mapping):
        for field, inner in (value or {}).items():
            if field in rule:
                yield from _walk(inner, rule[field], f"{path}.{field}")
            else:
                yield f"{path}.{field}: this node does not implement it"
    elif (problem := rule(value)) is not None:
        yield f"{path}: {problem}"
