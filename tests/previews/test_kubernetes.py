"""The cluster's client: its kubeconfig, the names of resources, and failures."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
import yaml
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster as ServerAddress
from lightkube.config.models import Context, User
from lightkube.resources import (
    admissionregistration_v1,
    apps_v1,
    autoscaling_v2,
    batch_v1,
    core_v1,
    discovery_v1,
    networking_v1,
    policy_v1,
    rbac_authorization_v1,
    storage_v1,
)

import infra.controllers
from contract import kubernetes as names
from infra.policies.ownership import CUSTOM_OBJECTS, NAMESPACE, OBJECTS
from previews import kubernetes as module
from previews.errors import PreviewsError
from previews.kubeconfig import ClusterContext, read_context
from previews.kubernetes import Cluster, KubernetesObject, _Client, resource_of
from tests.previews.memory_cluster import MemoryCluster


@pytest.mark.parametrize(
    ("api_version", "kind", "resource"),
    [
        ("v1", "Namespace", "namespaces"),
        ("v1", "Service", "services"),
        ("apps/v1", "Deployment", "deployments.v1.apps"),
        ("networking.k8s.io/v1", "Ingress", "ingresses.v1.networking.k8s.io"),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies.v1.networking.k8s.io"),
        ("external-secrets.io/v1", "SecretStore", "secretstores.v1.external-secrets.io"),
        (
            "previews.internal/v1alpha1",
            "DatabaseBranch",
            "databasebranches.v1alpha1.previews.internal",
        ),
    ],
)
def test_a_resource_is_named_by_its_kind(api_version: str, kind: str, resource: str) -> None:
    assert resource_of(api_version, kind) == resource


def test_the_resources_of_kubernetes_are_named_as_it_names_them() -> None:
    modules = (admissionregistration_v1, apps_v1, autoscaling_v2, batch_v1, core_v1)
    modules += (discovery_v1, networking_v1, policy_v1, rbac_authorization_v1, storage_v1)
    infos = [
        value._api_info
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    named = {
        (info.resource.api_version, info.resource.kind): info.plural
        for info in infos
        if info.parent is None and info.action is None
    }
    assert len(named) > 40
    found = {about: resource_of(*about).partition(".")[0] for about in named}
    assert found == named


def test_the_kinds_of_infra_have_the_plurals_of_the_cluster() -> None:
    controllers = Path(infra.controllers.__file__).parent / "external-secrets.yaml"
    plurals = {
        document["spec"]["names"]["kind"]: document["spec"]["names"]["plural"]
        for document in yaml.load_all(controllers.read_text(), yaml.CSafeLoader)
        if document and document["kind"] == "CustomResourceDefinition"
    }
    assert len(plurals) > 5
    plurals |= {
        "ApplicationNetworkPolicy": "applicationnetworkpolicies",
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
        "ConfigMap": "configmaps",
        "CronJob": "cronjobs",
        "CustomResourceDefinition": "customresourcedefinitions",
        "Deployment": "deployments",
        "HorizontalPodAutoscaler": "horizontalpodautoscalers",
        "Ingress": "ingresses",
        "IngressClass": "ingressclasses",
        "IngressClassParams": "ingressclassparams",
        "Job": "jobs",
        "LimitRange": "limitranges",
        "Namespace": "namespaces",
        "NetworkPolicy": "networkpolicies",
        "NodeClass": "nodeclasses",
        "NodePool": "nodepools",
        "PodDisruptionBudget": "poddisruptionbudgets",
        "ResourceQuota": "resourcequotas",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
        names.BRANCH_KIND: names.BRANCHES,
        names.GENERATION_KIND: names.GENERATIONS,
    }
    held = {*OBJECTS, *CUSTOM_OBJECTS, NAMESPACE}
    assert {about.rpartition(":")[2] for about in held} <= set(plurals)
    assert {kind: resource_of("v1", kind) for kind in plurals} == plurals


def kubeconfig(file: Path, name: str, port: int) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": f"c-{name}", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": f"c-{name}", "user": "u"}}],
    }
    file.write_text(json.dumps(document))
    return file


class Server(BaseHTTPRequestHandler):
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        body = json.dumps({"metadata": {}, "items": [{"metadata": {"name": "pr-42"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base names it
        pass


def test_the_context_is_taken_from_the_file_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    files = [
        tmp_path / "missing",
        kubeconfig(tmp_path / "other", "other", 1),
        kubeconfig(tmp_path / "ours", "sandbox", port),
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    try:
        found = Cluster("sandbox").find("namespaces", "pr-42")
    finally:
        server.shutdown()
        server.server_close()
    assert found is not None
    assert (found.name, found.namespace, str(found)) == ("pr-42", None, "namespaces pr-42")
    assert Server.asked == [
        ("/api/v1/namespaces?fieldSelector=metadata.name%3Dpr-42", "Bearer t"),
    ]


@pytest.mark.parametrize("text", [None, "", "[]", "no: [", '{"clusters": [], "contexts": []}'])
def test_an_unusable_kubeconfig_is_a_failure_of_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(PreviewsError) as raised:
        list(Cluster("sandbox").each("namespaces"))
    assert raised.value.code == "kubernetes-failed"
    assert "aws eks update-kubeconfig --name sandbox" in raised.value.remedy


def test_a_log_is_of_the_run_before_where_that_is_meant() -> None:
    cluster = MemoryCluster()
    pod = cluster.add("pods", "service-1", "pr-42")
    cluster.logs = {("service-1", True): ["a", "b", "c"], ("service-1", False): ["d"]}
    assert cluster.log(pod, lines=2, previous=True) == ["b", "c"]
    assert cluster.log(pod, lines=2) == ["d"]
    with pytest.raises(PreviewsError, match="log of pods pr-42/service-2"):
        cluster.log(
            KubernetesObject("pods", {"metadata": {"name": "service-2", "namespace": "pr-42"}}),
            lines=2,
        )


def test_a_manifest_is_found_by_name_and_namespace() -> None:
    cluster = MemoryCluster()
    cluster.add("jobs.v1.batch", "migrate", "pr-42")
    cluster.add("jobs.v1.batch", "migrate", "pr-43")
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "pr-43"},
    }
    found = cluster.read(manifest)
    assert found is not None
    assert found.namespace == "pr-43"
    manifest["metadata"] = {"name": "prepare", "namespace": "pr-43"}
    assert cluster.read(manifest) is None


FOUND = {"metadata": {}, "items": [{"metadata": {"name": "pr-42", "namespace": "pr-42"}}]}
POD = KubernetesObject("pods", {"metadata": {"name": "web", "namespace": "pr-42"}})


def answering(
    *answers: int | Exception | httpx2.Response, context: ClusterContext | None = None
) -> Any:
    """Return a cluster that gives these answers, then none, and its requests."""
    asked: list[httpx2.Request] = []
    left = list(answers)

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx2.Response):
            return answer
        return httpx2.Response(answer, json=FOUND if answer == 200 else {"code": answer})

    cluster = Cluster("sandbox")
    config = SingleConfig("memory", Context(cluster="c"), ServerAddress(), User())
    cluster.__dict__["_client"] = _Client(
        context or ClusterContext(config), transport=httpx2.MockTransport(handle), pause=0
    )
    return cluster, asked


@pytest.mark.parametrize(
    "answer",
    [429, 500, 502, 503, 504, httpx2.ReadTimeout("slow"), httpx2.ConnectError("refused")],
)
def test_a_read_is_repeated_while_the_server_is_busy(answer: int | Exception) -> None:
    cluster, asked = answering(answer, answer, answer, 200)
    assert cluster.find("namespaces", "pr-42") is not None
    assert len(asked) == 4
    assert asked[0].extensions["timeout"] == {"connect": 10, "read": 60, "write": 60, "pool": 60}
    cluster, asked = answering(*[answer] * 4)
    with pytest.raises(PreviewsError, match=r"^namespaces pr-42 in cluster sandbox") as raised:
        cluster.find("namespaces", "pr-42")
    assert raised.value.code == "kubernetes-failed"
    assert len(asked) == 4


@pytest.mark.parametrize("answer", [401, 403])
def test_a_read_without_access_is_repeated_twice(answer: int) -> None:
    cluster, asked = answering(answer, answer, 200)
    assert cluster.find("pods", "web", namespace="pr-42") is not None
    cluster, asked = answering(*[answer] * 3)
    with pytest.raises(PreviewsError, match=r"^pods pr-42/web in cluster sandbox"):
        cluster.find("pods", "web", namespace="pr-42")
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("answer", "requests"),
    [(503, 1), (403, 1), (httpx2.ReadTimeout("slow"), 1), (httpx2.ConnectError("refused"), 2)],
)
def test_a_write_is_repeated_only_if_it_was_not_sent(
    answer: int | Exception, requests: int
) -> None:
    cluster, asked = answering(answer, 200)
    if requests == 1:
        with pytest.raises(PreviewsError):
            cluster.patch(POD, {})
    else:
        cluster.patch(POD, {})
    assert len(asked) == requests


@pytest.mark.parametrize("error", [AttributeError, KeyError, TypeError, AssertionError])
def test_an_error_of_this_program_is_none_of_the_cluster(error: type[Exception]) -> None:
    cluster, _ = answering(error("a bug"))
    with pytest.raises(error, match="a bug"):
        cluster.find("namespaces", "pr-42")


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("content", ["", "text", "null", "[]", "{}", '{"items": [1]}'])
def test_a_response_of_another_server_is_a_failure_of_the_cluster(
    status: int, content: str
) -> None:
    cluster, _ = answering(httpx2.Response(status, text=content))
    with pytest.raises(PreviewsError):
        cluster.find("namespaces", "pr-42")


def test_threads_share_the_model_of_a_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    make = module.create_namespaced_resource

    def slow(*about: Any) -> Any:
        time.sleep(0.05)
        return make(*about)

    monkeypatch.setattr(module, "create_namespaced_resource", slow)
    with ThreadPoolExecutor(4) as pool:
        models = set(pool.map(lambda _: module._model("gadgets", namespaced=True), range(4)))
    assert len(models) == 1


Configure = Callable[..., list[Path]]


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    def write(*documents: Any) -> list[Path]:
        files = []
        for number, document in enumerate(documents):
            files.append(tmp_path / str(number) / "config")
            files[-1].parent.mkdir()
            files[-1].write_text("" if document is None else json.dumps(document))
        listed = [tmp_path / "missing", *files]
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, listed)))
        return files

    return write


def one(cluster: Any = None, user: Any = None) -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": cluster or {"server": "http://api.invalid"}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "c", "user": "u"}}],
    }


def test_files_are_merged_and_the_first_entry_applies(configure: Configure) -> None:
    whole = one({"server": "http://second.invalid"}, {"token": "second"})
    files = configure(
        None,
        {"clusters": None, "users": [{"name": "u", "user": {"tokenFile": "token"}}]},
        {"contexts": whole["contexts"]},
        {"clusters": [{"name": "c", "cluster": {"server": "http://first.invalid"}}]},
        whole,
    )
    config = read_context("sandbox").config
    assert config.cluster.server == "http://first.invalid"
    assert config.user is not None
    assert config.user.token_file == str(files[1].parent / "token")
    assert config.user.token is None


def test_an_entry_of_another_context_is_not_interpreted(configure: Configure) -> None:
    document = one()
    document["clusters"].insert(0, {"name": "foreign", "cluster": {"server": 1}})
    document["users"][:0] = [None, {"name": "foreign"}, {"user": {"exec": "text"}}]
    document["contexts"].insert(0, {"name": "foreign", "context": {}})
    configure(document)
    assert read_context("sandbox").config.cluster.server == "http://api.invalid"


def plugin(version: str, output: Any) -> dict[str, Any]:
    command = ["-c", f"print({json.dumps(output)!r})"]
    api = f"client.authentication.k8s.io/{version}"
    return {"exec": {"apiVersion": api, "command": sys.executable, "args": command}}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_an_exec_plugin_gives_the_token(configure: Configure, version: str) -> None:
    configure(one(user=plugin(version, {"status": {"token": "secret"}})))
    cluster, asked = answering(200, context=read_context("sandbox"))
    assert cluster.find("namespaces", "pr-42") is not None
    assert asked[0].headers["Authorization"] == "Bearer secret"


def test_an_exec_plugin_without_a_token_is_named(configure: Configure) -> None:
    configure(one(user=plugin("v1", {"status": {}})))
    cluster, _ = answering(200, context=read_context("sandbox"))
    with pytest.raises(PreviewsError, match=r"has no status\.token"):
        cluster.find("namespaces", "pr-42")


def test_the_name_in_the_certificate_is_the_kubeconfigs(configure: Configure) -> None:
    configure(one({"server": "https://10.0.0.1", "tls-server-name": "api.internal"}))
    cluster, asked = answering(200, context=read_context("sandbox"))
    assert cluster.find("namespaces", "pr-42") is not None
    assert asked[0].extensions["sni_hostname"] == "api.internal"


def test_requests_pass_the_proxy_of_the_kubeconfig(configure: Configure) -> None:
    Server.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    configure(one({"server": "http://api.invalid", "proxy-url": proxy}))
    try:
        assert Cluster("sandbox").find("namespaces", "pr-42") is not None
    finally:
        server.shutdown()
        server.server_close()
    [(url, _)] = Server.asked
    assert url.startswith("http://api.invalid/api/v1/namespaces?")


def test_a_proxy_of_an_unknown_protocol_is_refused(configure: Configure) -> None:
    configure(one({"server": "http://api.invalid", "proxy-url": "gopher://proxy.invalid"}))
    with pytest.raises(PreviewsError, match="gopher"):
        Cluster("sandbox").find("namespaces", "pr-42")
