"""The real API server's word on every object: strict fields, real definitions, real admission."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from infra.policies.workloads import TYPES
from sandbox.tools import ensure
from tests.sandbox.cluster import running

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

NAMESPACES = ("staging", "pr-42")
KEPT = ("Namespace", "ServiceAccount", "LimitRange", "ResourceQuota")


class Server:
    """An API server that is asked, and keeps nothing but namespaces and accounts."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._paths: dict[tuple[str, str], str] = {}

    def ask(self, document: Mapping[str, Any], *, keep: bool = False) -> httpx.Response:
        """Create an object, or ask whether it could be."""
        options = {"fieldValidation": "Strict"} | ({} if keep else {"dryRun": "All"})
        return self._client.post(self._path(document), json=document, params=options)

    def has_counted(self, namespace: str) -> bool:
        """Whether the namespace's quota is in force, which the controller manager says."""
        found = self._client.get(f"/api/v1/namespaces/{namespace}/resourcequotas/quota")
        return bool(found.raise_for_status().json().get("status", {}).get("hard"))

    def _path(self, document: Mapping[str, Any]) -> str:
        version, kind = document["apiVersion"], document["kind"]
        if (version, kind) not in self._paths:
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            served = self._client.get(root).raise_for_status().json()["resources"]
            resource = next(r for r in served if r["kind"] == kind and "/" not in r["name"])
            middle = "/namespaces/{}" if resource["namespaced"] else ""
            self._paths[version, kind] = f"{root}{middle}/{resource['name']}"
        return self._paths[version, kind].format(document["metadata"].get("namespace", ""))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, rendered: list[dict[str, Any]]
) -> Iterator[Server]:
    """A control plane with the stacks' namespaces, guard rails and service accounts in it."""
    cluster = running.make(tmp_path_factory.mktemp("home"))
    ensure(cluster.settings, ["kubernetes", "external-secrets"])
    try:
        cluster.start()
        with cluster.client() as client:
            server = Server(client)
            for kind in KEPT:
                for document in (o for o in rendered if o["kind"] == kind):
                    made = server.ask(document, keep=True)
                    assert made.status_code == 201, made.text
            yield server
    finally:
        cluster.stop()


def pods(rendered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A pod of each object that makes pods."""
    kinds = {type_.rpartition(":")[2] for type_ in TYPES}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{o['metadata']['name']}-pod",
                "namespace": o["metadata"]["namespace"],
                "labels": o["spec"]["template"]["metadata"]["labels"],
            },
            "spec": o["spec"]["template"]["spec"],
        }
        for o in rendered
        if o["kind"] in kinds
    ]


def test_every_object_is_accepted_to_the_last_field(
    server: Server, rendered: list[dict[str, Any]]
) -> None:
    asked = [o for o in rendered if o["kind"] not in KEPT]
    assert {o["metadata"]["namespace"] for o in asked} == set(NAMESPACES)
    refused = [
        f"{o['kind']} {o['metadata']['name']}: {answer.text}"
        for o in asked
        if (answer := server.ask(o)).status_code != 201
    ]
    assert refused == []


def test_every_pod_is_admitted_under_the_restricted_standard(
    server: Server, rendered: list[dict[str, Any]]
) -> None:
    asked = pods(rendered)
    assert len(asked) == 6
    for pod in asked:
        answer = server.ask(pod)
        assert answer.status_code == 201, answer.text
        assert "Warning" not in answer.headers, answer.headers["Warning"]


# In place of the pod's own volumes, which its container mounts.
HOST_PATHS = [{"name": name, "hostPath": {"path": "/"}} for name in ("scratch-0", "authorities")]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("hostNetwork", True, "host namespaces"),
        ("securityContext", {}, "seccompProfile"),
        ("volumes", HOST_PATHS, "restricted volume types"),
        ("containers/0/securityContext/privileged", True, "privileged"),
        ("containers/0/securityContext/capabilities", {"add": ["SYS_ADMIN"]}, "capabilities"),
        ("containers/0/securityContext/allowPrivilegeEscalation", True, "Escalation"),
        ("containers/0/resources/limits/memory", "64Gi", "maximum memory usage"),
    ],
)
def test_a_pod_that_wants_more_is_refused(
    server: Server, rendered: list[dict[str, Any]], path: str, value: Any, says: str
) -> None:
    pod = copy.deepcopy(pods(rendered)[-1])
    place: Any = pod["spec"]
    *way, last = path.split("/")
    for key in way:
        place = place[int(key)] if key.isdigit() else place[key]
    place[last] = value
    answer = server.ask(pod)
    assert answer.status_code in {403, 422}
    assert says in answer.text


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            },
            "persistentvolumeclaims=0",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "Service",
                "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
            },
            "services.loadbalancers=0",
        ),
    ],
)
def test_what_the_quota_has_no_room_for_is_refused(
    server: Server, document: dict[str, Any], says: str
) -> None:
    running.eventually(lambda: server.has_counted("pr-42"), "the quota to be counted")
    answer = server.ask({**document, "metadata": {"name": "more", "namespace": "pr-42"}})
    assert answer.status_code == 403
    assert "exceeded quota: quota" in answer.text
    assert says in answer.text


@pytest.mark.parametrize(
    ("kind", "field"),
    [("Deployment", "replica"), ("ExternalSecret", "refreshPolicies"), ("Ingress", "hosts")],
)
def test_a_misspelled_field_is_refused(
    server: Server, rendered: list[dict[str, Any]], kind: str, field: str
) -> None:
    document = copy.deepcopy(next(o for o in rendered if o["kind"] == kind))
    document["spec"][field] = 1
    answer = server.ask(document)
    assert answer.status_code == 400
    assert field in answer.text
