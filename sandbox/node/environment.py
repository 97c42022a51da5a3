"""A container's environment, in the order in which the kubelet builds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.kube.objects import Object, name_of
from sandbox.node import downward
from sandbox.node.expansion import expand
from sandbox.node.references import References, UnresolvedReferenceError

_PORT = re.compile(r"[^A-Z0-9_]")


async def build(
    pod: Object,
    container: Mapping[str, Any],
    *,
    address: str,
    host: downward.Host,
    references: References,
) -> dict[str, str]:
    """Service links, then ``envFrom``, then ``env``; the later wins, and all win over the image's.

    Args:
        pod: The Pod.
        container: The container's entry of the Pod's spec.
        address: The Pod's address.
        host: What the Pod may see of its node.
        references: Reads of the Pod's namespace.

    Raises:
        UnresolvedReferenceError: When a Secret, a ConfigMap or one of its keys is missing.
    """
    service = await _services(pod, host, references)
    given: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        given |= await _whole(source, references)
    for entry in container.get("env") or ():
        if "valueFrom" not in entry:
            # A reference sees what stands before it, and the service links.
            given[entry["name"]] = expand(entry.get("value", ""), service | given)
            continue
        value = await _from(pod, container, entry, address, host, references)
        if value is not None:
            given[entry["name"]] = value
    return {**service, **given}


async def _whole(source: Mapping[str, Any], references: References) -> dict[str, str]:
    prefix = source.get("prefix", "")
    if reference := source.get("configMapRef"):
        data = await references.config_map(
            reference["name"], optional=bool(reference.get("optional"))
        )
    else:
        reference = source["secretRef"]
        data = await references.secret(reference["name"], optional=bool(reference.get("optional")))
    return {prefix + key: _text(value) for key, value in (data or {}).items()}


async def _from(
    pod: Object,
    container: Mapping[str, Any],
    entry: Mapping[str, Any],
    address: str,
    host: downward.Host,
    references: References,
) -> str | None:
    source = entry["valueFrom"]
    try:
        if reference := source.get("fieldRef"):
            return downward.field(pod, reference["fieldPath"], address=address, host=host)
        if reference := source.get("resourceFieldRef"):
            owner = _container(pod, reference.get("containerName")) or container
            return downward.resource(owner, reference, host)
    except ValueError as error:
        raise UnresolvedReferenceError(f"env {entry['name']}: {error}") from error
    if reference := source.get("secretKeyRef"):
        optional = bool(reference.get("optional"))
        data = await references.secret(reference["name"], optional=optional)
        return _key(data, reference, "secret", optional=optional)
    reference = source["configMapKeyRef"]
    optional = bool(reference.get("optional"))
    data = await references.config_map(reference["name"], optional=optional)
    return _key(data, reference, "configmap", optional=optional)


def _key(
    data: dict[str, bytes] | None, reference: Mapping[str, Any], kind: str, *, optional: bool
) -> str | None:
    if data is not None and reference["key"] in data:
        return _text(data[reference["key"]])
    if optional:
        return None
    raise UnresolvedReferenceError(
        f"couldn't find key {reference['key']} in {kind} {reference['name']!r}, "
        f"which has: {', '.join(sorted(data or ())) or 'no keys'}"
    )


def _container(pod: Object, name: str | None) -> Mapping[str, Any] | None:
    spec = pod["spec"]
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        if container["name"] == name:
            found: Mapping[str, Any] = container
            return found
    return None


async def _services(pod: Object, host: downward.Host, references: References) -> dict[str, str]:
    address, port = host.services
    variables: dict[str, str] = {}
    if pod["spec"].get("enableServiceLinks", True):
        for service in await references.services():
            variables |= _service_links(service)
    # Last: nothing here answers on a Service's own address, which `default` would get otherwise.
    return {
        **variables,
        "KUBERNETES_SERVICE_HOST": address,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
    }


def _service_links(service: Object) -> dict[str, str]:
    # kubelet's envvars.FromServices: the {NAME}_SERVICE_* and the Docker-link variables.
    spec = service["spec"]
    address = spec.get("clusterIP")
    if not address or address == "None" or not spec.get("ports"):
        return {}
    prefix = _variable(name_of(service))
    first = spec["ports"][0]
    links = {
        f"{prefix}_SERVICE_HOST": address,
        f"{prefix}_SERVICE_PORT": str(first["port"]),
        f"{prefix}_PORT": f"{first.get('protocol', 'TCP').lower()}://{address}:{first['port']}",
    }
    for port in spec["ports"]:
        protocol = port.get("protocol", "TCP")
        number = str(port["port"])
        if port.get("name"):
            links[f"{prefix}_SERVICE_PORT_{_variable(port['name'])}"] = number
        link = f"{prefix}_PORT_{number}_{protocol}"
        links[link] = f"{protocol.lower()}://{address}:{number}"
        links[f"{link}_PROTO"] = protocol.lower()
        links[f"{link}_PORT"] = number
        links[f"{link}_ADDR"] = address
    return links


def _variable(name: str) -> str:
    return _PORT.sub("_", name.upper())


def _text(value: bytes) -> str:
    # An environment carries any byte but NUL; surrogates keep what is no UTF-8 as it is.
    text = value.decode(errors="surrogateescape")
    if "\0" in text:
        msg = "a value with a NUL byte can't be an environment variable; mount it as a file"
        raise UnresolvedReferenceError(msg)
    return text
