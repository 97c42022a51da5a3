"""Things that should be there, by the app and by ``Pulumi.staging.yaml`` of the platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from contract.stack_name import PLATFORM_PROJECT, AppName
from previews.errors import PreviewsError
from previews.lifecycle.triggers import INFRA_LABEL
from previews.pulumi.yaml_file import read_mapping
from previews.settings import Settings

APPROVED = "preview-infra"
"""Environment in which a pull request's own program runs, when a person has approved it."""

STAGING_FILE = "Pulumi.staging.yaml"
VARIABLES = ("AWS_ROLE_ARN", "AWS_REGION", "EKS_CLUSTER")
BACKEND = "PULUMI_BACKEND_URL"
TOKEN = "PULUMI_ACCESS_TOKEN"  # noqa: S105 - A name.
IMAGES = "IMAGE_REPOSITORY"
RUNNER = "PREVIEWS_RUNNER"
ATTEST = "PREVIEWS_ATTEST"

TRUSTED_WORKFLOWS: Mapping[str, tuple[str, ...]] = {
    "preview": ("preview.yml", "preview-destroy.yml", "preview-sweep.yml"),
    "staging": ("staging.yml", "preview-refresh.yml"),
    "preview-infra-plan": ("preview-infra-diff.yml",),
    APPROVED: ("preview.yml",),
}
"""Workflow files that AWS trusts, by their environment; a test compares them with the program's."""

WORKFLOWS = frozenset(
    {
        *(file for files in TRUSTED_WORKFLOWS.values() for file in files),
        "preview-command.yml",
    }
)
"""Workflow files of the platform's repository that previews need."""

GUARDED = (
    ".github/CODEOWNERS",
    ".github/workflows/preview.yml",
    "contract/stack_name.py",
    "database/Dockerfile",
    "infra/__main__.py",
    "previews/cli.py",
    "Pulumi.staging.yaml",
    "requirements/dev.txt",
    "Makefile",
    "scrub.yaml",
)
"""Files that stand for what runs with a credential, each of which needs an owner."""

_GUARDED_OF_APPS = (".github/CODEOWNERS", ".github/workflows/preview.yml")
_ROLES = {
    "preview": "deploy-preview",
    "staging": "deploy-staging",
    "preview-infra-plan": "plan-preview-infra",
    APPROVED: "deploy-preview-infra",
}
_OF_APPS = ("preview", "staging")


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        coerce_numbers_to_str=True,
        populate_by_name=True,
    )


class Source(_Model):
    """A repository whose workflows may act, as the configuration names it.

    Attributes:
        repository: ``owner/name``.
        repository_id: Its number.
        subject_prefix: Beginning of the subject in its OIDC tokens.
        branch: The branch whose workflow files may act.
        name: The app; empty for the platform's own.
        references: References at which other repositories may call the workflows.
        state_bucket: S3 bucket of Pulumi's state; None with Pulumi Cloud.
        state_key: Alias of the KMS key of that state's secrets.
    """

    repository: str
    repository_id: str
    subject_prefix: str
    branch: str = "main"
    name: str = ""
    references: tuple[str, ...] | None = None
    state_bucket: str | None = None
    state_key: str | None = None

    @property
    def branch_ref(self) -> str:
        """Full name of the branch."""
        return f"refs/heads/{self.branch}"


class _Cluster(_Model):
    name: str = PLATFORM_PROJECT
    create: bool = False
    api_cidrs: tuple[str, ...] = ()


class _Access(_Model):
    cidrs: tuple[str, ...] = ()


class _Dns(_Model):
    zone_id: str = ""


class StagingFile(_Model):
    """The part of ``Pulumi.staging.yaml`` that the checks need.

    Attributes:
        domain: Domain under which each stack has a name.
        cluster: The cluster, and the networks that may reach its API.
        access: Networks that may reach previews.
        dns: The hosted zone.
        github: The platform's repository; None where CI has no roles yet.
        apps: Repositories of other apps.
        encrypted: Paths of the values that Pulumi encrypts, whatever they are for.
    """

    domain: str = ""
    cluster: _Cluster = _Cluster()
    access: _Access = _Access()
    dns: _Dns = _Dns()
    github: Source | None = None
    apps: tuple[Source, ...] = Field(default=())
    encrypted: tuple[str, ...] = ()

    @property
    def needs_zone(self) -> bool:
        """False where an existing cluster's platform leaves certificate and records to people."""
        return bool(self.dns.zone_id) or self.cluster.create

    @classmethod
    def read(cls, settings: Settings) -> StagingFile:
        """Read the platform's file.

        Raises:
            PreviewsError: It can't be read, or has another form.
        """
        file = settings.project / STAGING_FILE
        config: Mapping[str, Any] = read_mapping(file).get("config") or {}
        own = {
            key.partition(":")[2]: value
            for key, value in config.items()
            if key.startswith(f"{PLATFORM_PROJECT}:")
        }
        try:
            return cls.model_validate({**own, "encrypted": tuple(_encrypted(config))})
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise PreviewsError(
                "staging-file",
                str(file),
                why=f"a value has another form than expected: {wrong}",
                remedy="correct it; docs/configuration.md has each key.",
            ) from error


def _encrypted(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of values that `pulumi config set --secret` wrote."""
    if isinstance(value, Mapping):
        if value.keys() == {"secure"}:
            yield path
            return
        for key, one in value.items():
            yield from _encrypted(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _encrypted(one, f"{path}[{at}]")


@dataclass(frozen=True)
class Expected:
    """Things that an app's repository should have.

    Attributes:
        app: The app.
        labels: Labels that the workflows know, by the variable that gives each another name.
        file: The platform's configuration.
    """

    app: AppName
    labels: Mapping[str, str]
    file: StagingFile

    @classmethod
    def of(cls, settings: Settings, file: StagingFile) -> Expected:
        """Return what the settings' app should have."""
        labels = {"PREVIEWS_LABEL": settings.label, "PREVIEWS_KEEP_LABEL": settings.keep_label}
        if settings.app_name.is_platform:
            # No variable gives it another name.
            labels[""] = INFRA_LABEL
        return cls(settings.app_name, labels, file)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of environments: another app than the platform's own changes no program."""
        return tuple(TRUSTED_WORKFLOWS) if self.app.is_platform else _OF_APPS

    def environment(self, kind: str) -> str:
        """Return the name of the environment of a kind."""
        return f"{self.app.prefix}{kind}"

    @property
    def environments(self) -> tuple[str, ...]:
        """Names of the environments."""
        return tuple(map(self.environment, self.kinds))

    def role(self, kind: str) -> str:
        """Return the name of the IAM role of an environment of a kind."""
        return f"{self.app.project}-{_ROLES[kind]}"

    @property
    def source(self) -> Source | None:
        """The app's repository as the configuration names it; None if it does not."""
        if self.app.is_platform:
            return self.file.github
        return next((app for app in self.file.apps if app.name == self.app.value), None)

    @property
    def guarded(self) -> tuple[str, ...]:
        """Files that need an owner; in another app's repository only its caller acts."""
        return GUARDED if self.app.is_platform else _GUARDED_OF_APPS

    def runs_previews(self, file: str) -> bool:
        """Return whether a workflow file is one that previews need, by its name."""
        if self.app.is_platform:
            return file in WORKFLOWS
        return file.startswith("preview") and file.endswith((".yml", ".yaml"))
