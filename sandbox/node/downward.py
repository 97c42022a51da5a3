"""The downward API: what a container may learn of its own Pod.

https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.kube.objects import Object
from sandbox.node import quantities

_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")
_DEFAULT_DIVISOR = "1"


@dataclass(frozen=True)
class Host:
    """What a Pod can see of its node.

    Attributes:
        name: The Node's name.
        address: Its InternalIP, ``status.hostIP`` of every Pod.
        allocatable: Limit of a container that sets none, by resource.
        services: Where the API server is, as ``(host, port)``.
    """

    name: str
    address: str
    allocatable: Mapping[str, str]
    services: tuple[str, int]


def field(pod: Object, path: str, *, address: str, host: Host) -> str:
    """The value of a ``fieldRef``.

    Raises:
        ValueError: When the path is none that the downward API offers.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    if match := _KEYED.match(path):
        return str((metadata.get(match.group(1)) or {}).get(match.group(2), ""))
    plain = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": host.name,
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": host.address,
        "status.hostIPs": host.address,
        "status.podIP": address,
        "status.podIPs": address,
    }
    if path in plain:
        return str(plain[path])
    if path in {"metadata.labels", "metadata.annotations"}:
        pairs: dict[str, str] = metadata.get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(pairs.items()))
    msg = f"fieldRef {path!r} is none of the downward API's fields"
    raise ValueError(msg)


def resource(container: Mapping[str, Any], reference: Mapping[str, Any], host: Host) -> str:
    """The value of a ``resourceFieldRef``; a missing limit is what the node can give.

    Raises:
        ValueError: When the resource is not one of a container's requests or limits.
    """
    kind, _, name = str(reference["resource"]).partition(".")
    if kind not in {"limits", "requests"} or name not in {"cpu", "memory", "ephemeral-storage"}:
        msg = (
            f"resourceFieldRef {reference['resource']!r}: expected limits.<name> or requests.<name>"
        )
        raise ValueError(msg)
    resources = container.get("resources") or {}
    amount = (resources.get(kind) or {}).get(name)
    if amount is None:
        amount = host.allocatable.get(name, "0") if kind == "limits" else "0"
    divisor = str(reference.get("divisor") or "0")
    return str(quantities.in_units_of(amount, _DEFAULT_DIVISOR if divisor == "0" else divisor))


def _escaped(value: str) -> str:
    # As Go's %q, for the characters that annotations really hold.
    table = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "".join(table.get(character, character) for character in value)
