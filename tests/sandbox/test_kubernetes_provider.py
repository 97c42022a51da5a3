"""The Kubernetes provider is built for the installed SDK, and knows what the program declares."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from pulumi_kubernetes import (
    admissionregistration,
    apiextensions,
    apps,
    autoscaling,
    batch,
    core,
    networking,
    policy,
    rbac,
)
from pulumi_kubernetes._tables import SNAKE_TO_CAMEL_CASE_TABLE

from sandbox.settings import Settings
from sandbox.tools import ensure, recipes

PROGRAM = "pulumi-resource-kubernetes"
_LARGEST_SCHEMA = 64 * 1024 * 1024
_DECLARED = {
    "admissionregistration.k8s.io/v1": admissionregistration.v1.ValidatingAdmissionPolicy,
    "apiextensions.k8s.io/v1": apiextensions.v1.CustomResourceDefinition,
    "apps/v1": apps.v1.Deployment,
    "autoscaling/v2": autoscaling.v2.HorizontalPodAutoscaler,
    "batch/v1": batch.v1.Job,
    "core/v1": core.v1.Service,
    "networking.k8s.io/v1": networking.v1.Ingress,
    "policy/v1": policy.v1.PodDisruptionBudget,
    "rbac.authorization.k8s.io/v1": rbac.v1.RoleBinding,
}
"""One kind of each group that the program declares."""


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Any]:
    tools = ensure(Settings(home=tmp_path), ["pulumi-kubernetes"])
    process = await asyncio.create_subprocess_exec(
        tools.folders["pulumi-kubernetes"] / "bin" / PROGRAM, "", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await asyncio.wait_for(process.stdout.readline(), 60))
    options = [("grpc.max_receive_message_length", _LARGEST_SCHEMA)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    process.kill()
    await process.wait()


def test_the_recipe_builds_the_version_of_the_installed_sdk() -> None:
    assert metadata.version("pulumi-kubernetes") == recipes.PULUMI_KUBERNETES_VERSION


@pytest.mark.sandbox
def test_the_engine_finds_it_among_its_plugins(tmp_path: Path) -> None:
    tools = ensure(Settings(home=tmp_path), ["pulumi", "pulumi-kubernetes"])
    assert not (tools.bin / PROGRAM).exists()
    listed = subprocess.run(
        [tools.pulumi, "plugin", "ls", "--json"],
        env={"PULUMI_HOME": str(tmp_path / "pulumi" / "home"), "PATH": str(tools.bin)},
        check=True,
        capture_output=True,
    ).stdout
    [plugin] = json.loads(listed)
    assert (plugin["name"], plugin["version"]) == ("kubernetes", recipes.PULUMI_KUBERNETES_VERSION)


@pytest.mark.sandbox
async def test_it_knows_what_the_program_declares(provider: Any) -> None:
    info = await provider.GetPluginInfo(empty_pb2.Empty())
    assert info.version == recipes.PULUMI_KUBERNETES_VERSION
    schema = json.loads((await provider.GetSchema(provider_pb2.GetSchemaRequest())).schema)
    assert schema["version"] == recipes.PULUMI_KUBERNETES_VERSION
    for group, kind in _DECLARED.items():
        found = schema["resources"][f"kubernetes:{group}:{kind.__name__}"]
        assert found["inputProperties"].keys() == _inputs(kind), kind


def _inputs(kind: Any) -> set[str]:
    names = inspect.signature(kind._internal_init).parameters.keys()
    own = names - {"__self__", "resource_name", "opts", "__props__"}
    return {SNAKE_TO_CAMEL_CASE_TABLE.get(name, name) for name in own}
