"""Sizes of an app's containers: what the stack's configuration gives, and what the app needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract.app.needs import MAIL, REDIS
from contract.bounds import MOST_CPU, MOST_MEMORY, mebibytes, millicores
from infra.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from contract.app.containers import Container
    from contract.app.model import App
    from contract.app.needs import Needs
    from infra.config.models import LimitsConfig, ServiceConfig

_STARTED_SECONDS = 120
"""Time for a node and an image, which comes on top of a container's own start."""

# While a Deployment rolls out, a new pod and a terminating one come on top of its replicas.
_EXTRA_PODS = 2

_NEED_CPU = "20m"
_MAIL_MEMORY = "128Mi"


@dataclass(frozen=True)
class Part:
    """Pods of one container of an app.

    Attributes:
        resources: Their resources.
        pods: How many there are at most, while nothing is replaced.
    """

    resources: ServiceConfig
    pods: int

    @property
    def most_pods(self) -> int:
        """Largest number of pods at a time, those of a rollout included."""
        return self.pods + _EXTRA_PODS


@dataclass(frozen=True)
class AppSizes:
    """Sizes of an app's containers.

    Attributes:
        service: The web service's; Jobs of the app's image have its resources.
        web: Those of further web services, by name.
        workers: Those of workers, by name.
        needs: Those of the servers that the app needs, by name.
    """

    service: Part
    web: dict[str, Part]
    workers: dict[str, Part]
    needs: dict[str, Part]

    @property
    def parts(self) -> Sequence[Part]:
        """All of them."""
        return [self.service, *self.web.values(), *self.workers.values(), *self.needs.values()]


def app_sizes(app: App, config: ServiceConfig, limits: LimitsConfig) -> AppSizes:
    """Return the sizes of all containers of an app.

    Raises:
        ProgramError: The app needs more than the platform allows.
    """
    service = sized("service", app.service, config, limits, start_seconds=app.service.start_seconds)
    web = {
        name: sized(f"web.{name}", one, config, limits, start_seconds=one.start_seconds)
        for name, one in app.web.items()
    }
    workers = {
        name: sized(f"workers.{name}", one, config, limits) for name, one in app.workers.items()
    }
    return AppSizes(
        service=Part(service, service.max_replicas),
        web={name: Part(one, one.max_replicas) for name, one in web.items()},
        workers={name: Part(one, app.workers[name].replicas) for name, one in workers.items()},
        needs=_needs(app.needs, config, limits),
    )


def _needs(needs: Needs, config: ServiceConfig, limits: LimitsConfig) -> dict[str, Part]:
    """Return the sizes of the servers that an app needs: small ones of their own."""
    memory: dict[str, str] = {}
    if needs.redis is not None:
        _allow("needs.redis.memory", needs.redis.memory, limits.memory, mebibytes)
        memory[REDIS] = needs.redis.memory
    if needs.mail is not None:
        memory[MAIL] = _MAIL_MEMORY
    return {
        name: Part(
            config.model_copy(update={"cpu": _NEED_CPU, "memory": size}),
            1,
        )
        for name, size in memory.items()
    }


def sized(
    name: str,
    container: Container,
    config: ServiceConfig,
    limits: LimitsConfig,
    *,
    start_seconds: int = 0,
) -> ServiceConfig:
    """Return the sizes of a container's pods: of each value the larger one.

    Args:
        name: Key of the container in ``preview.yaml``, for the message.
        container: What the app needs.
        config: What the stack's configuration gives to each.
        limits: The most that a container may have.
        start_seconds: Time that the container itself needs to start.

    Raises:
        ProgramError: The app needs more than the platform allows.
    """
    cpu = max(config.cpu, container.cpu or "1m", key=millicores)
    cpu_limit = max(config.cpu_limit, container.cpu_limit or "1m", cpu, key=millicores)
    memory = max(config.memory, container.memory or "1Mi", key=mebibytes)
    for key, value, most, unit in (
        ("cpu", container.cpu, limits.cpu, millicores),
        ("cpu_limit", container.cpu_limit, limits.cpu, millicores),
        ("memory", container.memory, limits.memory, mebibytes),
    ):
        if value is not None:
            _allow(f"{name}.{key}", value, most, unit)
    return config.model_copy(
        update={
            "cpu": cpu,
            "cpu_limit": cpu_limit,
            "memory": memory,
            "start_seconds": max(config.start_seconds, start_seconds + _STARTED_SECONDS),
        }
    )


def _allow(key: str, value: str, most: str, unit: Callable[[str], int]) -> None:
    """Check that a value is within the platform's limit.

    Raises:
        ProgramError: It is not.
    """
    if unit(value) > unit(most):
        limit, bound = ("memory", MOST_MEMORY) if unit is mebibytes else ("cpu", MOST_CPU)
        raise ProgramError(
            f"preview.yaml, {key}",
            why=f"it is {value}, and this platform allows a container at most {most}",
            remedy="need less, or ask the platform's owners to raise "
            f"previews:limits.{limit}, to {bound} at most",
        )
