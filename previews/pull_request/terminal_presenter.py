"""Shows a preview on a terminal, where there is no pull request to show it in."""

from __future__ import annotations

import atexit
from datetime import UTC, datetime
from textwrap import indent
from typing import TYPE_CHECKING

import httpx
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from previews import output
from previews.diagnosis.migration_report import markdown
from previews.pull_request.comment import details
from previews.pulumi.progress import State, Step, StepState
from previews.reporting.wording import age, duration, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from previews.diagnosis.failure_report import FailureReport
    from previews.diagnosis.hook_logs import HookRun
    from previews.errors import PreviewsError
    from previews.lifecycle.destroy import DestroyReport
    from previews.pull_request.presenter import DeployedPreview, DeployFailure
    from previews.reporting.preview_summary import PreviewSummary

_SIGNS = {
    State.WAITING: " ",
    State.DONE: "[green]✓[/]",
    State.SAME: "[dim]=[/]",
    State.FAILED: "[red]✗[/]",
}
# The last lines have these.
_SHOWN_LAST = frozenset({"Commit", "Data", "Took"})
_SHORT_COMMIT = 12


class TerminalPresenter:
    """Presenter of one preview on the terminal: its steps, then a summary."""

    def __init__(
        self,
        stack: str,
        *,
        connect_to: str | None = None,
        pulumi_log: Path | None = None,
        next_commands: Sequence[str] = (),
    ) -> None:
        """Show nothing until a deployment begins or a preview is removed.

        Args:
            stack: Name of the preview, or of another stack.
            connect_to: URL to connect to where a client doesn't resolve the preview's host name.
            pulumi_log: File with Pulumi's output; None where the terminal shows that.
            next_commands: Commands to show in the end.
        """
        self._stack = stack
        self._connect_to = connect_to
        self._pulumi_log = pulumi_log
        self._next_commands = next_commands
        self._console = output.console
        self._live: Live | None = None
        self._begun: set[str] = set()
        self._spinner = Spinner("dots", style="cyan")

    def begin(self, commit: str) -> None:
        """Begin the list of steps."""
        output.progress(f"{self._stack}: deploying {commit}")

    def working(self, states: Sequence[StepState]) -> None:
        """Show the steps: in place on a terminal, else a line as each begins."""
        # Pulumi's own output on the same terminal would overwrite steps that are shown in place.
        if self._console.is_terminal and self._pulumi_log is not None:
            self._show(_steps(states, self._spinner))
            return
        for state in states:
            if state.state is State.RUNNING and state.step not in self._begun:
                self._begun.add(state.step)
                output.progress(f"{self._stack}: {state.step}")

    def up(self, deployed: DeployedPreview) -> None:
        """Show the details; the last lines have the URL, the source and the next commands."""
        self.end()
        took = "" if deployed.seconds is None else f" after {duration(deployed.seconds)}"
        self._console.print(f"[green]✓[/] [bold]{self._stack}[/] is up{took}")
        rows = details(deployed, now=datetime.now(UTC))
        self._console.print(_indented(_grid(row for row in rows if row[0] not in _SHOWN_LAST)))
        if deployed.migration is not None and deployed.migration.report is not None:
            # Its tables alone need it, and few migrations have a step.
            from rich.markdown import Markdown

            self._console.print(_indented(Markdown(markdown(deployed.migration.report))))
        for hook in deployed.hooks:
            self._hook(hook)
        self._console.print()
        for line in self._last_lines(deployed.summary):
            # A line that is longer than the terminal is wide stays whole, to be copied.
            self._console.print(line, soft_wrap=True)

    def _last_lines(self, summary: PreviewSummary) -> Iterable[str]:
        yield f"  [bold]{escape(summary.url)}[/]"
        if self._connect_to is not None:
            host = httpx.URL(summary.url).netloc.decode()
            yield f"  [dim]or:[/] curl -H 'Host: {escape(host)}' {escape(self._connect_to)}/"
        yield f"  made from commit {escape(summary.commit[:_SHORT_COMMIT])}"
        if summary.snapshot:
            taken = summary.snapshot_created
            old = f", {age(taken, datetime.now(UTC))} old" if taken else ""
            yield f"  and snapshot {escape(summary.snapshot)}{old}"
        for place, command in enumerate(self._next_commands):
            yield f"  {'next:' if place == 0 else '':<5} {escape(command)}"

    def failed(self, failure: DeployFailure) -> None:
        """Show the failure report; cause and remedy are the command's own message of failure."""
        self.end()
        self._console.print(_steps(failure.states, self._spinner))
        for heading, text in _sections(failure.report):
            self._console.print(f"[bold]{escape(heading)}[/]", soft_wrap=True)
            # Logs are kept as they are: folded, they could not be searched.
            self._console.print(indent(text, "  "), soft_wrap=True, markup=False)
        if failure.still:
            commit = failure.still[:_SHORT_COMMIT]
            self._console.print(f"The earlier version {commit} is still served.")
        if self._pulumi_log is not None:
            log = f"Pulumi's whole output: {self._pulumi_log}"
            self._console.print(log, soft_wrap=True, markup=False)

    def stopped(self, error: PreviewsError) -> None:
        """End the list of steps: the command's own message has the error."""
        del error
        self.end()

    def removed(self, report: DestroyReport) -> None:
        """Show that nothing is left; the command's own message has what is left."""
        for holder in report.unlocked:
            output.progress(f"lock broken: {holder}")
        if report.hook is not None:
            self._hook(report.hook)
        if report.complete:
            self._console.print(
                f"[green]✓[/] [bold]{self._stack}[/] is gone: {len(report.deleted)} resources"
                f" deleted in {duration(report.seconds)}, and nothing is left in"
                f" {', '.join(report.looked_in)}"
            )

    def not_removed(self, error: PreviewsError) -> None:
        """Show nothing: the command's own message has the error."""

    def _hook(self, hook: HookRun) -> None:
        """Show a hook's result and the end of its log."""
        lines = [f"hook {hook.hook} {hook.result}", *(f"  {line}" for line in hook.log)]
        for line in lines:
            self._console.print(f"  {line}", soft_wrap=True, markup=False)

    def _show(self, steps: RenderableType) -> None:
        if self._live is None:
            self._live = Live(steps, console=self._console, refresh_per_second=8)
            self._live.start()
            # However the command ends, the cursor is shown again.
            atexit.register(self._live.stop)
        self._live.update(steps)

    def end(self) -> None:
        """End the list of steps, as it is."""
        if self._live is not None:
            self._live.stop()
            atexit.unregister(self._live.stop)
            self._live = None


