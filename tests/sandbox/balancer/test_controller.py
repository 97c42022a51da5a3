"""The controller's updates of Ingresses, and its start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox.balancer.controller import Balancer, BalancerConfig
from sandbox.errors import SandboxError
from tests.sandbox.balancer.fake_api import FakeApi
from tests.sandbox.balancer.world import (
    INGRESSES,
    SERVICES,
    World,
    balancing,
    ingress,
    service,
    target,
)
from tests.waiting import eventually_beside

FINALIZER = "group.ingress.k8s.aws/previews"


async def test_an_ingress_is_claimed_then_gets_its_address(tmp_path: Path) -> None:
    async with balancing(tmp_path) as world, target() as pod:
        world.serve(pod)
        assert await world.until_event("SuccessfullyReconciled")
        claim, *_ = world.patches()
        assert claim["metadata"]["finalizers"] == [FINALIZER]
        assert claim["metadata"]["resourceVersion"]
        (status,) = world.patches("/status")
        (entry,) = status["status"]["loadBalancer"]["ingress"]
        assert entry["hostname"].startswith("k8s-previews-")


async def test_nothing_is_written_when_all_is_as_it_should_be(tmp_path: Path) -> None:
    async with balancing(tmp_path) as world, target() as pod:
        world.serve(pod)
        await world.until_event("SuccessfullyReconciled")
        made = ingress(world.port)
        made["metadata"]["finalizers"] = [FINALIZER, "someone/else"]
        made["status"] = world.patches("/status")[-1]["status"]
        world.api.requests.clear()
        world.api.put(INGRESSES, "web", **made)
        await world.until_status(200)
        assert not [path for method, path, _ in world.api.requests if "ingresses" in path]


async def test_a_deleted_ingress_is_let_go_and_routed_no_more(tmp_path: Path) -> None:
    async with balancing(tmp_path) as world, target() as pod:
        world.serve(pod)
        await world.until_status(200)
        world.api.requests.clear()
        leaving = ingress(world.port)
        leaving["metadata"] |= {
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["someone/else", FINALIZER],
        }
        world.api.put(INGRESSES, "web", **leaving)
        await world.until_status(404)
        await eventually_beside(world.patches)
        assert world.patches()[0]["metadata"]["finalizers"] == ["someone/else"]


async def test_an_ingress_that_cannot_be_served_gets_an_event_and_no_address(
    tmp_path: Path,
) -> None:
    async with balancing(tmp_path) as world:
        world.api.put(INGRESSES, "web", **ingress(world.port + 1))
        message = await world.until_event("FailedBuildModel")
        assert f'expected [{{"HTTP": {world.port}}}]' in message
        assert not world.patches()
        # Once is enough; and it is served as soon as it can be.
        world.api.put(INGRESSES, "web", **ingress(world.port))
        assert "Service pr-1/web not found" in await _until_another(world, message)
        world.api.put(SERVICES, "web", **service())
        await world.until_event("SuccessfullyReconciled")


async def _until_another(world: World, message: str) -> str:
    await eventually_beside(lambda: any(m != message for _, m in world.events()))
    return next(m for _, m in world.events() if m != message)


async def test_an_event_that_is_refused_or_too_long_stops_nothing(tmp_path: Path) -> None:
    api = FakeApi()
    path = "POST /api/v1/namespaces/pr-1/events"
    api.answers[path] = [(403, {"message": "namespace is being terminated"})]
    async with balancing(tmp_path, api) as world, target() as pod:
        world.serve(pod, backend_protocol="x" * 5000)
        await eventually_beside(world.events)
        world.serve(pod)
        await world.until_event("SuccessfullyReconciled")
        first, *_ = world.events()
        assert first[0] == "FailedBuildModel"
        assert len(first[1]) == 1024
        assert len(world.patches("/status")) == 1


async def test_what_the_api_server_refuses_is_tried_again(tmp_path: Path) -> None:
    api = FakeApi()
    path = "PATCH /apis/networking.k8s.io/v1/namespaces/pr-1/ingresses/web"
    api.answers[path] = [(409, {"reason": "Conflict", "message": "modified"})]
    async with balancing(tmp_path, api) as world, target() as pod:
        world.serve(pod)
        await world.until_event("SuccessfullyReconciled")
        assert len(world.patches()) >= 2


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with balancing(tmp_path) as world:
        config = BalancerConfig(kubeconfig=tmp_path / "kubeconfig", port=world.port)
        with pytest.raises(SandboxError, match=f"127.0.0.1:{world.port}"):
            async with Balancer(config).running():
                pass
        assert await world.status(host="x") == 404


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "not found"),
        ("nonsense: [", "ParserError"),
        ("clusters: []\ncontexts: []\ncurrent-context: a\n", "'a' not found"),
        ("just text", "AttributeError"),
    ],
)
async def test_without_credentials_it_reports_why_and_what_to_do(
    tmp_path: Path, content: str | None, why: str
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SandboxError, match=rf"(?s){path}.*{why}.*sandbox up"):
        async with Balancer(BalancerConfig(kubeconfig=path, port=1)).running():
            await asyncio.sleep(0)
