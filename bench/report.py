"""Figures with their goals, stored as data and shown as Markdown."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "benchmarks.json"
REPORT = ROOT / "docs" / "benchmarks.md"


def machine() -> str:
    """Describe this machine, without its name."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


class Figure(BaseModel):
    """A measured quantity.

    Attributes:
        what: Description of the measured quantity.
        unit: Unit: ``s``, ``MiB``, ``ratio``.
        values: Values of all runs, in their order.
        goal: Maximum in the same unit, or None.
        taken: Date in ISO 8601.
        machine: Description of the machine.
    """

    what: str
    unit: str
    values: list[float]
    goal: float | None = None
    taken: str
    machine: str

    @property
    def median(self) -> float:
        """Median of the values."""
        return statistics.median(self.values)

    def row(self) -> str:
        """Return the figure as a row of the table."""
        spread = f"{min(self.values):.1f} to {max(self.values):.1f}, {len(self.values)} runs"
        goal = "" if self.goal is None else f"at most {self.goal:g} {self.unit}"
        met = "" if self.goal is None else ("yes" if self.median <= self.goal else "**no**")
        return (
            f"| {self.what} | {self.median:.1f} {self.unit} | {spread} | {goal} | {met}"
            f" | {self.taken} |"
        )


class Results(BaseModel):
    """All figures by name; those that a run does not measure again are kept."""

    figures: dict[str, Figure] = {}

    @classmethod
    def read(cls) -> Results:
        """Read the results of earlier runs."""
        return cls.model_validate_json(RESULTS.read_text()) if RESULTS.exists() else cls()

    def add(
        self, name: str, what: str, unit: str, values: Sequence[float], goal: float | None = None
    ) -> None:
        """Add a new figure and write the results, so that a later failure loses none."""
        self.figures[name] = Figure(
            what=what,
            unit=unit,
            values=[round(value, 2) for value in values],
            goal=goal,
            taken=datetime.now(UTC).date().isoformat(),
            machine=machine(),
        )
        RESULTS.write_text(self.model_dump_json(indent=1) + "\n")
        REPORT.write_text(self.markdown())
        print(self.figures[name].row(), flush=True)

    def markdown(self) -> str:
        """Return the report."""
        machines = sorted({figure.machine for figure in self.figures.values()})
        lines = [
            "# Benchmarks",
            "",
            "Written by `make bench`; `make bench-cold` measures the cold set-up, too,",
            "`make kill-each` and `make bench-twenty` what their names say. Medians;",
            "such machines are noisy, so ratios in one run say more than seconds.",
            "",
            f"Taken on: {'; '.join(machines)}.",
            "",
            "| what | median | spread | goal | met | taken |",
            "|---|---|---|---|---|---|",
            *(figure.row() for figure in self.figures.values()),
        ]
        fragments = sorted((ROOT / "docs" / "benchmarks").glob("*.md"))
        for fragment in fragments:
            lines += ["", fragment.read_text().strip()]
        return "\n".join(lines) + "\n"
