"""`previews up`: deploys a pull request's preview, and shows the progress there."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contract.preview import Preview
from previews import output
from previews.clients import Clients
from previews.commands._arguments import (
    ConnectTo,
    OutputsFile,
    PreviewArgument,
    this_run,
    write_outputs,
)
from previews.commands._preflight import require_room
from previews.errors import PreviewsError, UsageError
from previews.github.pulls import PullRequest
from previews.lifecycle.approval import require_approval
from previews.lifecycle.deploy import DeployReport, OutdatedError
from previews.lifecycle.image_archives import Images, push_images
from previews.lifecycle.triggers import INFRA_LABEL, MANUAL, Action, Event, decide
from previews.output import AsJson, show
from previews.pull_request.github_presenter import PullRequestPresenter

_Commit = Annotated[
    str | None,
    typer.Option(
        metavar="SHA", help="With --images: the commit that they were built from, in full."
    ),
]
_Images = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder with the images as OCI archives, app.tar and web-<name>.tar; without it the"
        " program builds them from the checkout.",
    ),
]
_Digests = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help="With --images: SHA-256 of each archive by its name, as the job printed them that"
        ' built it: {"app.tar": "0123…"}.',
    ),
]
_DIGESTS = TypeAdapter(dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]])


class SkipReport(BaseModel):
    """A commit that is not deployed any more.

    Attributes:
        stack: Name of the preview.
        commit: The commit.
        skipped: Why it is not deployed.
    """

    model_config = ConfigDict(frozen=True)

    stack: str
    commit: str
    skipped: str

    def text(self) -> str:
        """Return the report for people."""
        return f"{self.stack} at {self.commit[:12]} is not deployed: {self.skipped}"


def command(
    preview: PreviewArgument,
    commit: _Commit = None,
    images: _Images = None,
    digests: _Digests = None,
    connect_to: ConnectTo = None,
    outputs: OutputsFile = None,
    as_json: AsJson = False,
) -> None:
    """Deploy a preview: `pulumi up`, a smoke test, and one comment with the progress.

    With --images nothing of the pull request is checked out: its preview.yaml is read from GitHub,
    and its images come from a job without credentials, which --digests tells from any other's.
    Unless the pull request is still to be
    deployed at that commit, nothing is done. The checks of `previews preflight` are made before.

    When it fails, the comment has the failure report, so that nobody needs access to the cluster.

    Example: previews up 42 --commit "$SHA" --images images --digests "$DIGESTS"

    Exits with 0 when it is up and passed its smoke test, or when the commit is not to be deployed
    any more; with 3 when there is no room now, with 1 when it failed.
    """
    if len({commit is None, images is None, digests is None}) > 1:
        msg = "--commit, --images and --digests belong together"
        raise typer.BadParameter(msg)
    built = {} if digests is None else _read_digests(digests)
    clients = Clients()
    if commit is None or images is None:
        _require_own_program(clients)
        _deploy_checkout(clients, preview, connect_to, outputs, as_json=as_json)
        return
    pull = clients.github.pulls.read(preview.number)
    presenter = clients.pull_request_presenter(preview, run_url=this_run())
    delivery = _Delivery(clients, preview, pull, presenter, commit, images, built)
    try:
        report, pushed, tests = delivery.deploy(connect_to)
    except OutdatedError as reason:
        presenter.outdated(commit, str(reason))
        write_outputs(outputs, {"skipped": "true"})
        skip = SkipReport(stack=preview.name, commit=commit, skipped=str(reason))
        show(skip, skip.text(), as_json=as_json)
        return
    write_outputs(
        outputs,
        {
            "url": report.url,
            "tests": str(tests).lower(),
            "image": pushed.own,
            "images": json.dumps(pushed.all()),
            "skipped": "false",
        },
    )
    show(report, report.text(), as_json=as_json)


def _read_digests(text: str) -> dict[str, str]:
    try:
        return _DIGESTS.validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        msg = f'expected JSON as {{"app.tar": "<64 hexadecimal digits>"}}; {where}: {first["msg"]}'
        raise typer.BadParameter(msg, param_hint="--digests") from error


def _require_own_program(clients: Clients) -> None:
    """Check that no pull request's program is run by hand; a sandbox is its person's own."""
    if clients.settings.program is not None and not clients.settings.local:
        raise UsageError(
            "program-checkout",
            "PREVIEWS_PROGRAM",
            why="a pull request's own program is deployed by a run of its workflow alone, which a"
            " second person approves",
            remedy="give the pull request the label preview-infra, or try it on a sandbox.",
        )


def _deploy_checkout(
    clients: Clients,
    preview: Preview,
    connect_to: str | None,
    outputs: Path | None,
    *,
    as_json: bool,
) -> None:
    """Deploy what is checked out, by the images that the program builds."""
    pull = clients.pulls.read(preview.number)
    if not pull.is_open:
        raise PreviewsError(
            "pull-request-closed",
            f"pull request {preview.number}",
            why="it is closed, and a closed pull request has no preview",
            remedy="reopen it first; to remove what is left of its preview: previews destroy N.",
        )
    presenter = clients.presenter(preview, run_url=this_run(), connect_to=connect_to)
    deployment = clients.deployment(preview, pull, presenter, connect_to=connect_to)
    report = deployment.run(images=None)
    write_outputs(outputs, {"url": report.url})
    show(report, report.text(), as_json=as_json)


def _reason_to_skip(
    clients: Clients, preview: Preview, pull: PullRequest, commit: str
) -> str | None:
    """Decide again: the run may have waited, and the first decision may be out of date.

    A pull request's own program is deployed as long as its label says so.
    """
    decision = decide(Event(action=MANUAL, preview=preview), pull, clients.settings)
    if decision.action is not Action.UP:
        return decision.reason
    if decision.sha != commit:
        return f"{decision.sha[:12]} is the newest commit, which has its own run"
    if clients.settings.program is not None and INFRA_LABEL not in pull.labels:
        return f"no label {INFRA_LABEL!r}"
    return None


class _Delivery:
    """Deployment of a commit that is not checked out, by images that another job built."""

    def __init__(
        self,
        clients: Clients,
        preview: Preview,
        pull: PullRequest,
        presenter: PullRequestPresenter,
        commit: str,
        images: Path,
        digests: dict[str, str],
    ) -> None:
        self._clients = clients
        self._preview = preview
        self._pull = pull
        self._presenter = presenter
        self._commit = commit
        self._images = images
        self._digests = digests

    def deploy(self, connect_to: str | None) -> tuple[DeployReport, Images, bool]:
        """Check what it needs, push the images and deploy; returns whether tests follow, too.

        Raises:
            OutdatedError: The commit is not to be deployed any more.
        """
        skipped = _reason_to_skip(self._clients, self._preview, self._pull, self._commit)
        if skipped is not None:
            raise OutdatedError(skipped)
        with TemporaryDirectory(prefix="previews-app-") as root:
            with self._presenter.failures_shown(self._commit):
                self._require_approval()
                files = self._clients.app_files(self._commit, Path(root))
                clients, config = self._clients.fetched(files)
            require_room(
                clients,
                self._preview,
                show=lambda report: output.console.print(report.text(), soft_wrap=True),
                on_failure=partial(self._presenter.stopped_at, self._commit),
            )
            tests_follow = clients.app.tests is not None
            deployment = clients.deployment(
                self._preview,
                self._pull,
                self._presenter,
                connect_to=connect_to,
                tests_follow=tests_follow,
                config=config,
                outdated=self._outdated,
            )
            pushed = cache(partial(self._push, clients))
            return deployment.run(images=pushed), pushed(), tests_follow

    def _outdated(self) -> str | None:
        """Read the pull request again; what came before has taken minutes."""
        pull = self._clients.github.pulls.read(self._preview.number)
        return _reason_to_skip(self._clients, self._preview, pull, self._commit)

    def _require_approval(self) -> None:
        """Check before anything is done that a changed program is approved."""
        clients = self._clients
        if clients.settings.program is not None:
            require_approval(
                self._pull, self._commit, github=clients.github, settings=clients.settings
            )

    def _push(self, clients: Clients) -> Images:
        return push_images(
            self._images,
            clients.app,
            digests=self._digests,
            preview=self._preview,
            commit=self._commit,
            repository=clients.platform.images.repository_url,
            settings=clients.settings,
        )
