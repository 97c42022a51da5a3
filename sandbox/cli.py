"""The command line: ``sandbox preview N``, ``sandbox status``, ``sandbox down`` and the others."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from contract.preview import Preview, PreviewNumberError
from previews import output
from previews.clients import Clients
from previews.errors import PreviewsError
from sandbox import (
    branches,
    environment,
    lifecycle,
    policies,
    psql,
    pull_request,
    secrets,
    show,
    staging,
)
from sandbox.aws.client import take_automated_snapshot
from sandbox.errors import SandboxError
from sandbox.settings import Settings
from sandbox.stacks import Stacks
from sandbox.supervisor import is_running, read_status
from sandbox.tools import Tools, cache_key, ensure, recipes, released
from sandbox.tools import status as tools_status

app = typer.Typer(
    help="A cloud on one machine for the same Pulumi program: no AWS account, no Docker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
secret_app = typer.Typer(no_args_is_help=True, help="Secrets of the app in Secrets Manager.")
app.add_typer(secret_app, name="secret")
# Progress and errors go to stderr: stdout carries what a script reads.
console = Console(stderr=True, highlight=False)


def _number(text: str) -> int:
    try:
        return Preview.parse(text).number
    except PreviewNumberError as error:
        raise SandboxError(
            f"pull request {text!r}",
            why="expected its number, 1 to 999999999, without leading zeros",
            remedy="pass the number alone, for example: sandbox preview 42.",
        ) from error


PreviewArgument = Annotated[
    int, typer.Argument(parser=_number, metavar="N", help="Number of the pull request.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Show Pulumi's output, in place of `sandbox logs pulumi`.")
]


def _up(settings: Settings) -> Tools:
    tools = ensure(settings, console=console)
    with show.starting(console) as watch:
        lifecycle.start(settings, watch)
    return tools


def _stacks(settings: Settings, tools: Tools) -> Stacks:
    environment.prepare(settings)
    return Stacks(environment.variables(settings, tools), environment.backend_folder(settings))


def _clients(
    settings: Settings, mode: pull_request.Mode | None = None, *, verbose: bool = False
) -> Clients:
    """Start the sandbox, and return the clients that the lifecycle uses on it."""
    variables = _stacks(settings, _up(settings)).environment
    return pull_request.clients(variables, mode, verbose=verbose)


@app.callback()
def _callback(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--app",
            envvar="PREVIEWS_APP",
            help="Folder of the app with its preview.yaml; without it the sample app.",
        ),
    ] = None,
) -> None:
    """Remember the app, which each command reads with the other settings."""
    if folder is not None:
        os.environ["PREVIEWS_APP"] = str(folder.resolve())


@app.command()
def adopt(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", envvar="PREVIEWS_APP", help="Folder of the app; else that of --app."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Take every proposal, as without a terminal.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Write an app's files, migrate its staging, and draft scrub.yaml from that schema."""
    if folder is None:
        raise SandboxError(
            "sandbox adopt",
            why="no app was named",
            remedy="name its folder: make adopt APP=../orders.",
        )
    # No other command needs the readers of a repository, whose import takes a moment.
    from previews.commands.adopt import person_who_answers  # noqa: PLC0415
    from sandbox import adoption  # noqa: PLC0415

    settings = Settings()
    person = person_who_answers(yes=yes or not sys.stdin.isatty())
    adoption.adopt(
        settings,
        folder.resolve(),
        person,
        start=lambda: _clients(settings, verbose=verbose),
        deploy=lambda clients: _deploy_staging(settings, clients),
        console=console,
    )


