"""The largest sizes that the models accept are ones that the policies allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from contract.app.containers import Worker
from contract.app.needs import Redis
from infra.config.models import PlatformConfig, PreviewConfig
from infra.errors import ProgramError
from infra.policies.catalogue import violations
from infra.stacks import main
from tests.infra.policies.resources import declared
from tests.infra.world import PREVIEW_CONFIG, STAGING_CONFIG, Cloud, Deployment, deploy

NEEDS = {f"{name}Image": f"copies/{name}@sha256:{64 * 'a'}" for name in ("redis", "mail")}
CPUS = [str(cpu) for cpu in range(1, 65)]
MEMORY = [f"{gib * 1024}Mi" for gib in range(1, 129)]
COUNTS = range(1, 201)
STORAGE = range(100, 70_000, 100)
SIZES = ("micro", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge")
CLASSES = [f"db.r6g.{size}" for size in SIZES]


def largest(values: Iterable[Any], accepts: Callable[[Any], object]) -> Any:
    """The last of some values, from small to large, that a model accepts; not the very last."""
    tried = [(value, _accepted(accepts, value)) for value in values]
    assert not tried[-1][1], f"no bound up to {tried[-1][0]}"
    return [value for value, accepted in tried if accepted][-1]


def _accepted(accepts: Callable[[Any], object], value: object) -> bool:
    try:
        accepts(value)
    except ValidationError:
        return False
    return True


def largest_config(
    model: type[PreviewConfig | PlatformConfig], base: dict[str, Any]
) -> dict[str, Any]:
    """A stack's configuration in which each size is the largest that its model accepts."""

    def one(group: str, key: str, values: Iterable[Any]) -> Any:
        known = base.get(group, {})
        return largest(
            values, lambda value: model.model_validate(base | {group: known | {key: value}})
        )

    replicas = one("service", "maxReplicas", COUNTS)
    service = {
        "cpu": one("service", "cpu", CPUS),
        "cpuLimit": one("service", "cpuLimit", CPUS),
        "memory": one("service", "memory", MEMORY),
        "minReplicas": replicas,
        "maxReplicas": replicas,
    }
    config: dict[str, Any] = {
        "service": base["service"] | service,
        "limits": {
            "cpu": one("limits", "cpu", CPUS),
            "memory": one("limits", "memory", MEMORY),
        },
        "database": base["database"] | {"instanceClass": one("database", "instanceClass", CLASSES)},
    }
    return base | config


def app_at(folder: Path, limits: dict[str, str], replicas: int) -> Path:
    """An app that needs as much as the limits allow, of everything."""
    size = f"cpu: '{limits['cpu']}', cpu_limit: '{limits['cpu']}', memory: {limits['memory']}"
    (folder / "preview.yaml").write_text(
        f"service: {{path: /api, {size}}}\n"
        f"workers: {{one: {{command: x, replicas: {replicas}, {size}}}}}\n"
        f"web: {{site: {{image: {{context: site}}, {size}}}}}\n"
        f"needs: {{redis: {{memory: {limits['memory']}}}, mail: {{}}, bucket: {{}}}}\n"
    )
    (folder / "scrub.yaml").write_text("tables: {}\n")
    return folder


@pytest.fixture(scope="module")
def staging_config() -> dict[str, Any]:
    config = largest_config(PlatformConfig, STAGING_CONFIG)
    base = config["database"]

    def storage(size: int) -> PlatformConfig:
        sizes = {"allocatedStorage": size, "maxAllocatedStorage": size}
        return PlatformConfig.model_validate(config | {"database": base | sizes})

    def branches(instance_class: str) -> PlatformConfig:
        return PlatformConfig.model_validate(
            config | {"branches": {"instanceClass": instance_class}}
        )

    most = largest(STORAGE, storage)
    shared = {"enabled": True, "instanceClass": largest(CLASSES, branches)}
    return config | {
        "database": base | {"allocatedStorage": most, "maxAllocatedStorage": most},
        "branches": shared | {"appConnections": 200},
        "needs": NEEDS,
    }


