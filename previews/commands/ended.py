"""`previews ended`: shows in the pull request how a run ended that could not say so itself."""

from __future__ import annotations

from typing import Annotated

import typer

from previews.clients import Clients
from previews.commands._arguments import PreviewArgument, this_run
from previews.lifecycle.ended import Result, report_end
from previews.output import AsJson, show


def _result_of(text: str) -> tuple[str, Result]:
    name, _, result = text.partition("=")
    if not name or result not in set(Result):
        results = ", ".join(Result)
        msg = f"expected NAME=RESULT, as in build=failure; a result is one of {results}"
        raise typer.BadParameter(msg, param_hint="--job")
    return name, Result(result)


def command(
    preview: PreviewArgument,
    jobs: Annotated[
        list[str],
        typer.Option(
            "--job",
            metavar="NAME=RESULT",
            help="A job of the run and its result; give each of them.",
        ),
    ],
    commit: Annotated[
        str,
        typer.Option(
            metavar="SHA",
            help="The commit that was to be deployed; without one, or empty, the newest.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show that a run failed or was cancelled, in comment, commit status and deployment.

    `previews decide` and `previews up` report their own failures, and what they reported stays.
    This is for a build that fails, and for what ends those two: a cancelled run, a time limit, a
    runner that is lost.

    Example: previews ended 42 --commit 0123… --job build=failure --job deploy=skipped

    Exits with 0 when it is shown, or was before; with 1 when GitHub does not answer.
    """
    clients = Clients()
    run = this_run()
    report = report_end(
        preview,
        commit,
        dict(map(_result_of, jobs)),
        github=clients.github,
        settings=clients.settings,
        presenter=clients.pull_request_presenter(preview, run_url=run),
        run=run,
    )
    show(report, report.text(), as_json=as_json)
