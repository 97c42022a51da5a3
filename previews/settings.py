"""Settings of the command line, from the environment.

GitHub's variables are those that every workflow run has. AWS's and Pulumi's variables are read
by their own clients, and are not repeated here.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.app.model import FILE
from contract.app.read import repository_root
from contract.stack_name import PLATFORM_APP, AppName, AppNameError
from previews.app import read_description
from previews.errors import PreviewsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
POLICY_PACK = PROJECT_ROOT / "infra" / "policies"
"""The policy pack of this command line's own checkout, never that of a pull request."""
# Without bots that write code: people look at their changes in a preview.
_BOTS = frozenset(
    {"dependabot[bot]", "renovate[bot]", "depfu[bot]", "pre-commit-ci[bot]", "pyup-bot", "snyk-bot"}
)

_KINDS = ("preview", "staging")
# The platform's own app alone may change the program.
_OF_THE_PLATFORM = frozenset({*_KINDS, "preview-infra", "preview-infra-plan"})


class Settings(BaseSettings):
    """Settings, read once at the start of a command.

    Attributes:
        github_token: A token for the repository (``GITHUB_TOKEN``).
        bypass: Token that lets a test past the sign-in (``PREVIEWS_BYPASS``); without it that of
            the platform. It is no option of a command: arguments are shown to every user.
        github_repository: ``owner/name`` (``GITHUB_REPOSITORY``).
        github_api_url: URL of GitHub's API (``GITHUB_API_URL``); another one for GitHub
            Enterprise, and for tests.
        github_server_url: URL of its pages (``GITHUB_SERVER_URL``).
        github_run_id: ID of this workflow run (``GITHUB_RUN_ID``).
        github_run_attempt: Attempt of this workflow run (``GITHUB_RUN_ATTEMPT``).
        label: Label that requests a preview (``PREVIEWS_LABEL``).
        keep_label: Label that keeps a preview past its expiry (``PREVIEWS_KEEP_LABEL``).
        drafts: True if a draft gets a preview (``PREVIEWS_DRAFTS``).
        bots: Logins of dependency bots, whose pull requests get no preview
            (``PREVIEWS_BOTS``, a JSON list).
        ttl_days: Days from a preview's last push to its expiry (``PREVIEWS_TTL_DAYS``); the
            same as the program's ``previews:ttlDays``.
        keep_days: The same where the pull request has the label that keeps it
            (``PREVIEWS_KEEP_DAYS``).
        most: Highest number of previews at a time (``PREVIEWS_MOST``).
        organization: Pulumi Cloud's organization, where it is not the token's default one
            (``PREVIEWS_ORGANIZATION``).
        project: Folder of the platform's ``Pulumi.yaml`` (``PREVIEWS_PROJECT``).
        program: Checkout of a pull request whose program is run in place of the platform's
            (``PREVIEWS_PROGRAM``), with the platform's virtual environment and policy pack.
        app: Folder of the app with its ``preview.yaml`` (``PREVIEWS_APP``); without it the
            platform's own app.
        repository_folder: The same relative to the root of the app's repository
            (``PREVIEWS_FOLDER``), where that is not checked out: its files are read from GitHub.
        domain: Domain of the previews (``PREVIEWS_DOMAIN``), for build arguments with an app's URL;
            with ``http://`` or a port where theirs have one.
        environment: The workflow's environment on GitHub (``PREVIEWS_ENVIRONMENT``), which must be
            the app's: what a pull request writes into its preview.yaml gives it no other app's.
        workflow_ref: Workflow file of this run, with its repository and reference
            (``GITHUB_WORKFLOW_REF``); that of the caller, where a workflow is called.
        local: True to work without GitHub: the working tree is the pull request, and the
            terminal shows its preview (``PREVIEWS_LOCAL``).
        labels: Labels of a local pull request (``PREVIEWS_LABELS``, a JSON list).
        smoke: ``cluster`` to send the requests of smoke tests through the cluster's API, for a
            run that can't reach the previews' addresses (``PREVIEWS_SMOKE``).
        pulumi_log: File that gets Pulumi's own output in place of the terminal
            (``PREVIEWS_PULUMI_LOG``).
        policy_pack: Policy pack of every `pulumi up` (``PREVIEWS_POLICY_PACK``): a folder, or a
            program that serves one, where Pulumi's language host can start none.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        populate_by_name=True,
        extra="ignore",
        # A workflow has no way to leave a variable out, only to leave it empty.
        env_ignore_empty=True,
    )

    bypass: SecretStr = Field(default=SecretStr(""), validation_alias="PREVIEWS_BYPASS")
    github_token: SecretStr = Field(default=SecretStr(""), validation_alias="GITHUB_TOKEN")
    github_repository: str = Field(
        default="", pattern=r"^([\w.-]+/[\w.-]+)?$", validation_alias="GITHUB_REPOSITORY"
    )
    github_api_url: str = Field(
        default="https://api.github.com",
        pattern=r"^https?://[^\s]+$",
        validation_alias="GITHUB_API_URL",
    )
    github_server_url: str = Field(
        default="https://github.com",
        pattern=r"^https?://[^\s]+$",
        validation_alias="GITHUB_SERVER_URL",
    )
    github_run_id: int | None = Field(default=None, ge=1, validation_alias="GITHUB_RUN_ID")
    github_run_attempt: int = Field(default=1, ge=1, validation_alias="GITHUB_RUN_ATTEMPT")
    label: str = Field(default="preview", min_length=1, validation_alias="PREVIEWS_LABEL")
    keep_label: str = Field(
        default="preview-keep", min_length=1, validation_alias="PREVIEWS_KEEP_LABEL"
    )
    drafts: bool = Field(default=False, validation_alias="PREVIEWS_DRAFTS")
    bots: frozenset[str] = Field(default=_BOTS, validation_alias="PREVIEWS_BOTS")
    ttl_days: int = Field(default=7, ge=1, le=90, validation_alias="PREVIEWS_TTL_DAYS")
    keep_days: int = Field(default=30, ge=1, le=365, validation_alias="PREVIEWS_KEEP_DAYS")
    most: int = Field(default=20, ge=1, le=1000, validation_alias="PREVIEWS_MOST")
    organization: str = Field(
        default="", pattern=r"^[\w.-]*$", validation_alias="PREVIEWS_ORGANIZATION"
    )
    project: Path = Field(default=PROJECT_ROOT, validation_alias="PREVIEWS_PROJECT")
    program: Path | None = Field(default=None, validation_alias="PREVIEWS_PROGRAM")
    app: Path | None = Field(default=None, validation_alias="PREVIEWS_APP")
    repository_folder: str | None = Field(default=None, validation_alias="PREVIEWS_FOLDER")
    domain: str = Field(
        default="",
        pattern=r"^((https?://)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?)?$",
        validation_alias="PREVIEWS_DOMAIN",
    )
    environment: str = Field(default="", validation_alias="PREVIEWS_ENVIRONMENT")
    workflow_ref: str = Field(default="", validation_alias="GITHUB_WORKFLOW_REF")
    local: bool = Field(default=False, validation_alias="PREVIEWS_LOCAL")
    labels: frozenset[str] = Field(default=frozenset(), validation_alias="PREVIEWS_LABELS")
    smoke: Literal["url", "cluster"] = Field(default="url", validation_alias="PREVIEWS_SMOKE")
    pulumi_log: Path | None = Field(default=None, validation_alias="PREVIEWS_PULUMI_LOG")
    policy_pack: Path = Field(default=POLICY_PACK, validation_alias="PREVIEWS_POLICY_PACK")

    @field_validator("label", "keep_label", "labels")
    @classmethod
    def _without_case(cls, value: str | frozenset[str]) -> str | frozenset[str]:
        """Compare labels as GitHub does, to which `Preview` and `preview` are one."""
        if isinstance(value, str):
            return value.casefold()
        return frozenset(label.casefold() for label in value)

    @field_validator("repository_folder")
    @classmethod
    def _within_the_repository(cls, value: str | None) -> str | None:
        if value is None:
            return None
        folder = posixpath.normpath(value)
        if posixpath.isabs(folder) or folder.split("/")[0] == ".." or not folder.isprintable():
            msg = "expected a folder relative to the repository's root, such as services/orders"
            raise ValueError(msg)
        return folder

    @property
    def app_name(self) -> AppName:
        """Name of the app.

        Where its repository is not checked out, it follows from the workflow's environment, which
        is named on the default branch.

        Raises:
            PreviewsError: Its folder or its preview.yaml can't be read, or names another app than
                the workflow's environment; or that is none of an app.
        """
        if self.repository_folder is not None:
            return app_of(self.environment)
        name = self._described_name()
        if self.environment and self.environment not in _environments(name):
            raise other_app(str(self.app_folder / FILE), name, self.environment)
        return name

    @property
    def folder_in_repository(self) -> str:
        """Folder of the app relative to the root of its repository."""
        if self.repository_folder is not None:
            return self.repository_folder
        folder = self.app_folder
        return folder.relative_to(repository_root(folder)).as_posix()

    def _described_name(self) -> AppName:
        folder = self.app_folder
        if folder == self.project.resolve():
            return PLATFORM_APP
        name = read_description(folder).app
        if name:
            return AppName(name)
        raise PreviewsError(
            "app-name",
            f"{folder / FILE}, app",
            why="the app has no name; only the platform's own app has none",
            remedy="name it, in a line such as `app: orders`.",
        )

    @property
    def app_folder(self) -> Path:
        """Folder of the app, absolute."""
        return (self.app or self.project).resolve()

    @property
    def project_folder(self) -> Path:
        """Folder of the app's Pulumi project."""
        app = self.app_name
        if self.program is not None:
            return self.project / "pull-request"
        return self.project if app.is_platform else self.project / "apps" / str(app)

    @classmethod
    def read(cls, **values: Any) -> Settings:
        """Read the environment.

        Raises:
            PreviewsError: A variable has an invalid value.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            wrong = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise PreviewsError(
                "settings",
                "settings from the environment",
                why=wrong,
                remedy="unset the variable, or set it to a valid value.",
            ) from error


def app_of(environment: str) -> AppName:
    """Return the app of an environment on GitHub; the platform's own where there is none.

    Raises:
        PreviewsError: It is an environment of no app.
    """
    if not environment or environment in _OF_THE_PLATFORM:
        return PLATFORM_APP
    name, _, kind = environment.rpartition("-")
    try:
        if name and kind in _KINDS:
            return AppName(name)
    except AppNameError:
        pass
    raise PreviewsError(
        "environment-name",
        "PREVIEWS_ENVIRONMENT",
        why=f"{environment!r} is the environment of no app",
        remedy="name it <app>-preview or <app>-staging, as `previews adopt` does; those of the"
        " platform's own app have no prefix.",
    )


def other_app(file: str, name: AppName, environment: str) -> PreviewsError:
    """Return the error about a description of another app than the environment's."""
    own = [f"{name.prefix}{kind}" for kind in _KINDS]
    return PreviewsError(
        "app-environment",
        f"{file}, app",
        why=f"the app is {name}, and the workflow's environment is {environment or 'preview'!r},"
        " another app's",
        remedy="give the app its former name again; or write the workflow of the new one"
        f" with `previews adopt`, and make the environments {' and '.join(own)}.",
    )


def _environments(name: AppName) -> frozenset[str]:
    if name.is_platform:
        return _OF_THE_PLATFORM
    return frozenset(f"{name.prefix}{kind}" for kind in _KINDS)