@app.command()
def preview(
    number: PreviewArgument,
    database: Annotated[
        pull_request.Mode | None,
        typer.Option(help="Source of its data; by default unchanged, or snapshot if new."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Deploy a preview of the working tree, and run the tests that preview.yaml declares.

    Staging is deployed first if it is missing. Tests that fail leave the preview up, and the exit
    code is 1.
    """
    settings, machine = Settings(), dict(os.environ)
    pull_request.check(settings)
    staging.require_reviewed_rules(settings)
    clients = _clients(settings, database, verbose=verbose)
    _prepare(settings, clients)
    staging.ensure(settings, clients, console)
    if database is pull_request.Mode.BRANCH:
        branches.ensure(settings, clients, console)
    _deploy(clients.preview(number), clients, machine)


@app.command()
def push(number: PreviewArgument, verbose: Verbose = False) -> None:
    """Update an existing preview to the working tree, and run its tests as `preview` does."""
    settings, machine = Settings(), dict(os.environ)
    pull_request.check(settings)
    stacks = _stacks(settings, _up(settings))
    clients = pull_request.clients(stacks.environment, verbose=verbose)
    preview = clients.preview(number)
    if not stacks.exists(preview.stack):
        raise SandboxError(
            preview.name,
            why="the preview does not exist",
            remedy=f"create it first: make preview PR={number}.",
        )
    _prepare(settings, clients)
    _deploy(preview, clients, machine)


def _prepare(settings: Settings, clients: Clients) -> None:
    """Check that the app's secrets have values, and make the images of what it needs."""
    secrets.require(settings, clients)
    pull_request.provide_needs(settings, clients, console)


def _deploy(preview: Preview, clients: Clients, machine: Mapping[str, str]) -> None:
    url = pull_request.deploy(preview, clients)
    _print_url(url)
    pull_request.test(preview, url, clients, machine)


def _print_url(url: str) -> None:
    """Print the URL for scripts; on a terminal the summary has it already."""
    if not sys.stdout.isatty():
        typer.echo(url)


@app.command()
def destroy(number: PreviewArgument) -> None:
    """Delete a preview, and check that nothing of it is left."""
    clients = _clients(Settings())
    pull_request.destroy(clients.preview(number), clients)


@app.command()
def status() -> None:
    """Show the sandbox's processes, and the stacks with their URLs."""
    settings = Settings()
    processes = read_status(settings) if is_running(settings) else []
    Console().print(show.processes_table(processes))
    stacks = Stacks({}, environment.backend_folder(settings))
    Console().print(
        show.stacks_table({stack.name: stacks.outputs(stack) for stack in stacks.all()})
    )


@app.command()
def logs(
    process: Annotated[str, typer.Argument(help="Name of a process in `sandbox status`.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines, too.")] = False,
) -> None:
    """Print the last 100 lines of a process's log, or list all logs."""
    settings = Settings()
    if not process:
        for file in sorted(settings.logs.glob("*.log")):
            typer.echo(f"{file.stem:<28} {file.stat().st_size / 1024:>9.0f} KiB")
        return
    path = settings.logs / f"{process}.log"
    if not path.exists():
        names = ", ".join(sorted(file.stem for file in settings.logs.glob("*.log"))) or "none yet"
        raise SandboxError(
            f"log of {process!r}", why="no process has that name", remedy=f"choose one of: {names}."
        )
    subprocess.run(["tail", "-n", "100", *(["-F"] if follow else []), str(path)], check=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context) -> None:
    """Run a command in the sandbox's environment: sandbox run -- kubectl get pods."""
    if not context.args:
        raise SandboxError(
            "sandbox run",
            why="no command was given",
            remedy="write it after two dashes: sandbox run -- pulumi up -s pr-42.",
        )
    settings = Settings()
    stacks = _stacks(settings, _up(settings))
    psql.write_services(settings)
    clients = pull_request.clients(stacks.environment)
    for stack in stacks.all():
        # A lock whose owner still runs stays; the command then reports it.
        with suppress(PreviewsError):
            if stack.app == clients.settings.app_name:
                clients.locks.break_stale(stack.value)
    code, _ = stacks.run(context.args)
    raise typer.Exit(code)


@app.command()
def env() -> None:
    """Print shell exports for plain pulumi, kubectl, aws and psql: eval "$(sandbox env)"."""
    settings = Settings()
    tools = _up(settings)
    psql.write_services(settings)
    for name, value in environment.variables(settings, tools).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def up() -> None:
    """Start the sandbox; tools that this machine lacks are downloaded or built first."""
    _up(Settings())


@app.command()
def down() -> None:
    """Stop the sandbox. Its state is kept; `sandbox up` starts from it."""
    stopped = lifecycle.stop(Settings())
    console.print("sandbox stopped; its state is kept" if stopped else "sandbox was not running")


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Stop the sandbox and delete all its state. The built tools are kept."""
    settings = Settings()
    if not yes:
        typer.confirm(f"Delete {settings.home} with every database in it?", abort=True)
    lifecycle.reset(settings)
    console.print(f"{settings.home} is deleted")


@app.command("staging")
def deploy_staging() -> None:
    """Deploy the working tree to staging; a new one gets generated rows and a snapshot."""
    settings = Settings()
    _deploy_staging(settings, _clients(settings))


def _deploy_staging(settings: Settings, clients: Clients) -> None:
    _prepare(settings, clients)
    staging.update(settings, clients, console)


@app.command()
def snapshot(
    instance: Annotated[str, typer.Argument(help="Stack of the database.")] = "staging",
) -> None:
    """Take an automated snapshot of a database now, as AWS does every night."""
    settings = Settings()
    _up(settings)
    typer.echo(take_automated_snapshot(settings, instance))


@secret_app.command("set")
def set_secret(
    name: Annotated[str, typer.Argument(help="Its name in preview.yaml: stripe-test-key.")],
) -> None:
    """Set a secret that preview.yaml names; its value is asked for, or read from stdin."""
    settings = Settings()
    secrets.store(settings, _clients(settings), name)
    console.print(f"{name} is set")


@app.command()
def policy() -> None:
    """Check staging and the previews against infra/policies, with Pulumi's engine."""
    settings = Settings()
    stacks = _stacks(settings, _up(settings))
    policies.check(settings, stacks, pull_request.clients(stacks.environment), console)


@app.command("tools")
def make_tools(
    key: Annotated[
        bool,
        typer.Option("--cache-key", help="Only print the name of a CI cache of all tools."),
    ] = False,
    pin: Annotated[
        bool,
        typer.Option("--pin", help="Only pin the publishers' checksums of downloads."),
    ] = False,
) -> None:
    """Download or build the tools that this machine lacks, and list all of them."""
    if key:
        typer.echo(cache_key())
        return
    if pin:
        released.pin(recipes.RELEASES)
        return
    settings = Settings()
    ensure(settings, console=console)
    Console().print(show.tools_table(tools_status(settings)))


def main() -> None:
    """Run the command line; a failure is one message with a remedy, never a traceback."""
    try:
        app()
    except SandboxError as error:
        show.failure(console, error)
        sys.exit(1)
    except PreviewsError as error:
        output.failure(error)
        sys.exit(1)
    except ValidationError as error:
        wrong = "; ".join(
            f"SANDBOX_{e['loc'][0]}".upper() + f": {e['msg']}" for e in error.errors()
        )
        settings_error = SandboxError(
            "settings", why=wrong, remedy="unset the variable, or set it to a valid value."
        )
        show.failure(console, settings_error)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        full = SandboxError(
            f"disk of {error.filename or Settings().home}",
            why="it is full",
            remedy="free some space, then run the same command again; nothing was lost.",
        )
        show.failure(console, full)
        sys.exit(1)


if __name__ == "__main__":
    main()
