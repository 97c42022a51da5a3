"""Shows on a terminal what becomes of a preview, where there is no pull request to show it in."""

from __future__ import annotations

import atexit
from datetime import UTC, datetime
from textwrap import indent
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from previews import output
from previews.diagnosis.migration_report import markdown
from previews.pull_request.comment import summary
from previews.pulumi.progress import State, Step, StepState
from previews.reporting.wording import duration, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from previews.diagnosis.failure_report import Autopsy
    from previews.errors import PreviewsError
    from previews.lifecycle.destroy import Receipt
    from previews.pull_request.presenter import Arrival, Failure

_SIGNS = {
    State.WAITING: " ",
    State.DONE: "[green]✓[/]",
    State.SAME: "[dim]=[/]",
    State.FAILED: "[red]✗[/]",
}


class TerminalPresenter:
    """One preview on the terminal: its steps while it comes up, then what there is to say."""

    def __init__(self, stack: str) -> None:
        """Show nothing yet.

        Args:
            stack: The preview.
        """
        self._stack = stack
        self._console = output.console
        self._live: Live | None = None
        self._begun: set[str] = set()
        self._spinner = Spinner("dots", style="cyan")

    def begin(self, commit: str) -> None:
        """Begin the list of steps."""
        output.progress(f"{self._stack}: {commit} is brought up")

    def working(self, states: Sequence[StepState]) -> None:
        """Show the steps: in place on a terminal, elsewhere a line as each begins."""
        if self._console.is_terminal:
            self._show(_steps(states, self._spinner))
            return
        for state in states:
            if state.state is State.RUNNING and state.step not in self._begun:
                self._begun.add(state.step)
                output.progress(f"{self._stack}: {state.step}")

    def up(self, arrival: Arrival) -> None:
        """Show what there is to say of the preview."""
        self.end()
        took = "" if arrival.seconds is None else f" after {duration(arrival.seconds)}"
        self._console.print(f"[green]✓[/] [bold]{self._stack}[/] is up{took}")
        rows = [row for row in summary(arrival, now=datetime.now(UTC)) if row[0] != "Took"]
        self._console.print(_indented(_grid(rows)))
        if arrival.migration is not None and arrival.migration.report is not None:
            # Its tables alone need it, and few migrations have a step.
            from rich.markdown import Markdown

            self._console.print(_indented(Markdown(markdown(arrival.migration.report))))

    def failed(self, failure: Failure) -> None:
        """Show what was found; what it comes to is the command's own message of failure."""
        self.end()
        self._console.print(_steps(failure.states, self._spinner))
        for heading, text in _evidence(failure.autopsy):
            self._console.print(f"[bold]{escape(heading)}[/]", soft_wrap=True)
            # Logs are kept as they are: folded, they could not be searched.
            self._console.print(indent(text, "  "), soft_wrap=True, markup=False)
        if failure.still:
            self._console.print(f"The version before, {failure.still[:12]}, is still served.")

    def stopped(self, error: PreviewsError) -> None:
        """End the list of steps: the command's own message says what stopped it."""
        del error
        self.end()

    def removed(self, receipt: Receipt) -> None:
        """Show that nothing is left; what is left, the command's own message names."""
        for holder in receipt.unlocked:
            output.progress(f"{holder}: its lock was broken")
        if receipt.complete:
            self._console.print(
                f"[green]✓[/] [bold]{self._stack}[/] is gone: {len(receipt.deleted)} resources"
                f" deleted in {duration(receipt.seconds)}, and nothing is left in"
                f" {', '.join(receipt.looked_in)}"
            )

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
    """A row for each step; what it last said of itself is cut where the line ends."""
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


def _evidence(autopsy: Autopsy) -> Iterable[tuple[str, str]]:
    """What was found, each piece under its heading."""
    for one in autopsy.failed:
        about = f"{one.name} ({one.type.rpartition(':')[2]})" if one.name else "Pulumi"
        yield about, one.message or "it said nothing"
    for container in autopsy.evidence.containers:
        name = f"{container.pod} / {container.container}".rstrip(" /")
        yield f"{name}: {container.reason}", "\n".join(container.log) or "nothing in its log"
    if autopsy.evidence.events:
        yield "Warnings of the cluster", "\n".join(autopsy.evidence.events)
    if autopsy.evidence.missing:
        yield "The cluster", autopsy.evidence.missing


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 2))
