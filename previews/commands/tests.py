"""`previews tests`: runs an app's own tests against its preview, and shows how they ended."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from contract.app.tests import EndToEndTests
from contract.preview import Preview
from previews.app import read_description
from previews.clients import Clients
from previews.commands._arguments import ConnectTo, PreviewArgument, this_run
from previews.errors import PreviewsError, UsageError, for_people
from previews.lifecycle.app_tests import (
    keep_report,
    placeholder_values,
    require_open,
    require_passed,
    run_tests,
    way_to,
    write_result,
)
from previews.output import AsJson, show
from previews.pull_request.tests_result import AppTestsResult, failed, read_result
from previews.settings import Settings


class Action(Enum):
    """An action on the tests."""

    RUN = "run"
    RECORD = "record"


def command(
    action: Annotated[
        Action, typer.Argument(help="Run them here, or record a result in the pull request.")
    ],
    preview: PreviewArgument,
    commit: Annotated[str, typer.Option(metavar="SHA", help="Commit whose tests they are.")],
    url: Annotated[str, typer.Option(metavar="URL", help="To run them: the preview's URL.")] = "",
    result: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with the result, which a run writes and a record reads."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="To run them: folder that gets a copy of their report."),
    ] = None,
    connect_to: ConnectTo = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests of preview.yaml against a preview, or record their result on GitHub.

    They are a pull request's code, so `run` needs no credential and passes on none: they get PATH,
    HOME, CI and the variables of preview.yaml. The result is data to `record`, which trusts
    nothing in it: it sets a commit status, and the section in the one comment.

    Example: previews tests run 42 --commit "$(git rev-parse HEAD)" --url https://pr-42.example.com

    Exits with 0 when they passed, or when the result is recorded, whatever it is; with 1 when not.
    """
    if action is Action.RUN:
        _run(preview, commit, url, result, report, connect_to, as_json=as_json)
    else:
        _record(preview, commit, result, as_json=as_json)


def _run(
    preview: Preview,
    commit: str,
    url: str,
    file: Path | None,
    report: Path | None,
    connect_to: str | None,
    *,
    as_json: bool,
) -> None:
    try:
        folder = Settings.read().app_folder
        tests, result = _run_described(preview, folder, commit, url, connect_to)
    except Exception as error:
        shown = for_people(f"tests of {preview}", error)
        if file is not None:
            write_result(file, failed(f"{shown.what}: {shown.why}"))
        raise
    # The result first: whatever the tests have left in the folder of their report, it counts.
    if file is not None:
        write_result(file, result)
    if report is not None:
        keep_report(tests, folder, report)
    show(result, f"tests of {preview}: {result.text()}", as_json=as_json)
    require_passed(result, preview)


def _run_described(
    preview: Preview, folder: Path, commit: str, url: str, connect_to: str | None
) -> tuple[EndToEndTests, AppTestsResult]:
    app = read_description(folder)
    tests = app.tests
    if tests is None:
        raise PreviewsError(
            "tests-undeclared",
            f"{folder}/preview.yaml",
            why="it declares no tests",
            remedy="write them, for example:\ntests:\n  command: npx playwright test",
        )
    if not url:
        raise UsageError(
            "tests-url",
            f"tests of {preview}",
            why="the preview's URL was not given",
            remedy="give it: --url https://pr-42.preview.example.com.",
        )
    require_open(url, app.service.health.ready, connect_to)
    result = run_tests(
        tests,
        folder,
        placeholder_values(preview, url, commit),
        further=way_to(url, connect_to),
    )
    return tests, result


def _record(preview: Preview, commit: str, file: Path | None, *, as_json: bool) -> None:
    result = failed("no file was named") if file is None else read_result(file)
    clients = Clients()
    presenter = clients.pull_request_presenter(preview, run_url=this_run())
    presenter.tested(commit, result)
    presenter.require_shown()
    show(result, f"tests of {preview}: {result.text()}", as_json=as_json)
