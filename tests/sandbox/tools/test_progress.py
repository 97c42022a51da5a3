"""Bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from sandbox.tools import progress
from sandbox.tools.progress import Workload, display


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def read(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock.read)
    monkeypatch.setattr(progress, "_PACKAGES_BEFORE_AN_ESTIMATE", 2)
    return clock


def _show(console: Console, clock: Clock, seconds: float) -> None:
    with display(console) as report_for:
        one, two = report_for("kubernetes 1"), report_for("pulumi-kubernetes 4.34.2")
        one.expect(["shared", "a", "main"])
        two.expect(["shared", "b", "c", "d", "main2"])
        one.step("compiling")
        for package in ("shared", "a", "unexpected"):
            clock.now += seconds
            one.compiled(package)
        two.message("waiting for process 7, which makes it")
        two.step("waiting for its turn")
        one.done("built")


def test_a_download_says_how_far_it_is_at_times(clock: Clock) -> None:
    output = io.StringIO()
    with display(Console(file=output, width=200)) as report_for:
        report = report_for("pulumi 3")
        report.step("downloading")
        for mib, total in ((1, 120), (40, 120), (41, 120), (80, 0)):
            clock.now += 8
            report.downloaded(mib * 2**20, total * 2**20)
        report.done("downloaded")
    assert output.getvalue().splitlines() == [
        "pulumi 3: downloading",
        "pulumi 3: downloaded 40 of 120 MiB after 0:16 min",
        "pulumi 3: downloaded 80 MiB after 0:32 min",
        "pulumi 3: downloaded after 0:32 min",
    ]


def test_a_pipe_gets_plain_lines_with_the_time_left_for_all(clock: Clock) -> None:
    output = io.StringIO()
    console = Console(file=output, width=200)
    _show(console, clock, seconds=60)
    assert output.getvalue().splitlines() == [
        "kubernetes 1: compiling",
        "kubernetes 1: compiled 1 of 3 packages after 1:00 min",
        "kubernetes 1: compiled 2 of 3 packages after 2:00 min; for all tools, about 2 min left",
        "kubernetes 1: compiled 2 of 3 packages after 3:00 min; for all tools, about 5 min left",
        "pulumi-kubernetes 4.34.2: waiting for process 7, which makes it",
        "pulumi-kubernetes 4.34.2: waiting for its turn",
        "kubernetes 1: built after 3:00 min",
    ]


def test_lines_are_not_one_for_each_package(clock: Clock) -> None:
    output = io.StringIO()
    _show(Console(file=output, width=200), clock, seconds=1)
    assert "1 of 3" not in output.getvalue()


def test_a_terminal_of_80_columns_gets_bars_and_the_time_left_uncut(clock: Clock) -> None:
    output = io.StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system=None)
    _show(console, clock, seconds=60)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue())
    assert "waiting for process 7" in text
    assert [re.sub(r"[━╸ ]+", " ", line).strip() for line in text.splitlines()[-3:]] == [
        "all tools about 5 min left 2/7",
        "kubernetes 1 built after 3:00 min 1/1",
        "pulumi-kubernetes 4.34.2 waiting for its turn 0/5",
    ]


def test_what_several_tools_share_is_counted_once() -> None:
    work = Workload()
    work.expect(["shared", "a"])
    work.expect(["shared", "b"])
    for package in ("shared", "shared", "unexpected"):
        work.compiled(package)
    assert work.count() == (1, 3)
    assert work.count(["shared", "b"]) == (1, 2)


def test_few_packages_give_no_estimate() -> None:
    work = Workload()
    work.expect(["a", "b", "c"])
    work.compiled("a")
    assert work.time_left() == ""
    work.compiled("b")
    assert work.time_left() == "less than a minute left"