def _steps(states: Sequence[StepState], spinner: Spinner) -> Table:
    """Lay out a row for each step; the last message of its resource is cut where the line ends."""
    grid = Table.grid(padding=(0, 1), expand=True)
    # A long message takes no room of the others.
    grid.add_column(width=1)
    grid.add_column(width=max(map(len, Step)))
    grid.add_column(width=len("59 min 59 s"), justify="right")
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis", style="dim")
    for state in states:
        running = state.state is State.RUNNING
        grid.add_row(
            spinner if running else _SIGNS[state.state],
            Text(state.step, style="dim" if state.state is State.WAITING else ""),
            "" if state.seconds is None else duration(state.seconds),
            Text(" ".join(state.detail.split())),
        )
    return grid


def _grid(rows: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(name, Text(plain(text)))
    return grid


def _sections(report: FailureReport) -> Iterable[tuple[str, str]]:
    """Yield each part of a failure report under its heading."""
    for one in report.failed:
        about = f"{one.name} ({one.type.rpartition(':')[2]})" if one.name else "Pulumi"
        yield about, one.message or "no output"
    for container in report.diagnostics.containers:
        name = f"{container.pod} / {container.container}".rstrip(" /")
        yield f"{name}: {container.reason}", "\n".join(container.log) or "its log is empty"
    if report.diagnostics.events:
        yield "Warnings in the cluster", "\n".join(report.diagnostics.events)
    if report.diagnostics.missing:
        yield "The cluster", report.diagnostics.missing


def _indented(content: RenderableType) -> Padding:
    return Padding(content, (0, 0, 0, 2))