@pytest.fixture(scope="module")
def replicas() -> int:
    return int(largest(COUNTS, lambda count: Worker(command=("x",), replicas=count)))


@pytest.fixture(scope="module")
def staging_at_its_largest(
    staging_config: dict[str, Any], replicas: int, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    folder = app_at(tmp_path_factory.mktemp("app"), staging_config["limits"], replicas)
    return deploy("staging", main, config=staging_config | {"source": str(folder)})


def complaints(deployment: Deployment) -> list[str]:
    return [str(violation) for violation in violations(declared(deployment))]


def test_the_largest_staging_passes(staging_at_its_largest: Deployment) -> None:
    assert complaints(staging_at_its_largest) == []


@pytest.mark.parametrize("mode", ["snapshot", "branch"])
def test_the_largest_preview_passes(
    staging_at_its_largest: Deployment, replicas: int, tmp_path: Path, mode: str
) -> None:
    config = largest_config(PreviewConfig, PREVIEW_CONFIG)
    folder = app_at(tmp_path, config["limits"], replicas)
    preview = deploy(
        "pr-42",
        main,
        config=config | {"source": str(folder), "database": config["database"] | {"mode": mode}},
        cloud=Cloud(staging=staging_at_its_largest.outputs),
    )
    assert complaints(preview) == []


def test_the_largest_server_passes(staging_at_its_largest: Deployment) -> None:
    config = largest_config(PreviewConfig, PREVIEW_CONFIG)
    server = deploy(
        "data-8",
        main,
        config={key: value for key, value in config.items() if key != "expires"},
        cloud=Cloud(staging=staging_at_its_largest.outputs),
    )
    assert complaints(server) == []


@pytest.mark.parametrize(
    ("group", "key", "value", "reason"),
    [
        ("limits", "memory", "8193Mi", "memory is 8193Mi: a preview may have at most 8192Mi"),
        ("limits", "cpu", "4001m", "cpu is 4001m: a preview may have at most 4"),
        ("service", "cpuLimit", "5", "cpuLimit is 5: a preview may have at most 4"),
        ("service", "memory", "9000Mi", "memory is 9000Mi: a preview may have at most 8192Mi"),
        ("service", "maxReplicas", 11, "maxReplicas is 11: a preview may have at most 10"),
        (
            "database",
            "instanceClass",
            "db.t4g.large",
            "db.t4g.large is too large: a preview may have at most medium",
        ),
    ],
)
def test_a_size_beyond_the_bounds_is_refused_by_name(
    staging: Deployment, group: str, key: str, value: Any, reason: str
) -> None:
    config = PREVIEW_CONFIG | {group: PREVIEW_CONFIG.get(group, {}) | {key: value}}
    with pytest.raises(ProgramError, match=f"(?s)previews:{group}.* is wrong.*{reason}"):
        deploy("pr-42", main, config=config, cloud=Cloud(staging=staging.outputs))


def test_the_remedy_for_an_app_that_needs_more_works(staging: Deployment, tmp_path: Path) -> None:
    most = largest(MEMORY, lambda memory: Redis(memory=memory) and _limits(memory))
    folder = app_at(tmp_path, {"cpu": "3", "memory": most}, 1)

    def preview(**config: Any) -> Deployment:
        return deploy(
            "pr-42",
            main,
            config=PREVIEW_CONFIG | {"source": str(folder)} | config,
            cloud=Cloud(staging=needs_outputs(staging)),
        )

    with pytest.raises(ProgramError) as caught:
        preview()
    assert "raise previews:limits.cpu, to 4 at most" in caught.value.remedy
    assert complaints(preview(limits={"cpu": "3", "memory": most})) == []


def _limits(memory: str) -> PreviewConfig:
    return PreviewConfig.model_validate(PREVIEW_CONFIG | {"limits": {"memory": memory}})


def needs_outputs(staging: Deployment) -> dict[str, Any]:
    """Staging's outputs with the images of the needs."""
    platform = staging.outputs["platform"]
    images = platform["images"] | {"redis": NEEDS["redisImage"], "mail": NEEDS["mailImage"]}
    return staging.outputs | {"platform": platform | {"images": images}}
