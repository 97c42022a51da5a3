"""Commands in comments on a pull request: `COMMANDS` has all that there is about each of them.

Parsing, the usage text, the comment's footer and the run itself follow from that table. A new
command is a function here, a row of the table, and a row of docs/lifecycle.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from pydantic import AliasPath, BaseModel, ConfigDict, Field

from contract.preview import Preview
from previews.errors import PreviewsError
from previews.pull_request.deploying_workflows import Action, start
from previews.pull_request.obstacles import obstacles, refusal
from previews.reporting.wording import cell

if TYPE_CHECKING:
    from previews.github import GitHub
    from previews.github.pulls import PullRequest
    from previews.settings import Settings

MAY_COMMAND = frozenset({"admin", "maintain", "write"})
"""Levels of access that include pushing to the branch."""

_PREFIX = "/preview"


@dataclass(frozen=True)
class Request:
    """A command on one pull request, whose author is allowed to give it.

    Attributes:
        github: The repository.
        settings: Names of the labels.
        preview: The pull request's preview.
        branch: The default branch, whose workflows are started.
    """

    github: GitHub
    settings: Settings
    preview: Preview
    branch: str

    def start(self, action: Action) -> None:
        """Start the default branch's workflow for an action on this pull request's preview.

        A workflow's own token starts another workflow only by a dispatch. So the labels are for
        people to see, and the workflow is started besides.
        """
        start(
            action,
            self.preview,
            branch=self.branch,
            github=self.github,
            settings=self.settings,
        )


def _deploy(request: Request) -> str:
    request.github.pulls.add_label(request.preview.number, request.settings.label)
    request.start(Action.UP)
    return "its deployment was started"


def _reset_database(request: Request) -> str:
    request.github.pulls.add_label(request.preview.number, request.settings.label)
    request.start(Action.RESET_DATABASE)
    return "the reset of its database was started"


def _keep(request: Request) -> str:
    label = request.settings.keep_label
    request.github.pulls.add_label(request.preview.number, label)
    return f"label {label!r} was added: it expires later"


def _destroy(request: Request) -> str:
    pulls, number = request.github.pulls, request.preview.number
    if request.settings.label in pulls.read(number).labels:
        pulls.remove_label(number, request.settings.label)
    request.start(Action.DESTROY)
    return "its removal was started"


@dataclass(frozen=True)
class CommentCommand:
    """A command that people give in a comment.

    Attributes:
        name: Its name in results.
        word: The word after ``/preview``; empty for ``/preview`` alone.
        help: The effect, continuing the sentence "`/preview …` …".
        run: Starts it, and returns a sentence about what was started.
        needs_open: True if it is refused when the pull request is closed.
        deploys: True if it is refused when the pull request gets no preview.
    """

    name: str
    word: str
    help: str
    run: Callable[[Request], str]
    needs_open: bool = True
    deploys: bool = False

    @property
    def text(self) -> str:
        """The command as it is typed."""
        return f"{_PREFIX} {self.word}".strip()


COMMANDS = (
    CommentCommand("up", "", "deploys the pull request", _deploy, deploys=True),
    CommentCommand(
        "reset-db",
        "reset-db",
        "replaces its data with a fresh copy of staging's",
        _reset_database,
        deploys=True,
    ),
    CommentCommand("keep", "keep", "keeps it past its expiry", _keep),
    CommentCommand("destroy", "destroy", "removes it", _destroy, needs_open=False),
)
"""Every command, in the order in which help lists them."""


def usage() -> str:
    """Return the commands as one phrase of Markdown."""
    *others, last = (f"`{command.text}`" for command in COMMANDS)
    return f"{', '.join(others)} or {last}"


def footer() -> str:
    """Return a line of Markdown with the commands that apply to a preview that is up."""
    return " · ".join(
        [
            *(f"`{command.text}` {command.help}" for command in COMMANDS if command.word),
            "a push updates it",
        ]
    )


class CommentEvent(BaseModel):
    """Fields of an ``issue_comment`` event.

    Attributes:
        action: ``created``, ``edited`` or ``deleted``.
        preview: Preview of the pull request, or of the issue with that number.
        pull_request: Present only where the comment is on a pull request.
        comment: ID of the comment.
        body: Text of the comment.
        author: Login of its author.
        author_type: ``User`` or ``Bot``.
        default_branch: The repository's default branch.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    action: str
    preview: Preview = Field(validation_alias=AliasPath("issue", "number"))
    pull_request: object = Field(default=None, validation_alias=AliasPath("issue", "pull_request"))
    comment: int = Field(validation_alias=AliasPath("comment", "id"))
    body: str = Field(validation_alias=AliasPath("comment", "body"))
    author: str = Field(validation_alias=AliasPath("comment", "user", "login"))
    author_type: str = Field(default="User", validation_alias=AliasPath("comment", "user", "type"))
    default_branch: str = Field(validation_alias=AliasPath("repository", "default_branch"))

    @property
    def is_command(self) -> bool:
        """True if it is meant as a command; bots can't give any."""
        is_new = self.action == "created" and self.author_type != "Bot"
        return is_new and self.pull_request is not None and self.body.split()[:1] == [_PREFIX]


