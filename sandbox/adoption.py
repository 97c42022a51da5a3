"""Adoption of an app on the sandbox: its files, with scrub.yaml from a migrated database.

The database is that of the app's own staging, which stands before any rule was reviewed: nothing
of it is scrubbed, and no preview gets a copy of it as long as its rules are a draft.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from previews.adoption import adopting
from previews.adoption.migrated_schema import schema_of_database
from previews.adoption.scrub_file import open_rules, scrub_path
from previews.adoption.workflow import own_platform
from previews.errors import PreviewsError
from previews.output import show
from previews.settings import PROJECT_ROOT
from sandbox import filling, pull_request, staging
from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from contract.schema import DatabaseSchema
    from contract.stack_name import StackName
    from previews.clients import Clients
    from sandbox.settings import Settings


def adopt(
    settings: Settings,
    folder: Path,
    person: adopting.Person,
    start: Callable[[], Clients],
    deploy: Callable[[Clients], None],
    console: Console,
) -> None:
    """Write an app's files, migrate a database of it, and draft its scrub.yaml from that.

    Each step may be repeated, and an interrupted run is continued by the next one.

    Args:
        settings: The sandbox.
        folder: The app's folder, or one above it.
        person: Answers what the repository doesn't.
        start: Starts the sandbox, and returns the clients for the app.
        deploy: Deploys the app's staging, as `sandbox staging` does.
        console: The terminal.

    Raises:
        SandboxError: The app can't be built, migrated or filled here, or has no table.
        PreviewsError: The repository lacks what a preview needs, or its staging doesn't come up.
    """
    adopted = adopting.adopt(folder, person, own_platform(PROJECT_ROOT))
    show(adopted, adopted.text(), as_json=False)
    os.environ["PREVIEWS_APP"] = adopted.folder
    pull_request.check(settings)
    clients = start()
    stack = staging.stack_of(clients)
    failure = _migrate(settings, clients, deploy)
    drafted = adopting.draft_scrub(Path(adopted.folder), _schema(settings, stack))
    show(drafted, drafted.text(), as_json=False)
    if failure is not None:
        # Its schema is migrated, so the rules can be reviewed while the service is mended.
        raise failure
    for number, step in enumerate(_next_steps(settings, clients), 1):
        console.print(f"  {number}. {escape(step)}", soft_wrap=True)


def _migrate(
    settings: Settings, clients: Clients, deploy: Callable[[Clients], None]
) -> SandboxError | PreviewsError | None:
    """Bring the app's staging up; returns a failure that came after its migrations."""
    try:
        deploy(clients)
    except (SandboxError, PreviewsError) as error:
        if filling.is_migrated(settings, staging.stack_of(clients)):
            return error
        raise
    return None


def _schema(settings: Settings, stack: StackName) -> DatabaseSchema:
    schema = schema_of_database(
        {f"DATABASE_{key.upper()}": value for key, value in filling.login(settings, stack).items()}
    )
    if schema.tables:
        return schema
    # The next run fills it, by what the remedy lets the app name.
    staging.forget_data(settings, stack)
    raise SandboxError(
        f"database of {stack}",
        why="it has no table, so there is nothing to draft scrub.yaml from",
        remedy="set `database.migrate` in preview.yaml, or `sandbox.staging.sql` to a file that"
        " creates the tables, then run the command again.",
    )


def _next_steps(settings: Settings, clients: Clients) -> list[str]:
    folder = clients.settings.app_folder
    path = scrub_path(folder)
    count = open_rules(path.read_text())
    steps: list[str] = []
    if count is not None:
        steps.append(
            f"check every line of {path}"
            + (f", of which {count} are `how: review`" if count else "")
            + ", and remove `reviewed: false`"
        )
    if staging.published_rules(settings, clients.settings) is not None:
        steps.append(f"make staging APP={folder}")
    return [*steps, f"make preview PR=1 APP={folder}"]
