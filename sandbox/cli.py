"""The command line: ``sandbox up | down | status | env | logs | reset | run | …``."""

from __future__ import annotations

import errno
import shlex
import subprocess
import sys
from contextlib import suppress
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from contract.preview import Preview, PreviewNumberError
from previews import output
from previews.clients import Clients
from previews.errors import PreviewsError
from sandbox import branches, environment, lifecycle, policies, psql, pull_request, show, staging
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
# Progress and errors go to stderr: stdout carries what a script reads.
console = Console(stderr=True, highlight=False)


def _preview(text: str) -> Preview:
    try:
        return Preview.parse(text)
    except PreviewNumberError as error:
        raise SandboxError(
            f"pull request {text!r}",
            why="expected its number, 1 to 999999999, without leading zeros",
            remedy="give it as in: sandbox preview 42.",
        ) from error


PreviewArgument = Annotated[
    Preview, typer.Argument(parser=_preview, metavar="N", help="Number of the pull request.")
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
    """What the lifecycle talks to, on a sandbox that runs."""
    variables = _stacks(settings, _up(settings)).environment
    return pull_request.clients(variables, mode, verbose=verbose)


@app.command("tools")
def make_tools(
    key: Annotated[
        bool, typer.Option("--cache-key", help="Only print the name of a cache with all of them.")
    ] = False,
    pin: Annotated[
        bool, typer.Option("--pin", help="Only pin the checksums of what is downloaded.")
    ] = False,
) -> None:
    """Make the tools that this machine lacks, without starting anything."""
    if key:
        typer.echo(cache_key())
        return
    if pin:
        released.pin(recipes.RELEASES)
        return
    settings = Settings()
    ensure(settings, console=console)
    Console().print(show.tools_table(tools_status(settings)))


@app.command()
def up() -> None:
    """Start the sandbox, building the tools that this machine lacks."""
    _up(Settings())


@app.command()
def down() -> None:
    """Stop everything. The state stays; `sandbox up` goes on from it."""
    stopped = lifecycle.stop(Settings())
    console.print("sandbox stopped; its state stays" if stopped else "sandbox was not running")


@app.command()
def status() -> None:
    """Show the sandbox's parts, and the stacks with their URLs."""
    settings = Settings()
    parts = read_status(settings) if is_running(settings) else []
    Console().print(show.parts_table(parts))
    stacks = Stacks({}, environment.backend_folder(settings))
    Console().print(show.stacks_table({name: stacks.outputs(name) for name in stacks.names()}))


@app.command()
def env() -> None:
    """Print shell exports: eval "$(sandbox env)", then plain pulumi, kubectl, aws, psql."""
    settings = Settings()
    tools = _up(settings)
    psql.write_services(settings)
    for name, value in environment.variables(settings, tools).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context) -> None:
    """Run a command in the sandbox's environment: sandbox run -- pulumi up -s pr-42."""
    if not context.args:
        raise SandboxError(
            "sandbox run",
            why="no command was given",
            remedy="put it behind two dashes: sandbox run -- pulumi up -s pr-42.",
        )
    settings = Settings()
    stacks = _stacks(settings, _up(settings))
    psql.write_services(settings)
    locks = pull_request.clients(stacks.environment).locks
    for stack in stacks.names():
        # One whose holder lives is for the command to meet.
        with suppress(PreviewsError):
            locks.break_stale(stack)
    code, _ = stacks.run(context.args)
    raise typer.Exit(code)


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="A part, as `sandbox status` names it.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
) -> None:
    """Show the last lines of one part's log, or list the logs."""
    settings = Settings()
    if not part:
        for file in sorted(settings.logs.glob("*.log")):
            typer.echo(f"{file.stem:<28} {file.stat().st_size / 1024:>9.0f} KiB")
        return
    path = settings.logs / f"{part}.log"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in settings.logs.glob("*.log"))) or "none yet"
        raise SandboxError(
            f"log of {part!r}", why="there is no such part", remedy=f"choose one of: {known}."
        )
    subprocess.run(["tail", "-n", "100", *(["-F"] if follow else []), str(path)], check=False)


@app.command()
def snapshot(
    instance: Annotated[str, typer.Argument(help="Stack whose database is snapshot.")] = "staging",
) -> None:
    """Take an automated snapshot now, as AWS does every night."""
    settings = Settings()
    _up(settings)
    typer.echo(take_automated_snapshot(settings, instance))


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop the sandbox and forget everything in it. The built tools stay."""
    settings = Settings()
    if not yes:
        typer.confirm(f"Remove {settings.home} with every database in it?", abort=True)
    lifecycle.forget(settings)
    console.print(f"{settings.home} is gone")


@app.command("staging")
def bring_staging_up() -> None:
    """Bring staging up, filled with data and snapshot; what is there stays as it is."""
    settings = Settings()
    staging.ensure(settings, _clients(settings), console)


@app.command()
def preview(
    number: PreviewArgument,
    database: Annotated[
        pull_request.Mode | None,
        typer.Option(help="Where its data comes from; without it as it is, or snapshot."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Deploy the working tree as a preview, and staging before it when it is not there yet."""
    settings = Settings()
    clients = _clients(settings, database, verbose=verbose)
    staging.ensure(settings, clients, console)
    if database is pull_request.Mode.BRANCH:
        branches.ensure(settings, clients, console)
    _print_url(pull_request.deploy(number, clients))


@app.command()
def push(number: PreviewArgument, verbose: Verbose = False) -> None:
    """Deploy the working tree to an existing preview."""
    settings = Settings()
    stacks = _stacks(settings, _up(settings))
    if not stacks.exists(number.name):
        raise SandboxError(
            number.name,
            why="there is no such preview to push to",
            remedy=f"deploy it first: make preview PR={number.number}.",
        )
    clients = pull_request.clients(stacks.environment, verbose=verbose)
    _print_url(pull_request.deploy(number, clients))


def _print_url(url: str) -> None:
    """Print the URL for scripts; on a terminal the summary has it already."""
    if not sys.stdout.isatty():
        typer.echo(url)


@app.command()
def destroy(number: PreviewArgument) -> None:
    """Remove a preview, and look whether anything of it is left."""
    pull_request.destroy(number, _clients(Settings()))


@app.command()
def policy() -> None:
    """Hold staging and the previews to infra/policies, by the real engine."""
    settings = Settings()
    stacks = _stacks(settings, _up(settings))
    policies.check(settings, stacks, pull_request.clients(stacks.environment), console)


def main() -> None:
    """Run the command line; a failure is one message with what to do, never a traceback."""
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
            "settings", why=wrong, remedy="unset the variable, or set it to what is expected."
        )
        show.failure(console, settings_error)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        full = SandboxError(
            f"disk of {error.filename or Settings().home}",
            why="it is full",
            remedy="free some space and run the same command again; nothing was lost.",
        )
        show.failure(console, full)
        sys.exit(1)


if __name__ == "__main__":
    main()
