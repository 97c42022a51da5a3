"""Fresh data for an existing preview, in both database modes, shown in the pull request.

`previews reset-db` runs it, which `/preview reset-db` in a comment starts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from contract.kubernetes import MIGRATE
from contract.preview import Preview
from previews.diagnosis.redaction import redact
from previews.errors import PreviewsError, for_people
from previews.lifecycle import branch_reset
from previews.lifecycle.deploy import PreviewDeployment
from previews.lifecycle.image_archives import Images
from previews.output import progress
from previews.pull_request import comment

if TYPE_CHECKING:
    from previews.kubernetes import Cluster
    from previews.pull_request.github_presenter import PullRequestPresenter
    from previews.pulumi.stacks import Stacks

_JOB = "kubernetes:batch/v1:Job"
_IMAGE = "docker-build:index:Image"


class ResetReport(BaseModel):
    """Result of a reset.

    Attributes:
        stack: Name of the preview.
        mode: Mode of its database.
        snapshot: The snapshot of staging that its data is copied from.
        snapshot_created: Time of that snapshot.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    mode: str
    snapshot: str
    snapshot_created: str

    def text(self) -> str:
        """Return the report for people."""
        return f"{self.stack} has a fresh copy of {self.snapshot} ({self.snapshot_created})"


def reset_database(
    preview: Preview,
    *,
    stacks: Stacks,
    connect: Callable[[], Cluster],
    deployment: Callable[[str], PreviewDeployment],
    current_comment: Callable[[], str],
    presenter: PullRequestPresenter | None,
    run: str = "",
) -> ResetReport:
    """Replace an existing preview's data; the version that it serves stays.

    Args:
        preview: The preview.
        stacks: The project's stacks.
        connect: Connects to the cluster.
        deployment: Prepares a deployment of the preview at a commit, for mode `snapshot`.
        current_comment: Renders the pull request's comment after the reset, for mode `branch`.
        presenter: Shows the comment; None where there is no GitHub.
        run: URL of the workflow run; empty outside CI.

    Raises:
        PreviewsError: There is no such preview, or a step fails. The comment contains it, too, as
            it does any other error.
    """
    try:
        outputs = _outputs(preview, stacks)
        if outputs["databaseMode"] == "branch":
            branch_reset.reset(preview, connect(), migrates=_migrates(preview, stacks))
            if presenter is not None:
                presenter.show(current_comment())
        else:
            # Mode snapshot: another RDS instance in the place of the preview's own. What depends
            # on the database is deleted with it, and created again from the image that was served.
            progress(f"{preview}: its RDS instance is restored again, which takes 10 to 15 minutes")
            built = _built_images(preview, stacks)
            served = _served_images(outputs, built.values())
            deployment(outputs["commit"]).run(
                images=None if served is None else lambda: served,
                commit=outputs["commit"],
                reset_database=True,
                unchanged=[*built],
            )
    except (Exception, KeyboardInterrupt) as error:
        shown = for_people(preview.name, error)
        # A failed deployment has shown its failure report in the comment already.
        if presenter is not None and shown.code != "up-failed":
            why = redact(shown.why)
            presenter.show(comment.reset_failed(preview.name, why, shown.remedy, run=run))
        raise
    outputs = stacks.outputs(preview.stack.value)
    return ResetReport(
        stack=preview.name,
        mode=outputs["databaseMode"],
        snapshot=outputs["snapshot"],
        snapshot_created=outputs["snapshotCreated"],
    )


def _built_images(preview: Preview, stacks: Stacks) -> dict[str, str]:
    """Return the digests of the images that the program built, by URN.

    An `up` that is given an image declares no build of it, and so would delete the one that is
    served; an `up` that builds would build what is checked out now.
    """
    resources = stacks.state(preview.stack.value).resources
    return {
        one.urn: one.outputs["digest"] for one in resources if one.type == _IMAGE and not one.delete
    }


def _served_images(outputs: dict[str, Any], built: Collection[str]) -> Images | None:
    """Return the images that are served and that the program did not build; None if it did."""

    def is_built(image: str) -> bool:
        return image.rpartition("@")[2] in built

    if is_built(outputs["image"]):
        return None
    web = {part: one for part, one in outputs.get("webImages", {}).items() if not is_built(one)}
    return Images(outputs["image"], web)


def _migrates(preview: Preview, stacks: Stacks) -> bool:
    """Return True if the deployed version has a migrate Job."""
    resources = stacks.state(preview.stack.value).resources
    return any(one.type == _JOB and one.urn.rpartition("::")[2] == MIGRATE for one in resources)


def _outputs(preview: Preview, stacks: Stacks) -> dict[str, Any]:
    """Return the outputs of a preview that has been up."""
    remedy = (
        f"deploy it (`/preview` in a comment, or previews up {preview.number}): a new preview"
        " starts with fresh data."
    )
    if not stacks.exists(preview.stack.value):
        raise PreviewsError(
            "reset-no-preview", preview.name, why="there is no such preview", remedy=remedy
        )
    outputs = stacks.outputs(preview.stack.value)
    missing = {"databaseMode", "image", "commit"} - set(outputs)
    if missing:
        raise PreviewsError(
            "reset-never-up",
            preview.name,
            why="it has never been completely up: it has no output " + ", ".join(sorted(missing)),
            remedy=remedy,
        )
    return outputs
