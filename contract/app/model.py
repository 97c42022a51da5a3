"""Model of ``preview.yaml``: what an app is, for all rooms that have to know.

The file is committed in the app's folder, beside its Dockerfile. Every field has a description and
an example: the errors, the JSON Schema and docs/preview-yaml.md are made from them. Its content is
a pull request's, and so an attacker's: nothing in it may name a path outside of the repository, a
secret of another app, or resources beyond the platform's limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from contract.app.containers import FurtherWeb, Image, Service, Worker
from contract.app.hooks import Hooks, Sandbox
from contract.app.needs import MAIL_PATH, Needs
from contract.app.placeholders import IN_BUILDS, NEED_OF, placeholders
from contract.app.smoke import OpenApi, Request
from contract.app.tests import EndToEndTests
from contract.app.values import (
    Command,
    Host,
    HttpPath,
    Model,
    Name,
    PartName,
    RelativePath,
    VariableName,
)
from contract.kubernetes import generated_secret
from contract.written import PlacedError

FILE = "preview.yaml"
"""Name of the file."""


class NeedMissingError(PlacedError):
    """Placeholders of needs that the app does not declare; the first is at its place.

    Attributes:
        needs: The missing needs, as keys of ``needs``.
    """

    def __init__(self, found: Sequence[tuple[tuple[str, ...], str]]) -> None:
        self.needs = sorted({NEED_OF[placeholder] for _, placeholder in found})
        super().__init__(
            "; ".join(
                f"{'.'.join(at)}: {{{placeholder}}} is known where `needs` has"
                f" `{NEED_OF[placeholder]}`"
                for at, placeholder in found
            ),
            found[0][0],
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
        description="extensions that the master user creates before the first migration; a preview"
        " in mode branch may have those of staging alone",
        examples=[["uuid-ossp", "citext"]],
    )
    scrub: RelativePath = Field(
        default="scrub.yaml",
        description="path of the rules by which a copy of staging's data is scrubbed",
        examples=["scrub.yaml"],
    )


class App(Model):
    """An app, as ``preview.yaml`` describes it."""

    app: Name = Field(
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
    needs: Needs = Field(
        default=Needs(),
        description="services that it needs besides its database, of which each stack has its own",
        examples=[{"redis": {}}],
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
    tests: EndToEndTests | None = Field(
        default=None,
        description="end-to-end tests of the repository, which are run against each new preview",
        examples=[{"command": "npx playwright test", "setup": ["npm ci"], "folder": "e2e"}],
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
    def _has_one_image_for_all(self) -> App:
        for name, value in self.image.args.items():
            if placeholders(value) & IN_BUILDS:
                msg = (
                    f"{name}: the app's own image is built without knowing where it will run: let"
                    " it read that from `service.environment` when it starts"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _has_each_path_once(self) -> App:
        paths: dict[tuple[str, ...], str] = {("service", "path"): self.service.path}
        paths |= {("web", name, "path"): web.path for name, web in self.web.items()}
        former = [MAIL_PATH] if self.needs.mail else []
        for at, path in paths.items():
            # A prefix of Kubernetes is one of whole elements: a slash at its end is no difference.
            same = [one for one in former if one.rstrip("/") == path.rstrip("/")]
            if same:
                msg = (
                    f"path {', '.join(sorted({*same, path}))} leads to two services: give service"
                    " and each of web a `path` of its own"
                )
                raise PlacedError(msg, at)
            former.append(path)
        return self

    @model_validator(mode="after")
    def _has_a_name_for_each_generated_secret(self) -> App:
        names: dict[str, str] = {}
        for variable in (name for name, secret in self.secrets.items() if secret.name is None):
            at = ("secrets", variable)
            if not variable.strip("_"):
                raise PlacedError("a variable with a generated value has a letter or a digit", at)
            former = names.setdefault(generated_secret(variable), variable)
            if former != variable:
                msg = (
                    f"{former} and {variable} would be one Secret, {generated_secret(variable)}:"
                    " let their names differ in more than case and outer underscores"
                )
                raise PlacedError(msg, at)
        return self

    @model_validator(mode="after")
    def _has_what_its_placeholders_are_of(self) -> App:
        missing = [
            (at, found)
            for at, value in self._variables().items()
            for found in sorted(placeholders(value) & NEED_OF.keys())
            if NEED_OF[found] not in self.needs.declared
        ]
        if missing:
            raise NeedMissingError(missing)
        return self

    def _variables(self) -> Mapping[tuple[str, ...], str]:
        """Return the value of each variable of an environment, by its path in the file."""
        owners: dict[tuple[str, ...], Mapping[str, str]] = {
            ("service",): self.service.environment,
            **{("workers", name): one.environment for name, one in self.workers.items()},
            **{("web", name): one.environment for name, one in self.web.items()},
            ("tests",): {} if self.tests is None else self.tests.environment,
        }
        return {
            (*owner, "environment", name): value
            for owner, environment in owners.items()
            for name, value in environment.items()
        }


def json_schema() -> str:
    """Return the JSON Schema of ``preview.yaml`` for editors."""
    schema = App.model_json_schema(by_alias=True)
    return (
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)
        + "\n"
    )
