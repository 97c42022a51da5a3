"""``python -m bench.service``: measure the service, and write docs/benchmarks/service.md.

Subjects take turns within each round, so that other load of the machine affects all alike. Each
figure is the median of the rounds. Processor time is reported too, since it does not depend on
other load.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.report import machine
from bench.service.load import Measurement, creates, gets, measure
from bench.service.subjects import ROOT, SUBJECTS, Subject, database, fill, ids, running

FRAGMENT = ROOT / "docs" / "benchmarks" / "service.md"
NOTES = Path(__file__).with_name("notes.md")
CLIENTS = (1, 16, 64)
ROWS = 20_000
Requests = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Row:
    """Medians of the rounds: requests a second, milliseconds, processor time a request."""

    rate: float
    p50: float
    p95: float
    p99: float
    cpu: float
    errors: int


def compare(
    subjects: dict[str, Subject], requests: Requests, *, clients: int, rounds: int, seconds: float
) -> dict[str, Row]:
    """Measure every subject with the same requests, in turns."""
    taken: dict[str, list[Row]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            subject.settle()
            before = subject.cpu_seconds()
            found = measure(subject.address, requests(), clients=clients, seconds=seconds)
            cpu = (subject.cpu_seconds() - before) / len(found.milliseconds) * 1e6
            tiles = (found.percentile(percent) for percent in (50, 95, 99))
            taken[name].append(Row(found.rate, *tiles, cpu, found.errors))
    return {
        name: Row(
            *(statistics.median(getattr(row, key) for row in rows) for key in Row.__annotations__)  # type: ignore[arg-type]
        )
        for name, rows in taken.items()
    }


def comparison(rounds: int, seconds: float) -> Iterator[str]:
    """Yield the table of get, list and create."""
    yield "| what | clients | | a second | p50 ms | p95 ms | p99 ms | CPU µs | errors | of bare |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    with ExitStack() as stack:
        server, environment = stack.enter_context(database(ROWS))
        subjects = {name: stack.enter_context(running(name, environment)) for name in SUBJECTS}
        paths = [f"/customers/{key}" for key in ids(server, 500)]
        operations: dict[str, Requests] = {
            "get": lambda: gets("bench", paths),
            "list of 100": lambda: gets("bench", ["/customers?limit=100"]),
            "create": lambda: creates("bench"),
        }
        for operation, requests in operations.items():
            for subject in subjects.values():
                subject.settle()
                measure(subject.address, requests(), clients=16, seconds=0.5)
            for clients in CLIENTS:
                rows = compare(subjects, requests, clients=clients, rounds=rounds, seconds=seconds)
                for name, row in rows.items():
                    yield (
                        f"| {operation} | {clients} | {name} | {row.rate:.0f} | {row.p50:.1f} |"
                        f" {row.p95:.1f} | {row.p99:.1f} | {row.cpu:.0f} | {row.errors:.0f} |"
                        f" {row.rate / rows['bare'].rate:.2f} (CPU"
                        f" {rows['bare'].cpu / row.cpu:.2f}) |"
                    )


def large_tables(few: int, many: int, rounds: int, seconds: float) -> Iterator[str]:
    """Yield the times of pages of 100 from few and from many rows, and of storing the rows."""
    yield "| customers | stored | page of 100, p50 | p95 | deep page, p50 | p95 |"
    yield "|---|---|---|---|---|---|"
    taken: dict[tuple[int, str], list[Measurement]] = {}
    seeds, pages = {}, {}
    with ExitStack() as stack:
        for rows in (few, many):
            _, environment = stack.enter_context(database(0))
            seeds[rows] = fill(environment, rows).removeprefix("seed: ")
            subject = stack.enter_context(running("service", environment))
            first = "/customers?limit=100&sort=name"
            for page in (first, f"{first}&cursor={_deep_cursor(subject)}"):
                pages[rows, "deep" if page != first else "first"] = (subject, page)
                measure(subject.address, gets("bench", [page]), clients=1, seconds=0.5)
        for _ in range(rounds):
            for key, (subject, page) in pages.items():
                requests = gets("bench", [page])
                found = measure(subject.address, requests, clients=1, seconds=seconds)
                taken.setdefault(key, []).append(found)
    middle = {
        (*key, percent): statistics.median(run.percentile(percent) for run in runs)
        for key, runs in taken.items()
        for percent in (50, 95)
    }
    for rows in (few, many):
        cells = " | ".join(
            f"{middle[rows, page, percent]:.1f} ms"
            for page in ("first", "deep")
            for percent in (50, 95)
        )
        yield f"| {rows:,} | {seeds[rows]} | {cells} |"
    ratios = {page: middle[many, page, 95] / middle[few, page, 95] for page in ("first", "deep")}
    yield ""
    yield "p95 of many against few: " + ", ".join(f"{k} page {v:.2f}" for k, v in ratios.items())


def _deep_cursor(subject: Subject) -> str:
    """Return a cursor in the middle of the alphabet."""
    import httpx  # noqa: PLC0415

    from service.customers.listing import ORDERS, CustomerQuery, Sort  # noqa: PLC0415

    class Last:
        """Row in the middle."""

        name = "Maria"
        id = "80000000-0000-4000-a000-000000000000"

    query = CustomerQuery(limit=1, sort=Sort.NAME)
    cursor = ORDERS[query.sort].next_cursor([Last, Last], limit=1, scope=query.scope)
    base = "http://{}:{}".format(*subject.address)
    httpx.get(f"{base}/customers?limit=100&sort=name&cursor={cursor}").raise_for_status()
    return str(cursor)


def cold_start() -> Iterator[str]:
    """Yield the processor time from the process's start to the first 200 of /health/ready."""
    taken = []
    with database(1) as (_, environment):
        for _ in range(5):
            with running("service", environment) as subject:
                taken.append(subject.cpu_seconds())
    yield f"Cold start to ready: {statistics.median(taken):.2f} s of CPU, median of {len(taken)}."


def main() -> int:
    """Measure and write the report.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    started = time.monotonic()
    lines = ["## The service", ""]
    for part in (
        comparison(options.rounds, options.seconds),
        large_tables(10_000, options.rows, 2 * options.rounds, options.seconds),
        cold_start(),
    ):
        for line in part:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            lines.append(line)
        lines.append("")
    load = " ".join(f"{value:.1f}" for value in psutil.getloadavg())
    lines.append(
        f"Taken {datetime.now(UTC):%Y-%m-%d} on {machine()}, in {time.monotonic() - started:.0f} s;"
        f" load average at the end {load}."
    )
    FRAGMENT.parent.mkdir(exist_ok=True)
    FRAGMENT.write_text("\n".join([*lines, "", NOTES.read_text()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
