"""Begins a preview's data anew, each mode in its own way, and shows that in the pull request.

Both `previews reset-db` and `/preview reset-db` in a comment come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from previews.errors import PreviewsError
from previews.lifecycle import branch_reset
from previews.lifecycle.deploy import BringUp
from previews.output import progress
from previews.pull_request import comment
from previews.pull_request.current_comment import comment_now
from previews.pull_request.github_presenter import PullRequestPresenter

if TYPE_CHECKING:
    from contract.stack_name import StackName
    from previews.clients import Clients


class FreshData(BaseModel):
    """What a preview's data is a copy of now.

    Attributes:
        stack: The preview.
        mode: Where its data comes from.
        snapshot: The snapshot of staging that it is a copy of.
        snapshot_created: When that was taken.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    mode: str
    snapshot: str
    snapshot_created: str

    def text(self) -> str:
        """What a person reads."""
        return f"{self.stack} is on a fresh copy of {self.snapshot} ({self.snapshot_created})"


def begin_anew(
    clients: Clients,
    stack: StackName,
    *,
    run: str = "",
    through: str | None = None,
    bypass: str | None = None,
) -> FreshData:
    """Give a living preview its data afresh; the version that it serves stays.

    Args:
        clients: Whom to ask.
        stack: The preview.
        run: Address of the run of the workflow; empty at home.
        through: As in `smoke`.
        bypass: As in `smoke`.

    Raises:
        PreviewsError: There is no such preview, or a step fails. The pull request says so, too.
    """
    presenter = _presenter(clients, stack, run)
    try:
        outputs = _outputs_of_living(clients, stack)
        if outputs["databaseMode"] == "branch":
            branch_reset.reset(clients, stack)
            if presenter is not None:
                presenter.show(comment_now(clients, stack, through=through, reset=True))
        else:
            _restore_again(clients, stack, outputs, run=run, through=through, bypass=bypass)
    except PreviewsError as error:
        # What failed while it came up has its autopsy in the comment already.
        if presenter is not None and error.code != "up-failed":
            text = comment.not_anew(stack.value, error.why, error.remedy, run=run)
            presenter.show(text)
        raise
    outputs = clients.stacks.outputs(stack.value)
    return FreshData(
        stack=stack.value,
        mode=outputs["databaseMode"],
        snapshot=outputs["snapshot"],
        snapshot_created=outputs["snapshotCreated"],
    )


def _outputs_of_living(clients: Clients, stack: StackName) -> dict[str, Any]:
    """The outputs of a preview that has been up."""
    remedy = (
        f"bring it up (`/preview` in a comment, or previews up {stack.pull_request}): a preview"
        " starts with fresh data."
    )
    if not clients.stacks.exists(stack.value):
        raise PreviewsError(
            "reset-no-preview", stack.value, why="there is no such preview", remedy=remedy
        )
    outputs = clients.stacks.outputs(stack.value)
    lacking = {"databaseMode", "image", "commit"} - set(outputs)
    if lacking:
        raise PreviewsError(
            "reset-never-up",
            stack.value,
            why=f"it has never been wholly up: it has no output {', '.join(sorted(lacking))}",
            remedy=remedy,
        )
    return outputs


def _restore_again(
    clients: Clients,
    stack: StackName,
    outputs: dict[str, Any],
    *,
    run: str,
    through: str | None,
    bypass: str | None,
) -> None:
    """Mode `snapshot`: another RDS instance in the place of the preview's own.

    What stands on the database goes with it, and comes again of the image that was served.
    """
    number = stack.pull_request or 0
    progress(f"{stack}: its RDS instance is restored once more, which takes 10 to 15 minutes")
    bringing = BringUp(
        clients,
        stack.value,
        clients.pulls.read(number),
        clients.presenter(number, run_url=run),
        through=through,
        bypass=bypass,
    )
    bringing.run(image=outputs["image"], commit=outputs["commit"], reset_database=True)


def _presenter(clients: Clients, stack: StackName, run: str) -> PullRequestPresenter | None:
    """What shows it in the pull request; None where there is no GitHub, as on a sandbox."""
    settings = clients.settings
    if settings.local:
        return None
    if not (settings.github_repository and settings.github_token.get_secret_value()):
        progress(f"{stack}: without GITHUB_REPOSITORY and GITHUB_TOKEN nothing is shown on GitHub")
        return None
    return PullRequestPresenter(clients.github, stack.pull_request or 0, run_url=run)
