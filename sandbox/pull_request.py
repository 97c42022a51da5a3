"""A pull request's preview on the sandbox: the same code as in CI, with output on the terminal."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from contract.preview import Preview
from previews.app import read_description
from previews.clients import Clients
from previews.lifecycle.app_tests import placeholder_values, require_passed, run_tests, way_to
from previews.lifecycle.label_config import DATABASE_MODE_LABELS
from previews.output import console
from previews.settings import Settings as PreviewsSettings
from sandbox.containers.build import check_dockerfile
from sandbox.containers.published import provide
from sandbox.containers.store import ImageStore
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from sandbox.settings import Settings


class Mode(StrEnum):
    """Source of the preview's data (``previews:database.mode``)."""

    SNAPSHOT = "snapshot"
    BRANCH = "branch"


_NEXT_COMMANDS = ("make push PR={number}{app}", "make status", "make destroy PR={number}{app}")


def check(settings: Settings) -> None:
    """Check the app's description and its Dockerfiles, before anything is made.

    Raises:
        PreviewsError: The description is missing or wrong.
        SandboxError: A Dockerfile can't be built here; has all that is wrong with it.
    """
    folder = PreviewsSettings.read(local=True).app_folder
    app = read_description(folder)
    problems = [
        (image.dockerfile, problem)
        for image in (app.image, *(web.image for web in app.web.values()))
        for problem in check_dockerfile(
            folder / image.context,
            folder / image.dockerfile,
            target=image.target,
            args=image.args,
            builder=settings.builder,
        )
    ]
    if problems:
        raise SandboxError(
            f"Dockerfile of {folder}",
            why="".join(
                f"\n  - {file}, line {problem.line}: {problem.why}" for file, problem in problems
            ),
            remedy="".join(f"\n  - {problem.remedy}" for _, problem in problems),
        )


def provide_needs(settings: Settings, clients: Clients, console: Console) -> None:
    """Make the images of what the app needs besides its database.

    Raises:
        PreviewsError: The app's description is missing or wrong.
        SandboxError: One can't be made.
    """
    store = ImageStore(settings.home / "images")
    provide(clients.app.needs.declared, store, settings, console)


def clients(
    variables: Mapping[str, str], mode: Mode | None = None, *, verbose: bool = False
) -> Clients:
    """Return the clients of the lifecycle: this sandbox, and the working tree as pull request.

    Args:
        variables: Result of ``sandbox.environment.variables``; they become variables of this
            process, since Pulumi and the clients of AWS and the cluster read them there.
        mode: The mode that the pull request's labels request.
        verbose: Whether Pulumi's output goes to the terminal and not to the log file.
    """
    os.environ.update(variables)
    labels = frozenset(label for label, value in DATABASE_MODE_LABELS.items() if value == mode)
    settings = PreviewsSettings.read(local=True, labels=labels)
    if verbose:
        settings = settings.model_copy(update={"pulumi_log": None})
    app = "" if settings.app is None else f" APP={settings.app}"
    commands = (command.replace("{app}", app) for command in _NEXT_COMMANDS)
    return Clients(settings, next_commands=tuple(commands))


def deploy(preview: Preview, clients: Clients) -> str:
    """Create the preview, or update it to the working tree.

    Returns:
        Its URL; the preview has passed the smoke test.

    Raises:
        PreviewsError: The deployment failed; the terminal shows the reason.
    """
    connect_to = os.environ["PREVIEWS_THROUGH"]
    presenter = clients.presenter(preview, connect_to=connect_to)
    pull = clients.pulls.read(preview.number)
    return clients.deployment(preview, pull, presenter, connect_to=connect_to).run(images=None).url


def test(preview: Preview, url: str, clients: Clients, machine: Mapping[str, str]) -> None:
    """Run the app's own tests against its preview, if it declares any.

    Args:
        preview: The preview.
        url: Its URL.
        clients: The clients of the lifecycle.
        machine: Environment of the person, without the sandbox's variables.

    Raises:
        PreviewsError: They failed; the preview stays up.
    """
    tests = clients.app.tests
    if tests is None:
        return
    commit = clients.pulls.read(preview.number).head_sha
    result = run_tests(
        tests,
        clients.settings.app_folder,
        placeholder_values(preview, url, commit),
        machine=machine,
        further=way_to(url, os.environ["PREVIEWS_THROUGH"]),
    )
    require_passed(result, preview)
    console.print(f"[green]✓[/] tests of {preview} {result.text()}")


def destroy(preview: Preview, clients: Clients) -> None:
    """Delete the preview, then check that nothing of it is left.

    Raises:
        PreviewsError: Pulumi fails, or another run holds the stack's lock.
        SandboxError: Something is left.
    """
    report = clients.destroy(preview, leftovers=False)
    if not report.complete:
        raise SandboxError(
            preview.name,
            why=f"left after its deletion: {', '.join(report.left)}",
            remedy=f"run `make destroy PR={preview.number}` again; delete by hand what is left"
            " then.",
        )
