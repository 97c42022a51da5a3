"""Brings staging to a new image, and back to the last good one when that does not work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from previews.diagnosis.diagnose import diagnose
from previews.errors import PreviewsError
from previews.lifecycle.smoke import SmokeReport, smoke
from previews.output import progress
from previews.platform import STAGING
from previews.pulumi.up import Outcome, run_up
from previews.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from previews.clients import Clients

LAST_GOOD = "last-good-image"
"""The stack's tag that holds the digest of the last image that passed its smoke test."""


class Deployed(BaseModel):
    """What became of it.

    Attributes:
        image: Digest of the image that staging has now.
        url: Staging's address.
        why: Why the new image is not there; empty where it is.
        rolled_back: Whether the last good image was put back.
    """

    model_config = ConfigDict(frozen=True)

    image: str
    url: str = ""
    why: str = ""
    rolled_back: bool = False


class StagingDeployment:
    """One deployment of staging."""

    def __init__(
        self, clients: Clients, *, through: str | None = None, bypass: str | None = None
    ) -> None:
        """Do nothing yet.

        Args:
            clients: Whom to ask.
            through: As in `smoke`.
            bypass: As in `smoke`.
        """
        self._clients = clients
        self._through = through
        self._bypass = bypass

    def run(self, image: str) -> Deployed:
        """Migrate, roll out, wait, smoke; and go back when any of it fails.

        The schema stays where the new version brought it: migrations are compatible with the
        version that was running (docs/service.md), so the last good image runs on it.

        Args:
            image: Digest of the new image.

        Raises:
            PreviewsError: The new image does not work. It says whether staging is back.
        """
        stacks = self._clients.stacks
        good = stacks.tags(STAGING).get(LAST_GOOD, "")
        why = self._try(image)
        if not why:
            stacks.tag(STAGING, LAST_GOOD, image)
            return Deployed(image=image, url=self._url())
        if not good or good == image:
            raise PreviewsError(
                "staging-failed",
                f"staging at {image}",
                why=f"{why}; there is no earlier image that is known to be good",
                remedy="mend it and push: the next deployment goes on from here.",
            )
        progress(f"staging: {why}; going back to {good}")
        still_wrong = self._try(good)
        if still_wrong:
            raise PreviewsError(
                "staging-rollback-failed",
                f"staging at {image}",
                why=f"{why}; and going back to {good} failed, too: {still_wrong}",
                remedy="staging needs a person: read both failures, then"
                " `pulumi up -s staging` with an image that works.",
            )
        raise PreviewsError(
            "staging-rolled-back",
            f"staging at {image}",
            why=f"{why}; the last good image {good} was put back, and works",
            remedy="mend it and push; meanwhile staging serves the earlier version.",
        )

    def _try(self, image: str) -> str:
        """Bring staging to an image; returns what is wrong with it then."""
        outcome = run_up(self._clients.stacks, STAGING, config={"previews:image": image})
        if not outcome.succeeded:
            return self._why(outcome)
        return "; ".join(self._smoke().failures())

    def _why(self, outcome: Outcome) -> str:
        found = diagnose(self._clients, STAGING, outcome, said=outcome.said)
        last = found.failed[0].message.splitlines()[-1:] if found.failed else []
        return ": ".join([f"{found.cause.why} ({found.cause.code})", *last])

    def _smoke(self) -> SmokeReport:
        return smoke(
            self._url(),
            contract=PROJECT_ROOT / "openapi.json",
            through=self._through,
            bypass=self._bypass or self._clients.bypass,
        )

    def _url(self) -> str:
        return str(self._clients.stacks.outputs(STAGING)["url"])
