"""What people see of the sandbox: progress, tables and failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox.errors import SandboxError
from sandbox.supervisor import PartStatus, State
from sandbox.tools import ToolStatus

_COLOURS = {
    State.READY: "green",
    State.STARTING: "yellow",
    State.WAITING: "dim",
    State.RESTARTING: "red",
    State.STOPPED: "dim",
}


@contextmanager
def starting(console: Console) -> Iterator[Callable[[Sequence[PartStatus]], None]]:
    """Show the parts as they come up: live on a terminal, a line at the end elsewhere."""
    began = time.monotonic()
    with console.status("sandbox: starting") as line:

        def watch(parts: Sequence[PartStatus]) -> None:
            ready = sum(part.state is State.READY for part in parts)
            left = [part.name for part in parts if part.state is not State.READY]
            line.update(f"sandbox: {ready} of {len(parts)} parts ready; left: {', '.join(left)}")

        yield watch
    done(console, "sandbox", f"ready in {time.monotonic() - began:.1f} s")


def done(console: Console, what: str, detail: str) -> None:
    """One line for a step that is finished."""
    console.print(f"[green]✓[/] {escape(what):<10} {escape(detail)}")


def failure(console: Console, error: SandboxError) -> None:
    """A failure: the thing, why, and what to do."""
    console.print(f"[red]✗ {escape(error.what)}[/]: {escape(error.why)}", soft_wrap=True)
    console.print(f"  [bold]What to do:[/] {escape(error.remedy)}", soft_wrap=True)


def parts_table(parts: Sequence[PartStatus]) -> Table:
    """Return the sandbox's parts, a row each."""
    table = _table("Sandbox", "Part", "State", "Pid", "Restarts", "Detail")
    for part in parts:
        state = f"[{_COLOURS[part.state]}]{part.state}[/]"
        pid, restarts = str(part.pid or ""), str(part.restarts or "")
        table.add_row(part.name, state, pid, restarts, escape(part.detail))
    if not parts:
        table.add_row("", "[dim]not running[/]", "", "", "start it with `sandbox up`")
    return table


def tools_table(tools: Sequence[ToolStatus]) -> Table:
    """Return the tools that the sandbox runs, a row each."""
    table = _table("Tools", "Tool", "Version", "From", "Programs")
    for tool in tools:
        table.add_row(tool.name, tool.version, tool.source, ", ".join(tool.programs))
    return table


def stacks_table(outputs: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the stacks with their outputs, a row each."""
    table = _table("Stacks", "Stack", "URL", "Commit", "Expires")
    for column in table.columns[:2]:
        column.no_wrap = True  # Both are there to be copied.
    for name, values in outputs.items():
        url, commit, expires = (str(values.get(key) or "") for key in ("url", "commit", "expires"))
        day, _, _ = expires.partition("T")
        table.add_row(name, url, commit[:7], day)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
