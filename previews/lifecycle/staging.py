"""Deployment of a new image to staging, with a rollback to the last good image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from previews.errors import PreviewsError, for_people
from previews.lifecycle.smoke import SmokeReport, smoke
from previews.output import progress
from previews.platform import STAGING
from previews.pulumi.state import requires_sign_in
from previews.pulumi.up import UpResult, pulumi_up

if TYPE_CHECKING:
    from pathlib import Path

    from httpx import BaseTransport

    from contract.app.model import App
    from previews.diagnosis.failure_report import FailureReport
    from previews.pulumi.stacks import Stacks

LAST_GOOD = "last-good-image"
"""The stack's tag with the digest of the last image that passed its smoke test."""


class StagingReport(BaseModel):
    """Result of a deployment of staging.

    Attributes:
        image: Digest of the image that staging has now.
        url: Staging's URL.
    """

    model_config = ConfigDict(frozen=True)

    image: str
    url: str


@dataclass(frozen=True, kw_only=True)
class StagingDeployment:
    """One deployment of staging.

    Attributes:
        app: The app's description.
        folder: Folder of its files.
        stacks: The project's stacks.
        bypass: Reads the token that lets a test past the sign-in.
        claim: Records this run on the stack, whose lock it is to make, and completes its state
            after a run that was killed.
        diagnose: Finds out why a `pulumi up` failed, from its outcome and a message.
        contract: OpenAPI document that it must serve.
        connect_to: As in `smoke`.
        through: Returns the transport of the smoke test; None for the app's address.
    """

    app: App
    folder: Path
    stacks: Stacks
    bypass: Callable[[], str | None]
    claim: Callable[[str], object]
    diagnose: Callable[[str, UpResult, str], FailureReport]
    connect_to: str | None = None
    through: Callable[[], BaseTransport | None] = lambda: None

    def run(self, image: str, database_image: str | None = None) -> StagingReport:
        """Migrate, roll out, wait, test; and roll back when any of it fails.

        The schema stays as the new version migrated it: migrations are compatible with the
        version that was running (docs/service.md), so the last good image runs on it.

        Args:
            image: Digest of the new image.
            database_image: Digest of the image that prepares databases; it is not rolled back,
                since staging's service does not run it. None to let the program build it.

        Raises:
            PreviewsError: The new image does not work. The message has the result of the rollback.
        """
        self.claim(STAGING)
        good = self.stacks.tags(STAGING).get(LAST_GOOD, "")
        why = self._try(image, database_image)
        if not why:
            self.stacks.tag(STAGING, LAST_GOOD, image)
            return StagingReport(image=image, url=self._url())
        if not good or good == image:
            raise PreviewsError(
                "staging-failed",
                f"staging at {image}",
                why=f"{why}; there is no earlier image that is known to be good",
                remedy="fix it and push: the next deployment continues from here.",
            )
        progress(f"staging: {why}; rolling back to {good}")
        rollback_failure = self._try(good, database_image)
        if rollback_failure:
            raise PreviewsError(
                "staging-rollback-failed",
                f"staging at {image}",
                why=f"{why}; the rollback to {good} failed, too: {rollback_failure}",
                remedy="staging needs a person: read both failures, then"
                " `pulumi up -s staging` with an image that works.",
            )
        raise PreviewsError(
            "staging-rolled-back",
            f"staging at {image}",
            why=f"{why}; staging was rolled back to the last good image {good}, which works",
            remedy="fix it and push; meanwhile staging serves the earlier version.",
        )

    def _try(self, image: str, database_image: str | None) -> str:
        """Deploy an image; returns the fault, empty where there is none."""
        config = {"previews:image": image}
        if database_image is not None:
            config["previews:databaseImage"] = database_image
        outcome = pulumi_up(self.stacks, STAGING, config=config)
        if not outcome.succeeded:
            return self._why(outcome)
        try:
            return "; ".join(self._smoke().failures())
        except PreviewsError as error:
            return f"the smoke test can't be run: {error.what}: {error.why}"
        except Exception as error:  # noqa: BLE001 - an image that nobody could test does not stay
            return f"the smoke test can't be run: {for_people(STAGING, error).why}"

    def _why(self, outcome: UpResult) -> str:
        found = self.diagnose(STAGING, outcome, outcome.output)
        last = found.failed[0].message.splitlines()[-1:] if found.failed else []
        return ": ".join([f"{found.cause.why} ({found.cause.code})", *last])

    def _smoke(self) -> SmokeReport:
        return smoke(
            self._url(),
            self.app,
            folder=self.folder,
            connect_to=self.connect_to,
            bypass=self.bypass(),
            through=self.through(),
            signed_in=requires_sign_in(self.stacks.state(STAGING).resources),
        )

    def _url(self) -> str:
        return str(self.stacks.outputs(STAGING)["url"])
