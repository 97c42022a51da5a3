"""Model of ``preview.yaml``: what an app is, for all rooms that have to know.

The file is committed in the app's folder, beside its Dockerfile. Every field has a description and
an example: the errors, the JSON Schema and docs/preview-yaml.md are made from them. Its content is
a pull request's, and so an attacker's: nothing in it may name a path outside of the repository, a
secret of another app, or resources beyond the platform's limits.
"""

from __future__ import annotations

import json
import shlex
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from contract.app.placeholders import check_placeholders
from contract.stack_name import AppName, AppNameError

FILE = "preview.yaml"
"""Name of the file."""


def app_name(value: str) -> str:
    """Check an app's name.

    Raises:
        ValueError: It is not one.
    """
    try:
        return AppName(value).value
    except AppNameError as error:
        msg = str(error).partition("\n")[0]
        raise ValueError(msg) from error


def _relative(value: str) -> str:
    if PurePosixPath(value).is_absolute() or "\\" in value or "\0" in value:
        msg = "expected a path relative to the folder of preview.yaml, with / between its parts"
        raise ValueError(msg)
    return value


def _absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/"):
        msg = "expected an absolute path of a folder in the container, such as /tmp"
        raise ValueError(msg)
    return value


def _split(value: object) -> object:
    return shlex.split(value) if isinstance(value, str) else value


def _text(value: object) -> object:
    """Write a number or a truth value of YAML as an environment has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _mapping(value: object) -> object:
    if not isinstance(value, dict):
        return value
    entries = cast("dict[object, object]", value)
    return {name: _text(one) for name, one in entries.items()}


_Name = Annotated[str, AfterValidator(app_name)]
RelativePath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_relative)]
ContainerFolder = Annotated[str, Field(max_length=200), AfterValidator(_absolute)]
_Words = tuple[Annotated[str, Field(max_length=4000)], ...]
Command = Annotated[
    _Words,
    Field(min_length=1, max_length=100),
    BeforeValidator(_split, json_schema_input_type=str | _Words),
]
HttpPath = Annotated[str, Field(pattern=r"^/[\w./~%-]*$", max_length=200)]
PartName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,126}$")]
_Scalar = str | int | float | bool
Variables = Annotated[
    dict[VariableName, str],
    Field(max_length=200),
    BeforeValidator(_mapping, json_schema_input_type=dict[VariableName, _Scalar]),
]
Environment = Annotated[Variables, AfterValidator(check_placeholders)]
Cpu = Annotated[
    str,
    Field(pattern=r"^([1-9][0-9]*m|[1-9][0-9]*)$"),
    BeforeValidator(_text, json_schema_input_type=str | int),
]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*Mi$")]
Host = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$",
        max_length=253,
    ),
]


class Model(BaseModel):
    """A frozen model. Unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Image(Model):
    """The build of an image (key ``image``)."""

    context: RelativePath = Field(
        default=".", description="folder whose files the build gets", examples=["."]
    )
    dockerfile: RelativePath = Field(
        default="Dockerfile", description="path of the Dockerfile", examples=["Dockerfile"]
    )
    target: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z][\w.-]{0,127}$",
        description="stage of the Dockerfile; without it the last one",
        examples=["production"],
    )
    args: Variables = Field(
        default={},
        description="build arguments; they are readable in the image, so never a secret",
        examples=[{"PYTHON_VERSION": "3.13"}],
    )
    paths: tuple[RelativePath, ...] = Field(
        default=(),
        max_length=50,
        description="paths whose change matters; without it the folder of the context",
        examples=[["backend", "shared"]],
    )


class Health(Model):
    """Paths that answer 2xx or 3xx while all is well (key ``service.health``)."""

    live: HttpPath = Field(
        description="path that fails when a pod has to be started anew", examples=["/health/live"]
    )
    ready: HttpPath = Field(
        description="path that fails while a pod should get no requests",
        examples=["/health/ready"],
    )