class CommandResult(BaseModel):
    """Result of a comment.

    Attributes:
        preview: The pull request's preview.
        command: Name of the command; None where the comment is not one.
        message: The action that was started, for people.
    """

    model_config = ConfigDict(frozen=True)

    preview: Preview = Field(serialization_alias="number")
    command: str | None
    message: str


def parse(body: str) -> CommentCommand | None:
    """Return the command of a comment; None where no command has that name.

    The command is the first line, and all of it: a sentence about `/preview` is none.
    """
    first = body.strip().splitlines()[0].split() if body.strip() else []
    return next((command for command in COMMANDS if command.text.split() == first), None)


def run_comment_command(
    event: CommentEvent, *, github: GitHub, settings: Settings
) -> CommandResult:
    """Run the command of a comment, if its author is allowed to push to the repository.

    Args:
        event: The comment.
        github: The repository.
        settings: Names of the labels.

    Raises:
        PreviewsError: The author is not allowed to, there is no such command, the pull request
            is closed or gets no preview, or GitHub refuses.
    """
    preview = event.preview
    if not event.is_command:
        return CommandResult(preview=preview, command=None, message="the comment is no command")
    if github.people.permission(event.author) not in MAY_COMMAND:
        github.comments.react(event.comment, "-1")
        raise PreviewsError(
            "command-denied",
            f"{event.author}'s command on pull request {preview.number}",
            why="they may not push to this repository",
            remedy="ask somebody with write access to give the command.",
        )
    command = parse(event.body)
    if command is None:
        _refuse(
            github,
            event,
            PreviewsError(
                "command-unknown",
                f"command on pull request {preview.number}",
                why=f"there is no such command: {event.body.strip().splitlines()[0][:80]!r}",
                remedy=f"comment {usage()}.",
            ),
        )
    if command.needs_open:
        error = _error(github.pulls.read(preview.number), settings, command)
        if error is not None:
            _refuse(github, event, error)
    message = command.run(Request(github, settings, preview, event.default_branch))
    github.comments.react(event.comment, "rocket")
    return CommandResult(preview=preview, command=command.name, message=message)


def _error(pull: PullRequest, settings: Settings, command: CommentCommand) -> PreviewsError | None:
    """Return why a command can't be followed on a pull request as it is now."""
    what = f"pull request {pull.number}"
    if not pull.is_open:
        return PreviewsError(
            "command-closed",
            what,
            why="it is closed, and a closed pull request has no preview",
            remedy="reopen it first.",
        )
    if command.deploys:
        for obstacle in obstacles(pull, settings):
            return refusal(obstacle, what)
    return None


def _refuse(github: GitHub, event: CommentEvent, error: PreviewsError) -> NoReturn:
    """Answer a command that is not followed, whose author may give commands; raise the error."""
    github.comments.react(event.comment, "confused")
    answer = f"@{event.author} Nothing was done: {cell(error.why)}. What to do: {error.remedy}"
    github.comments.create(event.preview.number, answer)
    raise error
