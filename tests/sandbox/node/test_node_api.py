"""The node's dealings with the API server, against one that is faked."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.node.agent import Agent
from sandbox.node.config import NodeConfig
from sandbox.node.images import StoredImages
from sandbox.node.pod_state import first_state
from sandbox.node.registration import Registration
from sandbox.node.status_writer import StatusWriter
from tests.sandbox.kube.fake_api import FakeApi, Object, serving, until

STATUS = "/api/v1/namespaces/n/pods/p/status"


def _config(tmp_path: Path, **fields: Any) -> NodeConfig:
    values: dict[str, Any] = {
        "name": "sandbox",
        "home": tmp_path / "node",
        "images": tmp_path / "images",
        "kubeconfig": tmp_path / "kubeconfig",
        "address": "127.99.0.3",
        "network": ipaddress.IPv4Network("127.99.0.0/16"),
        "certificate": tmp_path / "kubelet.pem",
        "client_ca": tmp_path / "ca.crt",
        "api": ("127.99.0.1", 6443),
    }
    return NodeConfig(**{**values, **fields})


def _pod() -> Object:
    metadata = {"name": "p", "namespace": "n", "uid": "u", "generation": 1}
    return {"metadata": metadata, "spec": {"containers": [{"name": "main", "image": "i"}]}}


async def test_the_status_is_written_when_it_changes_and_is_always_the_latest() -> None:
    api = FakeApi()
    async with serving(api) as client:
        state = first_state(_pod(), host="127.99.0.3")
        writer = StatusWriter(client, state)
        task = asyncio.create_task(writer.run())
        writer.changed()
        await writer.settled()
        writer.changed()  # Nothing differs: nothing is written.
        await writer.settled()
        assert len(api.requests) == 1
        api.answers[f"PATCH {STATUS}"] = [(500, {}), (503, {"message": "starting"})]
        state.address = "127.99.10.1"
        writer.changed()
        await until(lambda: len(api.requests) == 2)
        state.main[0].ready = True
        writer.changed()
        await asyncio.wait_for(writer.settled(), 5)
        task.cancel()
    method, path, body = api.requests[-1]
    assert (method, path, body["metadata"]) == ("PATCH", STATUS, {"uid": "u"})
    assert body["status"]["podIP"] == "127.99.10.1"
    assert body["status"]["containerStatuses"][0]["ready"] is True
    assert body["status"]["observedGeneration"] == 1


@pytest.mark.parametrize("code", [404, 409])
async def test_nobody_waits_for_the_status_of_a_pod_that_is_gone(code: int) -> None:
    api = FakeApi()
    api.answers[f"PATCH {STATUS}"] = [(code, {"message": "gone"})]
    async with serving(api) as client:
        writer = StatusWriter(client, first_state(_pod(), host="127.99.0.3"))
        task = asyncio.create_task(writer.run())
        writer.changed()
        await asyncio.wait_for(task, 5)
        assert writer.gone.is_set()
        writer.changed()  # Whatever happens after.
        await asyncio.wait_for(writer.settled(), 1)


async def test_a_node_that_is_there_already_is_taken_over(tmp_path: Path) -> None:
    api = FakeApi()
    known = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    node = {"metadata": {"name": "sandbox", "uid": "n"}, "status": {"conditions": [known]}}
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    api.answers = {
        "POST /api/v1/nodes": [(503, {}), (409, {"reason": "AlreadyExists"})],
        "PATCH /api/v1/nodes/sandbox": [(200, node)],
        f"PATCH {lease}/sandbox": [(404, {"reason": "NotFound"})],
    }
    async with serving(api) as client:
        registration = Registration(client, _config(tmp_path))
        task = asyncio.create_task(registration.run())
        await asyncio.wait_for(registration.done.wait(), 5)
        task.cancel()
    status = next(b for _, path, b in api.requests if path.endswith("/status"))["status"]
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["lastTransitionTime"]) == ("True", "2026-01-01T00:00:00Z")
    assert status["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250
    made = next(body for method, path, body in api.requests if (method, path) == ("POST", lease))
    assert made["metadata"]["ownerReferences"][0]["uid"] == "n"


async def test_a_node_without_credentials_says_what_to_do(tmp_path: Path) -> None:
    agent = Agent(_config(tmp_path), StoredImages(tmp_path))
    with pytest.raises(SandboxError, match=re.escape(str(tmp_path / "kubeconfig"))):
        await agent.run()


async def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    document = {
        "current-context": "c",
        "contexts": [context],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "c", "user": {}}],
    }
    import json

    (tmp_path / "kubeconfig").write_text(json.dumps(document))
    (tmp_path / "kubelet.pem").write_text("nonsense")
    agent = Agent(_config(tmp_path), StoredImages(tmp_path))
    with pytest.raises(SandboxError, match=r"certificate .*kubelet\.pem"):
        await agent.run()


def test_the_process_ends_with_the_message_and_no_traceback(tmp_path: Path) -> None:
    options = {
        "name": "sandbox", "home": tmp_path, "images": tmp_path, "kubeconfig": tmp_path / "none",
        "address": "127.99.0.3", "network": "127.99.0.0/16", "certificate": tmp_path,
        "client-ca": tmp_path, "api": "127.99.0.1:6443", "http-port": 1,
        "balancer-kubeconfig": tmp_path / "none",
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.node", *(f"--{k}={v}" for k, v in options.items())],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "What to do:" in ended.stderr
    assert "Traceback" not in ended.stderr
