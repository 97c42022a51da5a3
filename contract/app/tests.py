"""The end-to-end tests of an app in ``preview.yaml``: commands that are run against its preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from contract.app.placeholders import check_placeholders, fill
from contract.app.values import Model, RelativePath, Variables

TESTS_PLACEHOLDERS = ("app_url", "app_host", "commit", "pull_request", "stack", "mail_url")
"""Placeholders in the environment of the tests; no other, since they run without any credential."""


def _line(value: str) -> str:
    if not value.strip() or "\0" in value or "\n" in value:
        msg = "expected one line, as you type it in a shell"
        raise ValueError(msg)
    return value


def _known(environment: dict[str, str]) -> dict[str, str]:
    return check_placeholders(environment, TESTS_PLACEHOLDERS)


ShellLine = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_line)]


class EndToEndTests(Model):
    """The repository's own tests, run against the preview (key ``tests``).

    They run on the machine of a workflow, at the pull request's commit, with neither a credential
    nor a variable of that machine except PATH and HOME.
    """

    command: ShellLine = Field(
        description="command that fails if a test does, as one line for the machine's shell",
        examples=["npx playwright test"],
    )
    setup: tuple[ShellLine, ...] = Field(
        default=(),
        max_length=20,
        description="commands that are run before it, in order",
        examples=[["npm ci", "npx playwright install chromium"]],
    )
    folder: RelativePath = Field(
        default=".", description="folder that all of them are run in", examples=["e2e"]
    )
    environment: Annotated[Variables, AfterValidator(_known)] = Field(
        default={"BASE_URL": "{app_url}"},
        description="their environment, besides PATH, HOME and CI; its placeholders are"
        " `{app_url}`, `{app_host}`, `{commit}`, `{pull_request}`, `{stack}` and `{mail_url}`",
        examples=[{"BASE_URL": "{app_url}"}],
    )
    timeout_minutes: int = Field(
        default=15, ge=1, le=45, description="time limit of all of them together", examples=[15]
    )
    report: RelativePath | None = Field(
        default=None,
        description="folder that they write, which the workflow keeps as an artifact",
        examples=["e2e/playwright-report"],
    )

    @property
    def seconds(self) -> float:
        """Their time limit in seconds."""
        return self.timeout_minutes * 60.0

    def variables(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the environment, with a value for each of `TESTS_PLACEHOLDERS`."""
        return {name: fill(value, values) for name, value in self.environment.items()}