def _paths(value: object) -> object:
    return {"live": value, "ready": value} if isinstance(value, str) else value


HealthPaths = Annotated[Health, BeforeValidator(_paths, json_schema_input_type=str | Health)]


class Container(Model):
    """What all containers of an app can set."""

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
    scratch: tuple[ContainerFolder, ...] = Field(
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
    """What web services have, the app's own and further ones.

    Several share one host by their paths: the longest path that a request begins with decides.
    """

    path: HttpPath = Field(
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
        description="path of the health check; or two, `live` and `ready`",
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


class Worker(Container):
    """A process of the app's image without an address (key ``workers.<name>``).

    It has the service's environment and secrets, and its own variables besides.
    """

    command: Command = Field(
        description="command, as a list or as one line",
        examples=[["celery", "-A", "app.worker", "worker"]],
    )
    replicas: int = Field(default=1, ge=1, le=10, description="number of pods", examples=[1])
    environment: Environment = Field(
        default={}, description="further variables", examples=[{"QUEUE": "mail"}]
    )


class Secret(Model):
    """A variable with a secret value (key ``secrets.<VARIABLE>``).

    Its value is random, generated once for each preview, unless it has a name.
    """

    name: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        description="name in AWS Secrets Manager, below the app's own prefix",
        examples=["stripe-test-key"],
    )
    property: str | None = Field(
        default=None,
        pattern=r"^[\w.-]{1,100}$",
        description="key of the value, where the secret in Secrets Manager is a JSON object",
        examples=["api_key"],
    )

    @model_validator(mode="after")
    def _has_a_name_for_the_property(self) -> Secret:
        if self.property is not None and self.name is None:
            msg = "`property` is of a secret in Secrets Manager: set its `name` too"
            raise ValueError(msg)
        return self


def _generated(value: object) -> object:
    if value == "generate":
        return {}
    if not isinstance(value, dict):
        msg = "expected `generate`, or `{name: <name in Secrets Manager>}`; never the value itself"
        raise ValueError(msg)  # noqa: TRY004 - pydantic reports only this one
    return cast("object", value)


SecretValue = Annotated[
    Secret, BeforeValidator(_generated, json_schema_input_type=Literal["generate"] | Secret)
]


class Egress(Model):
    """A destination outside of the cluster (key ``egress``)."""

    host: Host = Field(description="name of the host", examples=["api.stripe.com"])
    port: int = Field(default=443, ge=1, le=65535, description="TCP port", examples=[443])


class Database(Model):
    """The app's database (key ``database``)."""

    migrate: Command | None = Field(
        default=None,
        description="command that migrates the schema, in the app's image, as the role that owns"
        " the schema; none if there are no migrations",
        examples=[["alembic", "upgrade", "head"]],
    )
    migrate_seconds: int = Field(
        default=600, ge=10, le=3600, description="time limit of `migrate`", examples=[600]
    )
    extensions: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")], ...] = Field(
        default=(),
        max_length=30,
        description="extensions that the master user creates before the first migration",
        examples=[["uuid-ossp", "citext"]],
    )
    scrub: RelativePath = Field(
        default="scrub.yaml",
        description="path of the rules by which a copy of staging's data is scrubbed",
        examples=["scrub.yaml"],
    )


class Hook(Model):
    """A command that is run beside the service (key ``hooks.<name>``).

    It runs as a Job of the app's image, with the service's environment, secrets and login. One that
    was killed half-way is run again from its beginning.
    """

    command: Command = Field(
        description="command, as a list or as one line", examples=[["python", "-m", "app.seed"]]
    )
    timeout_seconds: int = Field(
        default=300, ge=10, le=3600, description="its time limit", examples=[300]
    )


class Seed(Hook):
    """What is run once for a preview's database (key ``hooks.seed``)."""

    after_reset: bool = Field(
        default=False,
        description="true to run it again when the database is replaced by a fresh copy",
        examples=[True],
    )


