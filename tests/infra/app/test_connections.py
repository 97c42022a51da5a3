"""Connections of an app's pods to a database on a shared server, whose role has a limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contract.app.model import App
from infra.app.connections import connected_pods, connections_of_a_pod
from infra.app.sizes import app_sizes
from infra.config.models import LimitsConfig, ServiceConfig
from infra.errors import ProgramError
from infra.policies.catalogue import violations
from infra.stacks import main
from tests.infra.policies.resources import declared
from tests.infra.world import (
    PREVIEW_CONFIG,
    SERVICE_CONFIG,
    STAGING_CONFIG,
    Cloud,
    Deployment,
    deploy,
)

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
LOGIN = {"URL": "postgresql://{user}:{password}@{host}/{name}"}
BRANCH = {"database": {**PREVIEW_CONFIG["database"], "mode": "branch"}}


def pods(app: dict[str, Any]) -> dict[str, int]:
    described = App.model_validate(app)
    sizes = app_sizes(described, ServiceConfig.model_validate(SERVICE_CONFIG), LimitsConfig())
    return connected_pods(described, sizes)


def worker(**more: Any) -> dict[str, Any]:
    return {"command": "celery worker", **more}


@pytest.mark.parametrize(
    ("app", "connected"),
    [
        # Two of the service, and as many on top while they are replaced.
        ({}, {"service": 4}),
        ({"service": {"environment": {}}}, {}),
        ({"service": {"environment": {"ROLE": "{user}"}}}, {"service": 4}),
        ({"service": {"environment": {"HOST": "{host}", "PASSWORD": "{{password}}"}}}, {}),
        # A worker has the service's environment besides its own.
        ({"workers": {"a": worker(replicas=3)}}, {"service": 4, "workers.a": 5}),
        (
            {"service": {"environment": {}}, "workers": {"a": worker(environment=LOGIN)}},
            {"workers.a": 3},
        ),
        (
            {"service": {"environment": LOGIN}, "workers": {"a": worker(environment={"URL": ""})}},
            {"service": 4},
        ),
        # A further web service has it only where it says so.
        ({"web": {"a": {"path": "/a", "image": {}}}}, {"service": 4}),
        (
            {"web": {"a": {"path": "/a", "image": {}, "environment": LOGIN}}},
            {"service": 4, "web.a": 4},
        ),
    ],
)
def test_the_pods_with_the_login_connect(app: dict[str, Any], connected: dict[str, int]) -> None:
    assert pods(app) == connected


@pytest.mark.parametrize(
    ("most", "connected", "each"),
    [
        (12, {"service": 4}, 3),
        (12, {"service": 4, "workers.a": 5}, 1),
        (9, {"service": 4, "workers.a": 5}, 1),
        (200, {"service": 4, "workers.a": 5}, 22),
        (12, {}, 12),
    ],
)
def test_all_pods_together_stay_below_the_limit(
    most: int, connected: dict[str, int], each: int
) -> None:
    assert connections_of_a_pod(most, connected) == each
    assert each * sum(connected.values()) <= most


def test_too_many_pods_are_refused_by_name() -> None:
    with pytest.raises(ProgramError) as caught:
        connections_of_a_pod(12, {"service": 4, "workers.a": 5, "workers.b": 5})
    assert "at most 12 connections" in caught.value.why
    assert "14 pods: service 4, workers.a 5, workers.b 5" in caught.value.why
    assert "previews:branches.appConnections" in caught.value.remedy
    assert "at least 14" in caught.value.remedy
    assert "preview-db-snapshot" in caught.value.remedy


def preview(
    platform: dict[str, Any], folder: Path, workers: dict[str, Any], **config: Any
) -> Deployment:
    lines = "".join(
        f"  {name}: {{command: x, replicas: {count}}}\n" for name, count in workers.items()
    )
    (folder / "preview.yaml").write_text(
        "service: {environment: {URL: '{user}', POOL: '{connections}'}}\n"
        f"workers:\n{lines}"
        "web: {site: {path: /site, image: {}, environment: {PASSWORD: '{password}'}}}\n"
    )
    return deploy(
        "pr-42",
        main,
        config=PREVIEW_CONFIG | {"source": str(folder)} | config,
        cloud=Cloud(staging=platform),
    )


def pools(deployment: Deployment) -> dict[str, str]:
    """The value of the placeholder, by Deployment."""
    containers = {
        r.inputs["metadata"]["name"]: r.inputs["spec"]["template"]["spec"]["containers"][0]
        for r in deployment.registrations
        if r.type == DEPLOYMENT
    }
    return {
        name: variable["value"]
        for name, container in containers.items()
        for variable in container["env"]
        if variable["name"] == "POOL"
    }


def test_a_preview_divides_what_its_role_may_have(tmp_path: Path) -> None:
    config = STAGING_CONFIG | {"branches": {"enabled": True, "appConnections": 40}}
    platform = deploy("staging", main, config=config).outputs
    two = {"one": 3, "two": 3}
    names = ("service", "worker-one", "worker-two")
    found = preview(platform, tmp_path, two, **BRANCH)
    # 4 + 4 + 5 + 5 pods.
    assert pools(found) == dict.fromkeys(names, "2")
    assert violations(declared(found)) == []
    # A database of its own has no such limit.
    assert pools(preview(platform, tmp_path, two)) == dict.fromkeys(names, "10")


def test_a_preview_with_more_pods_than_connections_is_refused(
    platform: Deployment, tmp_path: Path
) -> None:
    with pytest.raises(ProgramError, match=r"at most 12 connections.* 13 pods: service 4"):
        preview(platform.outputs, tmp_path, {"one": 3}, **BRANCH)
