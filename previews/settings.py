"""Settings of the command line, from the environment.

GitHub's variables are those that every workflow run has. AWS's and Pulumi's variables are read
by their own clients, and are not repeated here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.app.model import FILE
from contract.stack_name import PLATFORM_APP, AppName
from previews.app import read_description
from previews.errors import PreviewsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Without bots that write code: people look at their changes in a preview.
_BOTS = frozenset(
    {"dependabot[bot]", "renovate[bot]", "depfu[bot]", "pre-commit-ci[bot]", "pyup-bot", "snyk-bot"}
)


class Settings(BaseSettings):
    """Settings, read once at the start of a command.

    Attributes:
        github_token: A token for the repository (``GITHUB_TOKEN``).
        github_repository: ``owner/name`` (``GITHUB_REPOSITORY``).
        github_api_url: URL of GitHub's API (``GITHUB_API_URL``); another one for GitHub
            Enterprise, and for tests.
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
        app: Folder of the app with its ``preview.yaml`` (``PREVIEWS_APP``); without it the
            platform's own app.
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
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    github_token: SecretStr = Field(default=SecretStr(""), validation_alias="GITHUB_TOKEN")
    github_repository: str = Field(
        default="", pattern=r"^([\w.-]+/[\w.-]+)?$", validation_alias="GITHUB_REPOSITORY"
    )
    github_api_url: str = Field(
        default="https://api.github.com",
        pattern=r"^https?://[^\s]+$",
        validation_alias="GITHUB_API_URL",
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
    app: Path | None = Field(default=None, validation_alias="PREVIEWS_APP")
    environment: str = Field(default="", validation_alias="PREVIEWS_ENVIRONMENT")
    workflow_ref: str = Field(default="", validation_alias="GITHUB_WORKFLOW_REF")
    local: bool = Field(default=False, validation_alias="PREVIEWS_LOCAL")
    labels: frozenset[str] = Field(default=frozenset(), validation_alias="PREVIEWS_LABELS")
    smoke: Literal["url", "cluster"] = Field(default="url", validation_alias="PREVIEWS_SMOKE")
    pulumi_log: Path | None = Field(default=None, validation_alias="PREVIEWS_PULUMI_LOG")

    @field_validator("smoke", mode="before")
    @classmethod
    def _as_a_rule_by_the_address(cls, value: object) -> object:
        return value or "url"

    @field_validator("app", mode="before")
    @classmethod
    def _without_an_empty_folder(cls, value: object) -> object:
        # A workflow has no way to leave a variable out, only to leave it empty.
        return value or None

    @property
    def app_name(self) -> AppName:
        """Name of the app.

        Raises:
            PreviewsError: Its folder or its preview.yaml can't be read, or names another app than
                the workflow's environment.
        """
        name = self._described_name()
        own = {f"{name.prefix}{kind}" for kind in ("preview", "staging")}
        if self.environment and self.environment not in own:
            raise PreviewsError(
                "app-environment",
                f"{self.app_folder / FILE}, app",
                why=f"the app is {name}, and the workflow's environment is {self.environment!r},"
                " another app's",
                remedy="give the app its former name again; or write the workflow of the new one"
                f" with `previews adopt`, and make the environments {' and '.join(sorted(own))}.",
            )
        return name

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
