"""Terminal output of the sandbox: progress, tables and failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox.errors import SandboxError
from sandbox.supervisor import ProcessState, ProcessStatus
from sandbox.tools import ToolStatus

_COLOURS = {
    ProcessState.READY: "green",
    ProcessState.STARTING: "yellow",
    ProcessState.WAITING: "dim",
    ProcessState.RESTARTING: "red",
    ProcessState.STOPPED: "dim",
}


@contextmanager
def starting(console: Console) -> Iterator[Callable[[Sequence[ProcessStatus]], None]]:
    """Show the start of the processes: live on a terminal, a line at the end elsewhere."""
    began = time.monotonic()
    with console.status("sandbox: starting") as line:

        def watch(processes: Sequence[ProcessStatus]) -> None:
            ready = sum(process.state is ProcessState.READY for process in processes)
            left = [
                process.name for process in processes if process.state is not ProcessState.READY
            ]
            line.update(
                f"sandbox: {ready} of {len(processes)} ready; waiting for {', '.join(left)}"
            )

        yield watch
    done(console, "sandbox", f"ready in {time.monotonic() - began:.1f} s")


def done(console: Console, what: str, detail: str) -> None:
    """Print one line for a finished step."""
    console.print(f"[green]✓[/] {escape(what):<10} {escape(detail)}")


def failure(console: Console, error: SandboxError) -> None:
    """Print a failure: the thing, the cause and the remedy."""
    console.print(f"[red]✗ {escape(error.what)}[/]: {escape(error.why)}", soft_wrap=True)
    console.print(f"  [bold]What to do:[/] {escape(error.remedy)}", soft_wrap=True)


def processes_table(processes: Sequence[ProcessStatus]) -> Table:
    """Return the sandbox's processes, one per row."""
    table = _table("Sandbox", "Process", "State", "PID", "Restarts", "Detail")
    for process in processes:
        state = f"[{_COLOURS[process.state]}]{process.state}[/]"
        pid, restarts = str(process.pid or ""), str(process.restarts or "")
        table.add_row(process.name, state, pid, restarts, escape(process.detail))
    if not processes:
        table.add_row("[dim]none[/]", "not running", "", "", "start it with `sandbox up`")
    return table


def tools_table(tools: Sequence[ToolStatus]) -> Table:
    """Return the tools that the sandbox runs, one per row."""
    table = _table("Tools", "Tool", "Version", "From", "Programs")
    for tool in tools:
        table.add_row(tool.name, tool.version, tool.source, ", ".join(tool.programs))
    return table


def stacks_table(outputs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the stacks with their outputs, one per row."""
    table = _table("Stacks", "Stack", "URL", "Commit", "Expires")
    for name, values in outputs.items():
        url, commit, expires = (str(values.get(key) or "") for key in ("url", "commit", "expires"))
        day, _, _ = expires.partition("T")
        table.add_row(name, url, commit[:7], day)
    if not outputs:
        table.add_row("[dim]none yet[/]", "create one with `sandbox preview 42`", "", "")
    return table


def _table(title: str, *headings: str) -> Table:
    """Return an empty table; only its last column is wrapped, so that names can be copied."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    return table
