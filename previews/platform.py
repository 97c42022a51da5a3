"""The platform that previews stand on, as staging published it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.platform_outputs import OUTPUT, PlatformOutputs, PlatformOutputsError
from previews.errors import PreviewsError

if TYPE_CHECKING:
    from previews.pulumi.stacks import Stacks

STAGING = "staging"


def read_platform(stacks: Stacks) -> PlatformOutputs:
    """Return the platform from staging's outputs.

    Raises:
        PreviewsError: Staging is not up, or of another version of the program.
    """
    try:
        return PlatformOutputs.read(stacks.outputs(STAGING).get(OUTPUT))
    except PlatformOutputsError as error:
        lacking = ", ".join(error.lacking) or "all of it"
        raise PreviewsError(
            "staging-outputs",
            "output 'platform' of stack staging",
            why=f"it lacks {lacking}",
            remedy="bring staging up from the main branch: `pulumi up -s staging`; without it"
            " nobody knows where to look.",
        ) from error
