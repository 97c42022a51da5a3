"""What the command line reads from the environment.

GitHub's variables are those that a workflow has anyway. AWS's and Pulumi's own variables are
read by AWS's and Pulumi's own clients, and are not repeated here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from previews.errors import PreviewsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Bots that write code are not among them: what they wrote is to be looked at.
_BOTS = frozenset(
    {"dependabot[bot]", "renovate[bot]", "depfu[bot]", "pre-commit-ci[bot]", "pyup-bot", "snyk-bot"}
)


class Settings(BaseSettings):
    """Frozen, and read once at the start of a command.

    Attributes:
        github_token: A token for the repository (``GITHUB_TOKEN``).
        github_repository: ``owner/name`` (``GITHUB_REPOSITORY``).
        github_api_url: Where GitHub's API is (``GITHUB_API_URL``); another one for GitHub
            Enterprise, and for tests.
        github_run_id: The run of the workflow that this is part of (``GITHUB_RUN_ID``).
        github_run_attempt: Which attempt of that run this is (``GITHUB_RUN_ATTEMPT``).
        label: The label that asks for a preview (``PREVIEWS_LABEL``).
        keep_label: The label that keeps one past its expiry (``PREVIEWS_KEEP_LABEL``).
        drafts: Whether a draft gets a preview (``PREVIEWS_DRAFTS``).
        bots: Logins of dependency bots, whose pull requests get none
            (``PREVIEWS_BOTS``, a JSON list).
        ttl_days: Days from a preview's last push to its expiry (``PREVIEWS_TTL_DAYS``); the
            same as the program's ``previews:ttlDays``.
        keep_days: The same where the pull request has the label that keeps it
            (``PREVIEWS_KEEP_DAYS``).
        most: Most previews at a time (``PREVIEWS_MOST``).
        organization: Pulumi Cloud's organization, where it is not the token's default one
            (``PREVIEWS_ORGANIZATION``).
        project: Folder of ``Pulumi.yaml`` (``PREVIEWS_PROJECT``).
        local: Whether there is no GitHub: the working tree is the pull request, and the terminal
            shows what becomes of its preview (``PREVIEWS_LOCAL``).
        labels: The labels of a local pull request (``PREVIEWS_LABELS``, a JSON list).
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
    local: bool = Field(default=False, validation_alias="PREVIEWS_LOCAL")
    labels: frozenset[str] = Field(default=frozenset(), validation_alias="PREVIEWS_LABELS")
    pulumi_log: Path | None = Field(default=None, validation_alias="PREVIEWS_PULUMI_LOG")

    @classmethod
    def read(cls, **given: Any) -> Settings:
        """Read the environment.

        Raises:
            PreviewsError: A variable has a value that makes no sense; it is named.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            wrong = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise PreviewsError(
                "settings",
                "settings from the environment",
                why=wrong,
                remedy="unset the variable, or set it to what is expected.",
            ) from error