class BeforeDestroy(Hook):
    """What is run before a preview is removed (key ``hooks.before_destroy``)."""

    timeout_seconds: int = Field(
        default=120, ge=10, le=900, description="its time limit", examples=[120]
    )


def _hook(value: object) -> object:
    """Take a command alone for a hook of it."""
    if isinstance(value, str | list):
        return {"command": cast("object", value)}
    return value


class Hooks(Model):
    """Commands that are run beside the service, each optional (key ``hooks``)."""

    seed: (
        Annotated[Seed, BeforeValidator(_hook, json_schema_input_type=str | _Words | Seed)] | None
    ) = Field(
        default=None,
        description="what is run once for a preview's database, after its first deployment; never"
        " on staging, whose data is real",
        examples=[{"command": ["python", "-m", "app.seed"]}],
    )
    after_deploy: (
        Annotated[Hook, BeforeValidator(_hook, json_schema_input_type=str | _Words | Hook)] | None
    ) = Field(
        default=None,
        description="what is run after each deployment, when the service is up",
        examples=[{"command": ["python", "-m", "app.warm_up"]}],
    )
    before_destroy: (
        Annotated[
            BeforeDestroy,
            BeforeValidator(_hook, json_schema_input_type=str | _Words | BeforeDestroy),
        ]
        | None
    ) = Field(
        default=None,
        description="what is run before a preview is removed; its failure stops no removal",
        examples=[{"command": ["python", "-m", "app.sign_off"]}],
    )


class StagingData(Model):
    """The data of staging on a sandbox, at most one of the keys (key ``sandbox.staging``).

    Previews get a scrubbed copy of it, as of any staging's.
    """

    command: Command | None = Field(
        default=None,
        description="command that makes it, run like a hook; without any of the keys that of"
        " `hooks.seed`",
        examples=[["python", "-m", "app.seed"]],
    )
    sql: RelativePath | None = Field(
        default=None,
        description="file of SQL, run by psql as the role that owns the schema",
        examples=["tests/data.sql"],
    )
    dump: RelativePath | None = Field(
        default=None,
        description="archive of pg_dump, restored as the role that owns the schema",
        examples=["tests/data.dump"],
    )

    @model_validator(mode="after")
    def _one_source(self) -> StagingData:
        given = [self.command, self.sql, self.dump]
        if sum(one is not None for one in given) > 1:
            msg = "expected at most one of `command`, `sql` and `dump`"
            raise ValueError(msg)
        return self


class Sandbox(Model):
    """What only the sandbox reads (key ``sandbox``)."""

    staging: StagingData = Field(
        default=StagingData(),
        description="where staging's data on a sandbox comes from",
        examples=[{"sql": "tests/data.sql"}],
    )


class Request(Model):
    """A request of the smoke test (key ``smoke``)."""

    request: str = Field(
        pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /\S*$",
        max_length=2000,
        description="method and path",
        examples=["POST /items"],
    )
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")], str] = Field(
        default={}, description="HTTP headers", examples=[{"If-Match": "{etag}"}]
    )
    json_body: Any = Field(
        default=None, alias="json", description="body as JSON", examples=[{"name": "Smoke"}]
    )
    form: Variables | None = Field(
        default=None, description="body as a form", examples=[{"username": "a@example.com"}]
    )
    status: int = Field(
        default=200, ge=100, le=599, description="expected status code", examples=[201]
    )
    expect: Any = Field(
        default=None,
        description="JSON that the response must contain: of an object the given keys",
        examples=[{"name": "Smoke"}],
    )
    save: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")], str] = Field(
        default={},
        description="values of the response for later requests: name to a path in its JSON, such"
        " as `id` or `items.0.id`, or to `header:<name>`",
        examples=[{"id": "id", "etag": "header:ETag"}],
    )

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        if self.json_body is not None and self.form is not None:
            msg = "expected either `json` or `form`, not both"
            raise ValueError(msg)
        return self

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.request.partition(" ")[0]

    @property
    def path(self) -> str:
        """Path with the query."""
        return self.request.partition(" ")[2]


