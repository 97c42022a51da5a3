"""Commands of an app besides its service in ``preview.yaml``: hooks, and the sandbox's data."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import BeforeValidator, Field, model_validator

from contract.app.values import Command, Model, RelativePath, Words


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
    """Hook that runs once for a preview's database (key ``hooks.seed``)."""

    after_reset: bool = Field(
        default=False,
        description="true to run it again when the database is replaced by a fresh copy",
        examples=[True],
    )


class BeforeDestroy(Hook):
    """Hook that runs before a preview is removed (key ``hooks.before_destroy``)."""

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
        Annotated[Seed, BeforeValidator(_hook, json_schema_input_type=str | Words | Seed)] | None
    ) = Field(
        default=None,
        description="what is run once for a preview's database, after its first deployment; never"
        " on staging, whose data is real",
        examples=[{"command": ["python", "-m", "app.seed"]}],
    )
    after_deploy: (
        Annotated[Hook, BeforeValidator(_hook, json_schema_input_type=str | Words | Hook)] | None
    ) = Field(
        default=None,
        description="what is run after each deployment, when the service is up",
        examples=[{"command": ["python", "-m", "app.warm_up"]}],
    )
    before_destroy: (
        Annotated[
            BeforeDestroy,
            BeforeValidator(_hook, json_schema_input_type=str | Words | BeforeDestroy),
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
    """Settings that only the sandbox reads (key ``sandbox``)."""

    staging: StagingData = Field(
        default=StagingData(),
        description="where staging's data on a sandbox comes from",
        examples=[{"sql": "tests/data.sql"}],
    )
