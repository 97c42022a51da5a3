"""An app's images and containers in ``preview.yaml``: service, workers, further web services."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from contract.app.placeholders import IN_BUILDS, check_placeholders
from contract.app.values import (
    Command,
    ContainerFolders,
    Cpu,
    Environment,
    Glob,
    Memory,
    Model,
    RelativePath,
    RoutedPath,
    Variables,
)
from contract.bounds import BOUNDS
from contract.stack_name import StackKind


class Image(Model):
    """The build of an image (key ``image``)."""

    context: RelativePath = Field(
        default=".", description="folder whose files the build gets", examples=["."]
    )
    dockerfile: RelativePath = Field(
        default="Dockerfile", description="path of the Dockerfile", examples=["Dockerfile"]
    )
    paths: tuple[Glob, ...] = Field(
        default=(),
        max_length=50,
        description="paths whose changes deploy a push, with *, ** and ?; a folder stands for all"
        " in it. Without them the folder of preview.yaml and the context",
        examples=[["app", "../shared/**/*.py"]],
    )
    target: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][\w.-]{0,127}$",
        description="stage of the Dockerfile; without it the last one",
        examples=["production"],
    )
    args: Variables = Field(
        default={},
        description="build arguments; they are readable in the image, so never a secret; those"
        " of `web` may have {commit}, {environment}, {pull_request}, {stack}, and where the"
        " repository's variable PREVIEWS_DOMAIN is set, {app_url} and {app_host}",
        examples=[{"PYTHON_VERSION": "3.13"}],
    )


class Health(Model):
    """Paths that answer 2xx or 3xx while all is well (key ``service.health``)."""

    live: RoutedPath = Field(
        description="path that fails when a pod has to be restarted", examples=["/health/live"]
    )
    ready: RoutedPath = Field(
        description="path that fails while a pod should get no requests",
        examples=["/health/ready"],
    )


def _paths(value: object) -> object:
    return {"live": value, "ready": value} if isinstance(value, str) else value


HealthPaths = Annotated[Health, BeforeValidator(_paths, json_schema_input_type=str | Health)]


class Container(Model):
    """Settings that all containers of an app have."""

    user: int = Field(
        default=10001,
        ge=1,
        le=4_294_967_294,
        description="numeric user and group that it runs as, never root",
        examples=[10001],
    )
    read_only: bool = Field(
        default=True,
        description="false to let it write to its own root folder",
        examples=[False],
    )
    scratch: ContainerFolders = Field(
        default=("/tmp",),  # noqa: S108 - a folder of the container
        max_length=8,
        description="folders that it may write to; emptied when a pod ends",
        examples=[["/tmp", "/app/cache"]],  # noqa: S108 - as above
    )
    cpu: Cpu | None = Field(
        default=None,
        description="CPU that a pod requests, if more than the platform's default",
        examples=["250m"],
    )
    cpu_limit: Cpu | None = Field(
        default=None,
        description="CPU that a pod may use, if more than the platform's default",
        examples=["1"],
    )
    memory: Memory | None = Field(
        default=None,
        description="memory that a pod requests and may use, in Mi, if more than the platform's"
        " default",
        examples=["512Mi"],
    )


class Web(Container):
    """Settings of web services, the app's own and further ones.

    Several share one host by their paths: the longest path that a request begins with decides.
    """

    path: RoutedPath = Field(
        default="/",
        description="beginning of the paths that lead to it, on the host that all share",
        examples=["/api"],
    )
    command: Command | None = Field(
        default=None,
        description="command, as a list or as one line; without it the image's own",
        examples=[["uvicorn", "app.main:app", "--port", "8000"]],
    )
    port: int = Field(
        default=8000,
        ge=1024,
        le=65535,
        description="port that it listens on, on all addresses; below 1024 is root's",
        examples=[8000],
    )
    health: HealthPaths = Field(
        default=Health(live="/health", ready="/health"),
        description="path of the health check; or two, `live` and `ready`. Where people sign in,"
        " those of `service` are open without it, and are no start page",
        examples=["/health"],
    )
    start_seconds: int = Field(
        default=60,
        ge=1,
        le=900,
        description="longest time from a container's start to its first healthy answer",
        examples=[60],
    )
    idle_timeout_seconds: int = Field(
        default=60,
        ge=1,
        le=4000,
        description="longest silence of a connection that it needs, for streams and long polls;"
        " at most the platform's",
        examples=[300],
    )


class Service(Web):
    """The web service (key ``service``)."""

    environment: Environment = Field(
        default={"DATABASE_URL": "postgresql://{user}:{password}@{host}:{port}/{name}?{tls}"},
        description="environment of service, migration and hooks; docs/preview-yaml.md lists the"
        " placeholders",
        examples=[{"POSTGRES_SERVER": "{host}", "POSTGRES_PASSWORD": "{password}"}],
    )


class FurtherWeb(Web):
    """A further image on the same host (key ``web.<name>``), such as a frontend.

    It has an environment of its own, without the database's login unless it says so.
    """

    image: Image = Field(
        description="how its image is built",
        examples=[{"context": "frontend", "dockerfile": "frontend/Dockerfile"}],
    )
    environment: Environment = Field(
        default={}, description="its environment", examples=[{"API_URL": "{app_url}/api"}]
    )

    @model_validator(mode="after")
    def _has_known_placeholders(self) -> FurtherWeb:
        check_placeholders(self.image.args, IN_BUILDS)
        return self


class Worker(Container):
    """A process of the app's image without an address (key ``workers.<name>``).

    It has the service's environment and secrets, and its own variables besides.
    """

    command: Command = Field(
        description="command, as a list or as one line",
        examples=[["celery", "-A", "app.worker", "worker"]],
    )
    replicas: int = Field(
        default=1,
        ge=1,
        le=BOUNDS[StackKind.PREVIEW].replicas,
        description="number of pods",
        examples=[1],
    )
    environment: Environment = Field(
        default={}, description="further variables", examples=[{"QUEUE": "mail"}]
    )