class OpenApi(Model):
    """The app's OpenAPI document (key ``openapi``)."""

    path: HttpPath = Field(
        default="/openapi.json",
        description="path at which it is served",
        examples=["/openapi.json"],
    )
    file: RelativePath = Field(
        default="openapi.json",
        description="committed file that must be equal to it",
        examples=["openapi.json"],
    )


class App(Model):
    """An app, as ``preview.yaml`` describes it."""

    app: _Name = Field(
        default="",
        description="name of the app; empty for the platform's own, whose names are short",
        examples=["orders"],
    )
    image: Image = Field(
        default=Image(), description="how the image is built", examples=[{"target": "production"}]
    )
    service: Service = Field(
        default=Service(), description="the web service", examples=[{"port": 8000}]
    )
    workers: dict[PartName, Worker] = Field(
        default={},
        max_length=10,
        description="further processes of the same image",
        examples=[{"celery": {"command": ["celery", "-A", "app.worker", "worker"]}}],
    )
    web: dict[PartName, FurtherWeb] = Field(
        default={},
        max_length=5,
        description="further images on the same host by path",
        examples=[{"frontend": {"path": "/", "image": {"context": "frontend"}}}],
    )
    secrets: dict[VariableName, SecretValue] = Field(
        default={},
        max_length=50,
        description="variables with a secret value: `generate` for a random one, or the name of"
        " one in Secrets Manager",
        examples=[{"SECRET_KEY": "generate", "STRIPE_KEY": {"name": "stripe-test-key"}}],
    )
    egress: tuple[Egress, ...] = Field(
        default=(),
        max_length=30,
        description="hosts outside of the cluster that it must reach; nothing else is reachable",
        examples=[[{"host": "api.stripe.com", "port": 443}]],
    )
    database: Database = Field(
        default=Database(),
        description="the app's database",
        examples=[{"migrate": ["alembic", "upgrade", "head"]}],
    )
    hooks: Hooks = Field(
        default=Hooks(),
        description="commands that are run beside the service",
        examples=[{"seed": {"command": ["python", "-m", "app.seed"]}}],
    )
    sandbox: Sandbox = Field(
        default=Sandbox(),
        description="what only the sandbox reads",
        examples=[{"staging": {"sql": "tests/data.sql"}}],
    )
    smoke: tuple[Request, ...] = Field(
        default=(),
        max_length=100,
        description="requests that a new preview must answer, in order; without them its health"
        " and its running image are checked",
        examples=[[{"request": "GET /items", "status": 200}]],
    )
    openapi: OpenApi | None = Field(
        default=None,
        description="the OpenAPI document that the smoke test compares",
        examples=[{"path": "/openapi.json", "file": "openapi.json"}],
    )
    version: HttpPath | None = Field(
        default=None,
        description="path of a JSON object whose `commit` the smoke test compares",
        examples=["/version"],
    )

    @model_validator(mode="after")
    def _has_each_variable_once(self) -> App:
        own = self.service.environment.keys()
        further = set[str]().union(*(worker.environment for worker in self.workers.values()))
        twice = sorted((own | further) & self.secrets.keys())
        if twice:
            msg = f"{', '.join(twice)}: in both an environment and secrets; remove one"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _has_each_path_once(self) -> App:
        paths = [self.service.path, *(web.path for web in self.web.values())]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            msg = (
                f"path {', '.join(twice)} leads to two services: give service and each of web a"
                " `path` of its own"
            )
            raise ValueError(msg)
        return self


def json_schema() -> str:
    """Return the JSON Schema of ``preview.yaml`` for editors."""
    schema = App.model_json_schema(by_alias=True)
    return (
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)
        + "\n"
    )
