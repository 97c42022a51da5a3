"""First objects of a cluster: definitions, roles, the Ingress class, metrics, Pods' identity.

Run as ``python -m sandbox.cluster.bootstrap`` once the API server is ready.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from sandbox.cluster import pod_identity
from sandbox.cluster.definitions import CHECKSUM, definitions
from sandbox.cluster.health import tls_context
from sandbox.cluster.layout import Identity, Layout, Port
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.tools import locate

_METRICS_NAMESPACE = "kube-system"
_METRICS_SERVER = "metrics-server"
_METRICS_GROUP, _METRICS_VERSION = "metrics.k8s.io", "v1beta1"
_MANIFESTS = Path(__file__).parent / "manifests"
_FIELD_MANAGER = "sandbox-bootstrap"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_ESTABLISHED_SECONDS = 30
_REQUEST_SECONDS = 30

# API paths of the kinds; all but the one Service are cluster-scoped.
_PATHS = {
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": _DEFINITIONS,
    "IngressClass": "/apis/networking.k8s.io/v1/ingressclasses",
    "MutatingAdmissionPolicy": f"{_ADMISSION}/mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": f"{_ADMISSION}/mutatingadmissionpolicybindings",
    "Namespace": "/api/v1/namespaces",
    "Service": f"/api/v1/namespaces/{_METRICS_NAMESPACE}/services",
}


class _NotEstablishedError(Exception):
    """Some definitions are not served yet."""


def bootstrap(settings: Settings) -> None:
    """Apply missing and changed objects, and wait until all definitions are served.

    It can be run again, and killed, at any time.

    Raises:
        SandboxError: The API server rejects an object, or can't be reached.
    """
    layout = Layout(settings)
    crds = locate(settings, ["external-secrets"]).crds
    with httpx.Client(
        base_url=layout.server,
        verify=tls_context(layout.authority, layout.pair(Identity.ADMIN.file_name)),
        timeout=_REQUEST_SECONDS,
        trust_env=False,
    ) as api:
        try:
            _apply_all(api, crds)
            for document in (*_metrics_api(layout), *pod_identity.documents(settings)):
                _apply(api, document)
        except httpx.HTTPError as error:
            raise SandboxError(
                f"API server {layout.server}",
                why=f"it does not answer: {type(error).__name__} {error}",
                remedy="read `sandbox logs kube-apiserver`.",
            ) from error


def _apply_all(api: httpx.Client, crds: Path) -> None:
    served = _served_checksums(api)
    wanted = list(definitions(crds))
    for definition in wanted:
        checksum = definition["metadata"]["annotations"][CHECKSUM]
        if served.get(definition["metadata"]["name"]) != checksum:
            _apply(api, definition)
    for path in sorted(_MANIFESTS.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            _apply(api, document)
    try:
        _await_established(api, {definition["metadata"]["name"] for definition in wanted})
    except _NotEstablishedError as error:
        raise SandboxError(
            "CustomResourceDefinitions of the External Secrets Operator",
            why=f"not established after {_ESTABLISHED_SECONDS} s: {error}",
            remedy="read `sandbox logs kube-apiserver`; `sandbox reset` makes a new cluster.",
        ) from error


def _served_checksums(api: httpx.Client) -> dict[str, str]:
    answer = api.get(_DEFINITIONS, headers={"Accept": _METADATA_ONLY})
    answer.raise_for_status()
    return {
        item["metadata"]["name"]: item["metadata"].get("annotations", {}).get(CHECKSUM, "")
        for item in answer.json()["items"] or ()
    }


def _apply(api: httpx.Client, document: dict[str, Any]) -> None:
    name = document["metadata"]["name"]
    answer = api.patch(
        f"{_PATHS[document['kind']]}/{name}",
        params={"fieldManager": _FIELD_MANAGER, "force": "true"},
        # The content type of server-side apply is YAML, of which JSON is a subset.
        headers={"Content-Type": "application/apply-patch+yaml"},
        content=json.dumps(document),
    )
    if answer.is_error:
        raise SandboxError(
            f"{document['kind']} {name}",
            why=f"the API server rejects it with {answer.status_code}: {_message(answer)}",
            remedy="read `sandbox logs kube-apiserver`; `sandbox reset` makes a new cluster.",
        )


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:500]


@retry(
    retry=retry_if_exception_type(_NotEstablishedError),
    wait=wait_fixed(0.05),
    stop=stop_after_delay(_ESTABLISHED_SECONDS),
    reraise=True,
)
def _await_established(api: httpx.Client, names: Iterable[str]) -> None:
    missing = [name for name in sorted(names) if not _is_established(api, name)]
    if missing:
        raise _NotEstablishedError(", ".join(missing))


def _is_established(api: httpx.Client, name: str) -> bool:
    answer = api.get(f"{_DEFINITIONS}/{name}/status")
    answer.raise_for_status()
    # Null at first, after the definition was created.
    conditions = answer.json().get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _metrics_api(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield the Service and the APIService, as in metrics-server's own manifests.

    Since metrics-server is a process and no Pod, its Service is an external name for its
    address.
    """
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": _METRICS_SERVER, "namespace": _METRICS_NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": layout.settings.control_plane},
    }
    yield {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{_METRICS_VERSION}.{_METRICS_GROUP}"},
        "spec": {
            "group": _METRICS_GROUP,
            "version": _METRICS_VERSION,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "caBundle": base64.b64encode(layout.authority.read_bytes()).decode(),
            "service": {
                "name": _METRICS_SERVER,
                "namespace": _METRICS_NAMESPACE,
                "port": Port.METRICS_SERVER.value,
            },
        },
    }


def main() -> None:
    """Run the process ``cluster-bootstrap``."""
    try:
        bootstrap(Settings())
    except SandboxError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
